"""graphql-transport-ws, from the handshake to the end, with every way to break it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.identity import Role
from domain.units import AccountId
from tests.app.client import served
from tests.app.streaming import Json, talking
from tests.app.toy import ADA, SECRET, Toy

Address = tuple[str, int]
SOON = 20.0


@pytest.fixture
def address(toy: Toy) -> Iterator[Address]:
    """Where the toy is served."""
    toy.look_seconds = 0.1
    with served(toy.app()) as found:
        yield found


async def left_in(toy: Toy) -> int:
    """How many operations are live, as soon as there are none, or in the end."""
    streams = toy.view.door.streams
    for _ in range(500):
        if streams.live == 0:
            break
        await asyncio.sleep(0.01)
    return streams.live


def code_of(message: Json) -> object:
    match message:
        case {"type": "error", "payload": [{"extensions": {"code": code}}, *_]}:
            return code
        case _:
            return message


async def test_queries_changes_and_streams_are_answered(address: Address, toy: Toy) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask("query($n: String!) { hello(name: $n) }", "q", n="Ada")
        await talk.ask('mutation { change(note: "by socket") }', "m")
        query, change = await talk.answers("q"), await talk.answers("m")
        await talk.ask("subscription { ticks(count: 3) }", "s")
        stream = await talk.answers("s")

    assert query[0]["payload"] == {"data": {"hello": "hello Ada"}}
    assert change[0]["payload"] == {"data": {"change": "by socket"}}
    assert [message.get("payload") for message in stream[:-1]] == [
        {"data": {"ticks": number}} for number in (1, 2, 3)
    ]
    assert stream[-1] == {"id": "s", "type": "complete"}
    assert toy.done == ["by socket"]


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "null",
        "1",
        '"x"',
        "{",
        "[" * 30_000,
        "{}",
        '{"type": 1}',
        '{"type": "next"}',
        '{"type": "connection_ack"}',
        '{"type": "ping", "payload": "x"}',
        '{"type": "pong", "payload": []}',
        '{"type": "connection_init", "payload": []}',
        '{"type": "connection_init", "payload": {"authorization": 1}}',
        '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"id": 1, "type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"id": "", "type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"id": [], "type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"id": "1", "type": "subscribe"}',
        '{"id": "1", "type": "subscribe", "payload": null}',
        '{"id": "1", "type": "subscribe", "payload": "x"}',
        '{"id": "1", "type": "subscribe", "payload": {"query": null}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": 1}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": "{ hello }", "variables": []}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": "{ hello }", "operationName": 1}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": "{ hello }", "extensions": 1}}',
        '{"type": "complete"}',
        '{"id": {}, "type": "complete"}',
        b'{"type": "ping"}',
    ],
)
async def test_what_is_no_message_closes_the_socket(address: Address, message: str) -> None:
    async with talking(address) as talk:
        await talk.say(message)
        code = await asyncio.wait_for(talk.closed(), SOON)

    assert code == 4400


async def test_a_message_too_large_closes_the_socket(address: Address) -> None:
    async with talking(address) as talk:
        await talk.say({"type": "ping", "payload": {"much": "x" * 70_000}})
        code = await asyncio.wait_for(talk.closed(), SOON)

    assert code == 1009


async def test_nothing_is_answered_before_the_greeting(address: Address, toy: Toy) -> None:
    async with talking(address) as talk:
        await talk.ask("mutation { change }")
        code = await talk.closed()

    assert (code, toy.done) == (4401, [])


async def test_a_client_that_does_not_greet_is_not_waited_for(toy: Toy) -> None:
    toy.init_seconds_max = 0.2
    with served(toy.app()) as address:
        async with talking(address) as talk:
            await talk.say({"type": "ping"})
            pong = await talk.hear()
            code = await asyncio.wait_for(talk.closed(), SOON)

    assert (pong, code) == ({"type": "pong"}, 4408)


async def test_greeting_twice_closes_the_socket(address: Address) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.say({"type": "connection_init"})
        code = await talk.closed()

    assert code == 4429


async def test_a_greeting_may_say_nothing(address: Address) -> None:
    async with talking(address) as talk:
        await talk.say({"type": "connection_init", "payload": None})

        assert await talk.hear() == {"type": "connection_ack"}


async def test_a_ping_is_answered_with_what_it_brought(address: Address) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.say({"type": "ping", "payload": {"at": 7}})

        assert await talk.hear() == {"type": "pong", "payload": {"at": 7}}


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "mqtt"])
async def test_no_other_protocol_is_spoken(address: Address, protocol: str | None) -> None:
    async with talking(address, protocol=protocol) as talk:
        code = await talk.closed()

    assert code == 4406


async def test_an_id_is_taken_until_its_operation_ends(address: Address) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask("{ hello }", "1")
        await talk.answers("1")
        await talk.ask("subscription { forever }", "1")
        await talk.hear()
        await talk.ask("{ hello }", "1")
        code = await talk.closed()

    assert code == 4409


async def test_a_stream_ends_when_the_client_says_so(address: Address, toy: Toy) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask("subscription { forever }", "1")
        await talk.hear()
        live = toy.view.door.streams.live
        await talk.say({"id": "1", "type": "complete"})
        left = await left_in(toy)
        await talk.ask("{ hello }", "1")
        last = (await talk.answers("1"))[-1]

    assert (live, left) == (1, 0)
    assert last == {"id": "1", "type": "complete"}


async def test_a_change_is_seen_through_whoever_leaves(address: Address, toy: Toy) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask("mutation { changeSlowly }", "dropped")
        await begun(toy, 1)
        await talk.say({"id": "dropped", "type": "complete"})
        await talk.ask("mutation { changeSlowly }", "left")
        await begun(toy, 2)
        talk.connection.transport.abort()
    left = await left_in(toy)

    assert (toy.done.count("done"), left) == (2, 0)


async def begun(toy: Toy, count: int) -> None:
    """Return when so many changes have begun."""
    for _ in range(500):
        if toy.done.count("begun") == count:
            break
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "INVALID_DOCUMENT"),
        ("{ nope }", "INVALID_DOCUMENT"),
        ("subscription { nope }", "INVALID_DOCUMENT"),
        ("query A { hello } query B { hello }", "INVALID_DOCUMENT"),
        ("fragment F on Query { hello }", "INVALID_DOCUMENT"),
        ("subscription { ticks(count: $n) }", "INVALID_DOCUMENT"),
        ("subscription($n: Int!) { ticks(count: $n) }", "INVALID_DOCUMENT"),
        ("subscription { ticks forever }", "INVALID_DOCUMENT"),
        ("{ " + "hello " * 2_001 + "}", "TOO_EXPENSIVE"),
        ("{ mine }", "UNAUTHENTICATED"),
        ("subscription { myTicks }", "UNAUTHENTICATED"),
        ("subscription { ...F } fragment F on Subscription { myTicks }", "UNAUTHENTICATED"),
        ("{ __schema { description } }", "FORBIDDEN"),
        ("subscription { missing }", "NOT_FOUND"),
    ],
)
async def test_what_is_refused_over_http_is_refused_here_and_the_socket_lives(
    address: Address, query: str, code: str
) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask(query)
        [refused] = await talk.answers()
        await talk.ask("{ hello }", "2")
        last = (await talk.answers("2"))[-1]

    assert code_of(refused) == code
    assert last["type"] == "complete"


@pytest.mark.parametrize(
    ("query", "by", "code"),
    [
        ("subscription { theirTicks }", "user", "FORBIDDEN"),
        ("subscription { theirTicks }", "admins-key", "FORBIDDEN"),
        ("mutation { rule }", "user", "FORBIDDEN"),
    ],
)
async def test_a_right_is_needed_here_too(
    address: Address, toy: Toy, query: str, by: str, code: str
) -> None:
    async with talking(address) as talk:
        await talk.begin(by)
        await talk.ask(query)
        [refused] = await talk.answers()

    assert (code_of(refused), toy.done) == (code, [])


async def test_what_it_costs_is_counted_here_too(address: Address, toy: Toy) -> None:
    toy.allowance = -1
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask("subscription { ticks }")
        [refused] = await talk.answers()

    assert code_of(refused) == "RATE_LIMITED"


@pytest.mark.parametrize("by", ["nobody", "user extra"])
async def test_a_bad_token_ends_the_socket(address: Address, by: str) -> None:
    async with talking(address) as talk:
        await talk.say({"type": "connection_init", "payload": {"authorization": f"Bearer {by}"}})
        code = await talk.closed()

    assert code == 4403


async def test_a_program_may_say_who_it_is_in_the_handshake(address: Address) -> None:
    async with talking(address, Authorization="Bearer user") as talk:
        await talk.begin()
        await talk.ask("{ mine }")
        answered = await talk.answers()

    assert answered[0]["payload"] == {"data": {"mine": "mine"}}


@pytest.mark.parametrize("name", ["crashLater", "leakLater", "crashAtOnce"])
async def test_what_breaks_a_stream_is_told_without_its_words(
    address: Address, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with talking(address) as talk:
        await talk.begin()
        await talk.ask(f"subscription {{ {name} }}")
        heard = await talk.answers()

    assert code_of(heard[-1]) == "INTERNAL"
    assert SECRET not in str(heard)
    assert SECRET not in "".join(capfd.readouterr())


async def test_a_stream_ends_with_its_token(address: Address, toy: Toy) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.5)  # noqa: TID251 - the server's clock
    toy.people["user"] = replace(ADA, expires_at=expires_at)
    async with talking(address) as talk:
        await talk.begin("user")
        await talk.ask("subscription { myTicks }")
        first = await talk.hear()
        code = await asyncio.wait_for(talk.closed(), SOON)
        left = await left_in(toy)

    assert first["type"] == "next"
    assert (code, left) == (4403, 0)


async def test_a_socket_ends_when_its_session_does(address: Address, toy: Toy) -> None:
    async with talking(address) as talk:
        await talk.begin("user")
        await talk.ask("subscription { myTicks }")
        await talk.hear()
        del toy.people["user"]
        code = await asyncio.wait_for(talk.closed(), SOON)
        left = await left_in(toy)

    assert (code, left) == (4403, 0)


async def test_a_stream_ends_when_its_right_does_and_the_socket_goes_on(
    address: Address, toy: Toy
) -> None:
    async with talking(address) as talk:
        await talk.begin("admin")
        await talk.ask("subscription { theirTicks }", "theirs")
        await talk.ask("subscription { myTicks }", "mine")
        toy.people["admin"] = replace(ADA, role=Role.USER)
        theirs = await asyncio.wait_for(talk.answers("theirs"), SOON)
        mine = await talk.hear()

    assert code_of(theirs[-1]) == "FORBIDDEN"
    assert mine["id"] == "mine"


async def test_a_socket_has_room_for_ten_operations(address: Address) -> None:
    async with talking(address) as talk:
        await talk.begin()
        for number in range(10):
            await talk.ask("subscription { forever }", str(number))
        await talk.ask("{ hello }", "one too many")
        [refused] = await talk.answers("one too many")

    assert code_of(refused) == "RATE_LIMITED"


async def test_a_principal_has_room_for_ten_sockets(address: Address) -> None:
    opened = [talking(address) for _ in range(10)]
    talks = [await each.__aenter__() for each in opened]
    for talk in talks:
        await talk.begin("user")
    async with talking(address) as one_too_many:
        await one_too_many.say(
            {"type": "connection_init", "payload": {"authorization": "Bearer user"}}
        )
        code = await one_too_many.closed()
    async with talking(address) as somebody_elses:
        await somebody_elses.begin()
    await opened[0].__aexit__(None, None, None)
    await asyncio.sleep(0.2)
    async with talking(address) as fits_again:
        await fits_again.begin("user")
    for each in opened[1:]:
        await each.__aexit__(None, None, None)

    assert code == 1013


async def test_five_hundred_sockets_that_break_leave_nothing_behind(
    address: Address, toy: Toy
) -> None:
    async def break_off(number: int) -> None:
        toy.people[f"person {number}"] = replace(ADA, account_id=AccountId(number))
        async with talking(address) as talk:
            await talk.begin(f"person {number}")
            await talk.ask("subscription { forever }")
            await talk.hear()
            talk.connection.transport.abort()

    for begin in range(0, 500, 25):
        await asyncio.gather(*(break_off(number) for number in range(begin, begin + 25)))

    assert await left_in(toy) == 0
    for _ in range(500):
        if toy.view.door.streams.open == 0:
            break
        await asyncio.sleep(0.01)
    assert toy.view.door.streams.open == 0


async def test_who_does_not_read_is_not_written_for(address: Address, toy: Toy) -> None:
    host, port = address
    reader, writer = await asyncio.open_connection(host, port, limit=1_024)
    writer.write(
        b"GET /graphql HTTP/1.1\r\nHost: toy\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    asked = b'{"id":"1","type":"subscribe","payload":{"query":"subscription { flood }"}}'
    for text in (b'{"type":"connection_init"}', asked):
        writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    before = -1
    while before < len(toy.done):
        before = len(toy.done)
        await asyncio.sleep(0.3)
    writer.transport.abort()

    # What fits into the buffers of both sides, and no more.
    assert 0 < before < 2_000
    assert await left_in(toy) == 0
