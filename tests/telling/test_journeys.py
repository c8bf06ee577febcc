"""What people do is told to the operator's systems, and every library believes it."""

import asyncio
import json
import signal
from pathlib import Path

import structlog

from domain.identity import Role
from domain.telling import EventId
from schema.ids import event_name
from tests import node
from tests.journeys.fleet import open_fleet
from tests.journeys.system import open_house
from tests.journeys.test_buying import visit
from tests.telling.receiver import SECRET, Heard, Receiver, receiving, secret_of

NOWHERE = "http://127.0.0.1:9/"
ANSWER = """query ($id: ID!) { answer(id: $id) { status charged model { id } } }"""


def by_type(receiver: Receiver) -> dict[object, Heard]:
    return {heard.type: heard for heard in receiver.heard}


async def test_what_a_customer_does_is_told_as_the_api_shows_it(
    database_url: str, deployment_secret: str, tmp_path: Path
) -> None:
    old = secret_of("old")
    async with (
        receiving() as (receiver, url),
        open_house(
            database_url,
            deployment_secret,
            webhook_url=url,
            webhook_secrets=f"{SECRET},{old}",
            low_balance_credits="5000",
            sign_up_credits="0",
        ) as house,
    ):
        ada = await visit(house)
        await ada.do("pay")
        asked = await ada.person.ask("What is a ledger?", "k")
        await receiver.until_heard(3)
        shown = await ada.person.send(ANSWER, id=asked["askAI.answer.id"])
        balance = await ada.balance()
        heard = by_type(receiver)
        differences = await house.differences()

    assert set(heard) == {"payment.succeeded", "answer.finished", "balance.low"}
    paid = heard["payment.succeeded"].data
    assert (paid["id"], paid["price"]) == (ada.payment_id, {"amount": "5", "currency": "USD"})
    assert (paid["credits"], paid["mode"], paid["packId"]) == ("5000", "SANDBOX", "starter")
    answered = heard["answer.finished"].data
    assert answered["id"] == asked["askAI.answer.id"]
    assert answered["charged"] == shown["answer.charged"] == asked["askAI.answer.charged"]
    assert (answered["status"], answered["model"]) == ("SUCCEEDED", shown["answer.model.id"])
    low = heard["balance.low"].data
    assert (low["total"], low["threshold"]) == (balance[0], "5000")
    assert low["accountId"] == paid["accountId"] == answered["accountId"]
    assert b"ledger" not in b"".join(each.body for each in receiver.heard)
    assert differences == []
    assert await believed_by_node(tmp_path, receiver, old) == sorted(map(str, heard))


async def believed_by_node(tmp_path: Path, receiver: Receiver, secret: str) -> list[str]:
    """What the official library for Node makes of what was heard; it refuses what was changed."""
    lines = [
        {"headers": dict(heard.headers), "body": heard.body.decode()} for heard in receiver.heard
    ]
    tampered = {**lines[0], "body": f"{lines[0]['body']} "}
    file = tmp_path / "heard.ndjson"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in (*lines, tampered)))
    printed = await asyncio.to_thread(
        node.run, "webhook.mjs", secret, str(file), folder=node.CLIENTS
    )
    *verified, refused = json.loads(printed)["verified"]
    assert refused == "WebhookVerificationError"
    return sorted(verified)


async def test_an_alert_reaches_the_operators_systems(
    database_url: str, deployment_secret: str
) -> None:
    async with (
        receiving() as (receiver, url),
        open_house(
            database_url,
            deployment_secret,
            webhook_url=url,
            webhook_secrets=SECRET,
            webhook_events="alert.*",
        ) as house,
    ):
        admin = await house.demo_person(Role.ADMIN)
        await house.database.execute(
            "SELECT tallystick.raise_alert('PAYMENT_MISMATCH', 'CRITICAL', 'x', 'look at it')"
        )
        [heard] = await receiver.until_heard(1)
        found = await admin.send("{ admin { alerts { nodes { id kind severity message } } } }")
        tries = house.system.watched.deliveries
        async with asyncio.timeout(60):
            while not tries.read():  # noqa: ASYNC110 - it only counts
                await asyncio.sleep(0.01)

    assert heard.data == found["admin.alerts.nodes.0"]
    assert tries.read() == {("default", "DELIVERED"): (1,)}


