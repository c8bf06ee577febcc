"""An event is there when its cause is, and once."""

import asyncio
import json

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from domain.payments import Progress
from domain.telling import EventType
from domain.units import Microcredits
from persistence.roles import Login
from persistence.telling import queries_on
from persistence.wishing import PostgresWishes
from tests.persistence.bank import Bank
from tests.persistence.intruder import intruding
from tests.persistence.orders import buyer, dispute, message, refund
from tests.telling.post import LOW, Drawer, endpoint, open_post

NOWHERE = endpoint("http://127.0.0.1:9/")
QUEUE = ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics")
TILL = endpoint("http://127.0.0.1:9/", "till", *(each for each in EventType if "payment" in each))
"""Wants to hear of payments only."""


async def test_a_payment_is_told_when_it_succeeds_and_when_all_of_it_went_back(bank: Bank) -> None:
    async with open_post(bank, TILL) as post:
        ada = await buyer(bank)
        before = await post.types()
        await ada.is_told()
        await ada.is_told(refund(200))
        await ada.is_told(refund(500))
        events = await post.events()

    assert before == []
    assert [row["type"] for row in events] == ["payment.succeeded", "payment.reversed"]
    assert {row["account_id"] for row in events} == {ada.customer.account_id}
    facts = json.loads(events[1]["facts"])
    assert facts["moment"] == ada.payment.id.moment
    assert (facts["credits"], facts["taken_back"]) == (1_100, 1_100)


@pytest.mark.parametrize(
    ("progress", "told"),
    [(Progress.FAILED, "payment.failed"), (Progress.EXPIRED, "payment.expired")],
)
async def test_a_payment_that_comes_to_nothing_is_told(
    bank: Bank, progress: Progress, told: str
) -> None:
    async with open_post(bank, TILL) as post:
        ada = await buyer(bank)
        await ada.is_told(progress=progress)

        assert await post.types() == [told]


async def test_a_payment_that_is_settled_again_is_told_once(bank: Bank) -> None:
    async with open_post(bank, TILL) as post:
        ada = await buyer(bank)
        await asyncio.gather(*(ada.is_told(heard=message(f"evt_{n}")) for n in range(10)))
        await ada.is_told()

        assert await post.types() == ["payment.succeeded"]


async def test_a_dispute_that_is_won_is_told_as_a_payment_that_succeeds_again(bank: Bank) -> None:
    async with open_post(bank, TILL) as post:
        ada = await buyer(bank)
        await ada.is_told()
        await ada.is_told(dispute(500))
        await ada.is_told()

        assert await post.types() == ["payment.succeeded", "payment.reversed", "payment.succeeded"]


