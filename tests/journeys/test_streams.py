"""Answers followed and balances watched, through sockets and events, across two processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.asgi import application
from domain.identity import Role
from tests.app.streaming import Json, listening, talking
from tests.journeys.serving import serving
from tests.journeys.system import House, Person, open_house

FOLLOW = """
subscription($id: ID!, $after: Int! = 0) {
  answer(id: $id, after: $after) {
    offset text status
    answer { status charged held text finishReason problem { code } attempts { outcome } }
  }
}
"""
WATCH = "subscription { balanceChanged { balance { available held } entry { kind amount } } }"
PATIENCE = 30.0


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret) as house:
        yield house
        assert await house.differences() == []


@pytest.fixture
async def other(house: House, deployment_secret: str) -> AsyncIterator[House]:
    """Another process on the same database."""
    async with open_house(house.deployment.url, deployment_secret) as other:
        yield other


@asynccontextmanager
async def served(house: House) -> AsyncIterator[tuple[str, int]]:
    async with serving(application(house.system)) as address:
        yield address


async def asked(person: Person, content: str) -> str:
    """The id of an answer in progress."""
    reply = await person.ask(content, f"key of {content}", wait=0)
    return reply.text("askAI.answer.id")


def chunk(body: object, field: str = "answer") -> Json:
    match body:
        case {"data": dict() as data}:
            found = data[field]
            assert isinstance(found, dict)
            return found
        case _:
            raise AssertionError(body)


def show(chunks: list[Json]) -> str:
    shown = ""
    for each in chunks:
        offset, text = each["offset"], each["text"]
        assert isinstance(offset, int)
        assert isinstance(text, str)
        shown = shown[:offset] + text
    return shown


async def follow(address: tuple[str, int], token: str, answer_id: str) -> list[Json]:
    """All pieces of an answer, by server-sent events."""
    async with (
        asyncio.timeout(PATIENCE),
        listening(address, FOLLOW, token, id=answer_id) as events,
    ):
        heard = await events.all()
    assert heard[-1] == ("complete", None)
    return [chunk(body) for _, body in heard[:-1]]


async def test_an_answer_is_followed_by_both_ways_to_its_charge(house: House) -> None:
    person, _ = await house.visitor()
    async with served(house) as address, asyncio.timeout(PATIENCE):
        answer_id = await asked(person, "Hello\nsimulate: slow 0.5")
        following = asyncio.create_task(follow(address, person.token, answer_id))
        async with talking(address) as talk:
            await talk.begin(person.token)
            await talk.say(following_by_socket(answer_id))
            messages = await talk.answers("follow")
        by_socket = [chunk(message["payload"]) for message in messages[:-1]]
        by_events = await following

    for chunks in (by_socket, by_events):
        last = chunks[-1]["answer"]
        assert isinstance(last, dict)
        assert last["status"] == "SUCCEEDED"
        assert last["charged"] != "0"
        assert last["attempts"] == [{"outcome": "SUCCEEDED"}]
        assert show(chunks) == last["text"]
        assert len(chunks) > 3
    assert messages[-1]["type"] == "complete"


def following_by_socket(answer_id: str) -> Json:
    payload = {"query": FOLLOW, "variables": {"id": answer_id}}
    return {"id": "follow", "type": "subscribe", "payload": payload}


async def test_a_failure_in_the_middle_is_told_with_what_came_before(house: House) -> None:
    person, _ = await house.visitor()
    async with served(house) as address:
        answer_id = await asked(person, "Hello\nsimulate: broken")
        chunks = await follow(address, person.token, answer_id)

    assert chunks[-1]["answer"] == {
        "status": "FAILED",
        "charged": "0",
        "held": "0",
        "text": None,
        "finishReason": None,
        "problem": {"code": "PROVIDER_FAILED"},
        "attempts": [{"outcome": "FAILED"}],
    }


async def test_an_answer_is_followed_in_another_process_than_its_runners(
    house: House, other: House
) -> None:
    person, _ = await house.visitor()
    async with served(other) as address:
        answer_id = await asked(person, "Hello there\nsimulate: slow 2")
        followers = [
            asyncio.create_task(follow(address, person.token, answer_id)) for _ in range(3)
        ]
        heard = [await follower for follower in followers]
    left = await house.database.fetchval("SELECT count(*) FROM tallystick.answer_pieces")

    for chunks in heard:
        last = chunks[-1]["answer"]
        assert isinstance(last, dict)
        assert last["status"] == "SUCCEEDED"
        assert show(chunks) == last["text"]
        # It came in pieces while it went on, not all at once in the end.
        assert len([each for each in chunks if each["text"]]) > 3
    assert left == 0


async def test_nothing_is_written_for_others_while_nobody_there_follows(house: House) -> None:
    person, _ = await house.visitor()
    async with served(house) as address:
        answer_id = await asked(person, "Hello\nsimulate: slow 0.5")
        following = asyncio.create_task(follow(address, person.token, answer_id))
        await asyncio.sleep(0.3)
        counts = [
            await house.database.fetchval(f"SELECT count(*) FROM tallystick.{table}")  # noqa: S608 - names of ours
            for table in ("answer_pieces", "answer_followers")
        ]
        await following

    assert counts == [0, 0]


async def test_pieces_are_found_without_a_notice(house: House, other: House) -> None:
    person, _ = await house.visitor()
    async with served(other) as address:
        await deafen(house.deployment.url)
        answer_id = await asked(person, "Hello there\nsimulate: slow 3")
        chunks = await follow(address, person.token, answer_id)

    assert chunks[-1]["status"] == "SUCCEEDED"
    assert len([each for each in chunks if each["text"]]) > 1


async def deafen(url: str) -> None:
    """Cut the connections on which processes hear each other."""
    operator = await asyncpg.connect(url)
    await operator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'tallystick-notices' AND datname = current_database()"
    )
    await operator.close()


async def test_the_end_of_an_answer_whose_runner_died_is_told_elsewhere(
    house: House, other: House
) -> None:
    person, _ = await house.visitor()
    async with served(other) as address:
        answer_id = await asked(person, "Hello\nsimulate: stall")
        following = asyncio.create_task(follow(address, person.token, answer_id))
        await asyncio.sleep(0.5)
        # What dies says no more; whoever finds it ends it in the books.
        await house.database.execute(
            "SELECT tallystick.end_hold(account_id, key_number, moment, 'RELEASED', 0,"
            " p_failure => 'ERROR') FROM tallystick.holds WHERE ended_moment IS NULL"
        )
        chunks = await following

    last = chunks[-1]["answer"]
    assert isinstance(last, dict)
    assert (last["status"], last["charged"]) == ("FAILED", "0")
    assert await person.balance() == {
        "available": "1000",
        "held": "0",
        "total": "1000",
        "owed": "0",
    }


async def test_nobody_follows_another_ones_answer(house: House) -> None:
    person, _ = await house.visitor()
    stranger, _ = await house.visitor()
    answer_id = await asked(person, "Hello\nsimulate: slow 0.2")
    async with (
        served(house) as address,
        listening(address, FOLLOW, stranger.token, id=answer_id) as events,
    ):
        heard = await events.all()

    assert str(heard).count("NOT_FOUND") == 1
    assert len(heard) == 2


async def test_a_balance_is_told_while_an_answer_is_paid_for_in_another_process(
    house: House, other: House
) -> None:
    person, account_id = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)
    changes: list[Json] = []
    answer_id = ""
    async with served(other) as address, asyncio.timeout(PATIENCE):
        async with listening(address, WATCH, person.token) as events:
            async for _, body in events.each():
                changes.append(chunk(body, "balanceChanged"))
                if len(changes) == 1:
                    answer_id = await asked(person, "Hello\nsimulate: slow 1.5")
                if changes[-1]["entry"] and len(changes) > 2:
                    break
        text = show(await follow(address, person.token, answer_id))
        async with talking(address) as talk:
            await talk.begin(person.token)
            await talk.ask(WATCH)
            await talk.hear()
            await recharge(administrator, account_id)
            recharged = chunk((await talk.hear())["payload"], "balanceChanged")

    charged = next(change for change in changes if change["entry"])["entry"]
    assert changes[0] == {"balance": {"available": "1000", "held": "0"}, "entry": None}
    assert changes[1]["entry"] is None
    assert "simulated" in text
    assert isinstance(charged, dict)
    assert charged["kind"] == "CHARGE"
    assert recharged["entry"] == {"kind": "RECHARGE", "amount": "7"}


async def recharge(administrator: Person, account_id: str) -> None:
    await administrator.send(
        """
        mutation($id: ID!) {
          rechargeCredits(
            input: {accountId: $id, amount: "7", reason: "thanks", idempotencyKey: "k"}
          ) { __typename }
        }
        """,
        id=account_id,
    )


async def test_signing_out_and_suspending_end_streams(house: House) -> None:
    person, account_id = await house.visitor()
    guest, guest_id = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)
    house_app = application(house.system)
    async with (
        serving(house_app) as address,
        asyncio.timeout(PATIENCE),
        talking(address) as talk,
        listening(address, WATCH, guest.token) as events,
    ):
        await talk.begin(person.token)
        await talk.ask(WATCH)
        await talk.hear()
        each = events.each()
        await anext(each)
        await person.send("mutation { signOut(input: {}) { __typename } }")
        await administrator.send(
            'mutation($id: ID!) { suspendAccount(input: {accountId: $id, reason: "r"})'
            " { __typename } }",
            id=guest_id,
        )
        code = await talk.closed()
        farewell = [event async for event in each]

    assert code == 4403
    assert "ACCOUNT_SUSPENDED" in str(farewell[-2])
    assert farewell[-1] == ("complete", None)
    assert account_id != guest_id
