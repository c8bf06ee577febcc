"""An event arrives at least once, and nothing that goes wrong on the way is silent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import pytest

from domain.alerting import AlertKind
from domain.conditions import CALM_FOR
from domain.telling import DeliveryState, Endpoint, Message, Reply
from persistence import machinery, telling_office
from persistence.delivery_jobs import AT_ONCE
from persistence.telling_office import Wanted
from tests.persistence.bank import Bank
from tests.persistence.watchtower import tower_of
from tests.telling.post import Drawer, Post, endpoint, open_post
from tests.telling.receiver import Receiver, answering, receiving, secret_of

DUE_IN = """
SELECT execute_after - updated FROM tallystick_jobs.pgqueuer WHERE status = 'queued'
"""


@asynccontextmanager
async def heard_by(bank: Bank, *receivers: Receiver) -> AsyncIterator[Post]:
    """A process at work whose endpoints are these receivers, called by their numbers."""
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(receiving(each)))[1] for each in receivers]
        endpoints = [endpoint(url, f"e{number}") for number, url in enumerate(urls)]
        post = await stack.enter_async_context(open_post(bank, *endpoints))
        await stack.enter_async_context(post.working())
        yield post


async def due_in(bank: Bank) -> timedelta:
    """How long after it was queued the only job is due."""
    async with asyncio.timeout(60):
        while True:
            found = await bank.owner.fetchval(DUE_IN)
            if isinstance(found, timedelta):
                return found
            await asyncio.sleep(0.02)


async def test_an_event_arrives_once_where_it_is_accepted(bank: Bank) -> None:
    receiver = Receiver()
    async with heard_by(bank, receiver) as post:
        await post.raise_alert()
        states = await post.until("DELIVERED")
        await post.hurry()
        await asyncio.sleep(0.3)

    assert states == [("DELIVERED", 1, ["204"])]
    [heard] = receiver.heard
    heard.verify()
    assert heard.type == "alert.raised"
    assert heard.data["message"] == "look at it"


async def test_an_endpoint_that_was_away_hears_it_when_it_is_back(bank: Bank) -> None:
    receiver = Receiver()
    receiver.moods.extend([answering(500), answering(307, location="http://127.0.0.1:9/")])
    async with heard_by(bank, receiver) as post:
        await post.raise_alert()
        await post.until_tried(1)
        first = await due_in(bank)
        await post.hurry()
        await post.until_tried(2)
        second = await due_in(bank)
        await post.hurry()
        states = await post.until("DELIVERED")

    assert (first, second) == (timedelta(seconds=5), timedelta(minutes=5))
    assert states == [("DELIVERED", 3, ["500", "307", "204"])]
    assert post.outcomes.read() == {("e0", "FAILED"): (2,), ("e0", "DELIVERED"): (1,)}
    assert len(set(receiver.ids)) == 1
    assert len({heard.body for heard in receiver.heard}) == 1
    for heard in receiver.heard:
        heard.verify()


async def test_an_endpoint_that_says_when_is_asked_then(bank: Bank) -> None:
    receiver = Receiver()
    receiver.moods.append(answering(429, retry_after="900"))
    async with heard_by(bank, receiver) as post:
        await post.raise_alert()
        await post.until_tried(1)
        wait = await due_in(bank)

    assert wait == timedelta(seconds=900)


async def test_what_is_never_accepted_is_dead_after_ten_tries(bank: Bank) -> None:
    receiver = Receiver(always=answering(500))
    async with heard_by(bank, receiver) as post:
        await post.raise_alert()
        for count in range(1, 11):
            await post.until_tried(count)
            await post.hurry()
        states = await post.until("DEAD")
        await asyncio.sleep(0.3)

    assert states == [("DEAD", 10, ["500"] * 10)]
    assert post.outcomes.read() == {("e0", "FAILED"): (9,), ("e0", "DEAD"): (1,)}
    assert len(receiver.heard) == 10
    assert len(set(receiver.ids)) == 1


async def test_an_endpoint_that_is_gone_is_sent_nothing_more(bank: Bank) -> None:
    receiver = Receiver(always=answering(410))
    async with heard_by(bank, receiver) as post:
        receiver.open.clear()
        for subject in range(3):
            await post.raise_alert(str(subject))
        await receiver.until_heard(3)
        receiver.open.set()
        await post.until("DEAD", "DEAD", "DEAD")
        await post.raise_alert("later")
        states = await post.until("DEAD", "DEAD", "DEAD", "DEAD")
        counted = await machinery.look(bank.url)
    async with tower_of(bank) as tower:
        told = [await tower.look(AlertKind.WEBHOOK_REJECTED) for _ in range(2)]
        [alert] = await tower.alerts_of(AlertKind.WEBHOOK_REJECTED)
        await telling_office.dismiss(bank.url, Wanted(states=[DeliveryState.DEAD]))
        await tower.look(AlertKind.WEBHOOK_REJECTED)
        await tower.wait(CALM_FOR)
        await tower.look(AlertKind.WEBHOOK_REJECTED)
        lasting = await bank.owner.fetchval("SELECT count(*) FROM tallystick.alert_conditions")

    assert len(receiver.heard) == 3
    assert states[-1] == ("DEAD", 0, ["the endpoint said that it is gone"])
    assert (counted.waiting_deliveries, counted.dead_deliveries) == (0, 4)
    assert (told, lasting) == ([1, 0], 0)
    assert alert.startswith("Events that the endpoint e0 never took, and that were given up: 4.")


async def test_an_endpoint_that_is_gone_is_asked_again_at_another_address(bank: Bank) -> None:
    async with heard_by(bank, Receiver(always=answering(410))) as post:
        await post.raise_alert("old")
        await post.until("DEAD")
    moved = Receiver()
    async with heard_by(bank, moved) as post:
        await post.raise_alert("new")
        await post.until("DEAD", "DELIVERED")

    assert len(moved.heard) == 1


async def test_a_dead_endpoint_holds_up_nobody_else(bank: Bank) -> None:
    dead, well = Receiver(), Receiver()
    dead.open.clear()
    async with heard_by(bank, dead, well) as post:
        for subject in range(4 * AT_ONCE):
            await post.raise_alert(str(subject))
        await well.until_heard(4 * AT_ONCE)
        await dead.until_heard(AT_ONCE)
        await asyncio.sleep(0.3)
        most = dead.at_once_most
        dead.open.set()

    assert most == AT_ONCE


async def test_processes_share_deliveries_and_their_bound(bank: Bank) -> None:
    receiver = Receiver()
    async with heard_by(bank, receiver) as post, AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(post.working())
        for subject in range(60):
            await post.raise_alert(str(subject))
        states = await post.until(*["DELIVERED"] * 60)

    assert all(told == ["204"] for _, _, told in states)
    assert sorted(receiver.ids) == sorted(set(receiver.ids))
    assert len(receiver.heard) == 60
    assert receiver.at_once_most <= AT_ONCE


async def test_a_process_that_stops_hands_back_what_is_on_its_way(bank: Bank) -> None:
    receiver = Receiver()
    receiver.open.clear()
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url)) as post:
        await post.raise_alert()
        async with post.working():
            await receiver.until_heard(1)
        [waiting] = await post.states()
        receiver.open.set()
        async with post.working():
            states = await post.until("DELIVERED")

    assert waiting[0] == "WAITING"
    assert states == [("DELIVERED", 1, ["204"])]
    assert receiver.ids == [receiver.ids[0]] * 2


class Crashing(Drawer):
    """A process that dies once the endpoint has the message, before it can say so."""

    async def send(self, endpoint: Endpoint, message: Message) -> Reply:
        await super().send(endpoint, message)
        raise KeyboardInterrupt


async def test_a_process_that_dies_after_sending_sends_the_same_again(bank: Bank) -> None:
    crashing, well = Crashing(), Drawer()
    there = endpoint("http://127.0.0.1:9/")
    async with open_post(bank, there, sender=crashing) as post:
        await post.raise_alert()
        await post.deliveries.spread()
        [job] = await post.queued()
        with pytest.raises(KeyboardInterrupt):
            await post.telling.deliver(job)
    async with open_post(bank, there, sender=well) as post:
        await post.telling.deliver(job)
        again = await post.telling.deliver(job)
        states = await post.states()

    assert again is None
    assert well.messages == crashing.messages
    assert states == [("DELIVERED", 1, ["204"])]


async def test_what_is_replayed_in_mid_delivery_begins_anew(bank: Bank) -> None:
    receiver = Receiver()
    receiver.moods.append(answering(500))
    receiver.open.clear()
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url)) as post:
        await post.raise_alert()
        await post.deliveries.spread()
        [job] = await post.queued()
        on_its_way = asyncio.create_task(post.telling.deliver(job))
        await receiver.until_heard(1)
        replayed = await telling_office.replay(bank.url, Wanted(), post.endpoints)
        receiver.open.set()
        await on_its_way
        between = await post.states()
        async with post.working():
            after = await post.until("DELIVERED")

    assert replayed == 1
    assert between == [("WAITING", 0, ["500"])]
    assert after == [("DELIVERED", 1, ["500", "204"])]


async def test_a_job_of_a_dead_process_is_another_ones_when_it_was_silent(bank: Bank) -> None:
    receiver = Receiver()
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url)) as post:
        await post.raise_alert()
        await post.deliveries.spread()
        # As a process leaves it that is killed in mid delivery.
        await bank.owner.execute(
            "UPDATE tallystick_jobs.pgqueuer SET status = 'picked', slot = 0,"
            " queue_manager_id = gen_random_uuid(), heartbeat = now() - interval '5 seconds'"
        )
        async with post.working():
            await asyncio.sleep(0.5)
            before = len(receiver.heard)
            await bank.owner.execute(
                "UPDATE tallystick_jobs.pgqueuer SET heartbeat = now() - interval '31 seconds'"
            )
            await post.hurry()
            await post.until("DELIVERED")

    assert (before, len(receiver.heard)) == (0, 1)


async def test_a_broken_delivery_is_tried_again_and_told(bank: Bank) -> None:
    class Broken(Drawer):
        async def send(self, endpoint: Endpoint, message: Message) -> Reply:
            if not self.messages:
                self.messages.append(message)
                raise ZeroDivisionError
            return await super().send(endpoint, message)

    async with open_post(bank, endpoint("http://127.0.0.1:9/"), sender=Broken()) as post:
        await post.raise_alert()
        async with post.working():
            async with asyncio.timeout(60):
                while not post.faults:  # noqa: ASYNC110 - the process tells it
                    await asyncio.sleep(0.02)
            wait = await due_in(bank)
            await post.hurry()
            await post.until("DELIVERED")
        told = list(map(type, post.faults))
        post.faults.clear()

    assert told == [ZeroDivisionError]
    assert wait == timedelta(seconds=30)


async def test_secrets_are_in_no_table(bank: Bank) -> None:
    receiver = Receiver()
    receiver.moods.append(answering(500))
    async with heard_by(bank, receiver) as post:
        await post.raise_alert()
        await post.until_tried(1)
        await post.hurry()
        await post.until("DELIVERED")
        found = [str(row) for row in await everything(bank)]

    assert len(found) >= 4
    assert "whsec" not in "".join(found)
    assert secret_of("first").removeprefix("whsec_") not in "".join(found)


async def everything(bank: Bank) -> Sequence[object]:
    """Every row that has to do with what is told."""
    rows: list[object] = []
    for table in (
        "tallystick.told_events", "tallystick.event_deliveries", "tallystick.delivery_tries",
        "tallystick.gone_endpoints", "tallystick_jobs.pgqueuer", "tallystick_jobs.pgqueuer_log",
    ):  # fmt: skip
        rows += await bank.owner.fetch(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
    return rows


async def test_when_it_was_told_is_when_it_happened(bank: Bank) -> None:
    receiver = Receiver()
    async with heard_by(bank, receiver) as post:
        before: datetime = await bank.owner.fetchval("SELECT clock_timestamp()")
        await post.raise_alert()
        after: datetime = await bank.owner.fetchval("SELECT clock_timestamp()")
        [heard] = await receiver.until_heard(1)

    told = datetime.fromisoformat(str(heard.event["timestamp"]))
    assert before <= told <= after