async def test_an_alert_is_told_when_it_is_new_and_again_when_it_was_seen(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        await post.raise_alert("x")
        await post.raise_alert("x")
        await post.raise_alert("y")
        await bank.owner.execute("UPDATE tallystick.alerts SET acknowledged_at = now()")
        await post.raise_alert("x")

        assert await post.types() == ["alert.raised"] * 3


async def test_what_is_rolled_back_is_not_told(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        async with bank.owner.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(
                "SELECT tallystick.raise_alert('STUCK_HOLDS', 'INFO', 'x', 'gone in a moment')"
            )
            inside = await connection.fetchval("SELECT count(*) FROM tallystick.told_events")
            await transaction.rollback()

        assert inside == 1
        assert await post.types() == []
        assert await post.deliveries.spread() == 0


async def test_what_nobody_wants_is_not_written(bank: Bank) -> None:
    async with open_post(bank, endpoint("http://127.0.0.1:9/", "x", EventType.BALANCE_LOW)) as post:
        await post.raise_alert()
        await (await buyer(bank)).is_told()

        assert await post.types() == []


async def test_what_is_wanted_is_news_once(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        wishes = PostgresWishes(post.deliveries.pool)
        more = Microcredits(200)

        assert not await wishes.wish(frozenset(EventType), low_balance=LOW)
        assert await wishes.wish(frozenset(EventType), low_balance=more)
        assert not await wishes.wish(frozenset(EventType), low_balance=more)


async def test_an_event_is_spread_once_however_many_spread_it(bank: Bank) -> None:
    low = endpoint("http://127.0.0.1:9/", "low", EventType.BALANCE_LOW)
    async with open_post(bank, NOWHERE, endpoint("http://127.0.0.1:9/", "ops"), low) as post:
        for subject in range(250):
            await post.raise_alert(str(subject))
        spread = await asyncio.gather(*(post.deliveries.spread() for _ in range(4)))
        again = await post.deliveries.spread()
        queued = await post.queued()

    assert (sum(spread), again) == (500, 0)
    assert len({(each.event_id, each.endpoint) for each in queued}) == len(queued) == 500
    assert {each.endpoint for each in queued} == {"crm", "ops"}


async def test_a_process_that_dies_while_it_spreads_leaves_nothing_half_done(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        await post.raise_alert()
        connection = await asyncpg.connect(post.url)
        transaction = connection.transaction()
        await transaction.start()
        rows = await connection.fetch(
            "SELECT * FROM tallystick.spread_events("
            "ARRAY['crm'], ARRAY[gen_random_uuid()], ARRAY['alert.raised'], 10)"
        )
        meanwhile = await post.deliveries.spread()
        connection.terminate()
        async with asyncio.timeout(60):
            while not await post.deliveries.spread():  # noqa: ASYNC110 - the server notices it
                await asyncio.sleep(0.02)

        assert len(rows) == 1
        assert meanwhile == 0
        assert len(await post.queued()) == 1


async def test_a_job_that_was_lost_is_made_again(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        await post.raise_alert()
        await post.deliveries.spread()
        await bank.owner.execute("DELETE FROM tallystick_jobs.pgqueuer")
        at_once = await post.deliveries.spread()
        await bank.owner.execute(
            "UPDATE tallystick.event_deliveries SET next_try_at = now() - interval '11 minutes'"
        )
        later = await post.deliveries.spread()
        [job] = await post.queued()
        await bank.owner.execute(
            "UPDATE tallystick.event_deliveries SET next_try_at = now() - interval '11 minutes'"
        )
        await post.deliveries.spread()

        assert (at_once, later) == (0, 1)
        assert await post.queued() == [job]  # a job that is there is not made twice


async def test_a_delivery_whose_endpoint_is_configured_no_more_is_given_up(bank: Bank) -> None:
    async with open_post(bank, NOWHERE) as post:
        await post.raise_alert()
        await post.deliveries.spread()
    async with open_post(bank, endpoint("http://127.0.0.1:9/", "other")) as post:
        await post.deliveries.spread()
        waiting = await post.states()
        await bank.owner.execute(
            "UPDATE tallystick.event_deliveries SET next_try_at = now() - interval '25 hours'"
        )
        await post.deliveries.spread()

        assert [state for state, _, _ in waiting] == ["WAITING"]
        assert await post.states() == [("DEAD", 0, ["no endpoint of this name is configured"])]


async def test_what_was_delivered_is_forgotten_in_time_and_what_is_dead_is_not(bank: Bank) -> None:
    drawer = Drawer()
    async with open_post(bank, NOWHERE, sender=drawer) as post:
        for subject in ("delivered", "dead", "waiting", "young"):
            await post.raise_alert(subject)
        await post.deliveries.spread()
        for state, number in (("DELIVERED", 1), ("DEAD", 2), ("DELIVERED", 4)):
            await bank.owner.execute(
                "UPDATE tallystick.event_deliveries SET state = $1 WHERE event_id = $2",
                state,
                number,
            )
        await bank.owner.execute(
            "UPDATE tallystick.event_deliveries SET changed_at = '2026-01-01' WHERE event_id < 4"
        )
        await bank.owner.execute(
            "UPDATE tallystick.told_events SET told_at = '2026-01-01' WHERE id < 4"
        )
        before = await bank.owner.fetchval("SELECT '2026-06-01'::timestamptz")
        forgotten = await post.deliveries.forget(before)
        left = await bank.owner.fetch("SELECT id FROM tallystick.told_events ORDER BY id")

    assert forgotten == 1
    assert [row["id"] for row in left] == [2, 3, 4]


async def test_the_queues_tables_are_what_its_library_expects(bank: Bank) -> None:
    connection = await asyncpg.connect(bank.url)
    plan = await queries_on(AsyncpgDriver(connection)).plan_upgrade()
    await connection.close()

    assert (list(plan.statements), list(plan.notes)) == ([], [])


@pytest.mark.parametrize("login", list(Login))
async def test_nobody_but_the_worker_reaches_the_queue(bank: Bank, login: Login) -> None:
    reads = [f"SELECT FROM tallystick_jobs.{table}" for table in QUEUE]
    changes = [
        *(f"TRUNCATE tallystick_jobs.{table}" for table in (*QUEUE, "pgqueuer_schedules")),
        "DROP TABLE tallystick_jobs.pgqueuer",
        "CREATE TABLE tallystick_jobs.mine ()",
        "CREATE FUNCTION tallystick_jobs.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE tallystick_jobs.pgqueuer DISABLE TRIGGER ALL",
        "INSERT INTO tallystick_jobs.pgqueuer_schedules (expression, entrypoint) VALUES ('', '')",
    ]

    async with intruding(bank, login) as intruder:
        readable = await intruder.not_denied(reads)
        changeable = await intruder.not_denied(changes)

    assert readable == (reads if login is Login.WORKER else [])
    assert changeable == []