async def test_a_server_that_is_killed_in_mid_delivery_loses_nothing(
    database_url: str, deployment_secret: str
) -> None:
    receiver = Receiver()
    receiver.open.clear()
    async with (
        receiving(receiver) as (_, url),
        open_fleet(database_url, deployment_secret) as fleet,
    ):
        told = {"WEBHOOK_URL": url, "WEBHOOK_SECRETS": SECRET, "WEBHOOK_EVENTS": "answer.finished"}
        first = await fleet.server(**told)
        asked = await fleet.ask(first, "hello", "one")
        await receiver.until_heard(1)
        first.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.process.wait)
        receiver.open.set()
        await fleet.database.execute(
            "UPDATE tallystick_jobs.pgqueuer SET heartbeat = now() - interval '1 minute'"
        )
        await fleet.worker(**told)
        await receiver.until_heard(2)
        async with asyncio.timeout(60):
            while (  # noqa: ASYNC110 - another process notes it
                await fleet.database.fetchval("SELECT state FROM tallystick.event_deliveries")
                != "DELIVERED"
            ):
                await asyncio.sleep(0.1)

    assert receiver.ids == [receiver.ids[0]] * 2
    assert receiver.heard[0].body == receiver.heard[1].body
    assert receiver.heard[1].data["id"] == asked["askAI.answer.id"]
    receiver.heard[1].verify()


async def test_what_was_not_taken_is_named_in_the_log_without_its_address(
    database_url: str, deployment_secret: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with (
            asyncio.timeout(60),
            open_house(
                database_url,
                deployment_secret,
                webhook_url=f"{NOWHERE}?key=hunter2",
                webhook_secrets=SECRET,
                webhook_events="alert.*",
            ) as house,
        ):
            await house.database.execute(
                "SELECT tallystick.raise_alert('PAYMENT_MISMATCH', 'CRITICAL', 'x', 'look at it')"
            )
            while not house.system.watched.deliveries.read():  # noqa: ASYNC110 - it only counts
                await asyncio.sleep(0.01)
            [row] = await house.database.fetch("SELECT id, salt FROM tallystick.told_events")

    [line] = [line for line in lines if line["event"] == "event not accepted"]
    assert (
        line.items()
        >= {
            "endpoint": "default",
            "event_id": event_name(EventId(*row)),
            "type": "alert.raised",
            "fault": "no connection",
            "tries": 1,
            "state": "WAITING",
        }.items()
    )
    assert "hunter2" not in str(lines)


async def test_a_worker_without_endpoints_leaves_what_is_told_as_it_is(
    database_url: str, deployment_secret: str
) -> None:
    async with receiving() as (receiver, url), open_fleet(database_url, deployment_secret) as fleet:
        told = {"WEBHOOK_URL": url, "WEBHOOK_SECRETS": SECRET, "WEBHOOK_EVENTS": "answer.finished"}
        # It has room for no other answer, so the next is the worker's.
        server = await fleet.server(**told, ANSWERS_AT_ONCE="1")
        busy = await fleet.ask(server, "Hello\nsimulate: stall", "busy", 0)
        await fleet.called(1)
        worker = await fleet.worker()
        asked = await fleet.ask(server, "Hello", "one")
        [heard] = await receiver.until_heard(1)
        await fleet.cancel(server, busy["askAI.answer.id"])
        await asyncio.to_thread(worker.end)

    assert heard.data["id"] == asked["askAI.answer.id"]
    assert (heard.type, heard.data["status"]) == ("answer.finished", "SUCCEEDED")


async def test_it_is_said_when_nothing_is_wanted_any_more(
    database_url: str, deployment_secret: str
) -> None:
    told: list[str] = []
    for url in ("", NOWHERE, ""):
        with structlog.testing.capture_logs() as lines:
            async with open_house(
                database_url,
                deployment_secret,
                webhook_url=url or None,
                webhook_secrets=SECRET,
                webhook_events="alert.*",
            ):
                pass
        told += [
            f"{line['log_level']} {line['types']}"
            for line in lines
            if line["event"] == "events wanted"
        ]

    assert told == ["info ['alert.raised']", "warning []"]
