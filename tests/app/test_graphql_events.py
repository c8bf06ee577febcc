"""GraphQL over server-sent events, and which requests get them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.types import Message

from tests.app.client import JSON, Client, served
from tests.app.streaming import Json, listening
from tests.app.toy import ADA, SECRET, Toy

Address = tuple[str, int]
SOON = 20.0

# What clients of today send, queries and streams.
URQL_QUERY = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
URQL_STREAM = "text/event-stream, multipart/mixed"
APOLLO_STREAM = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"


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
        if streams.live + streams.open == 0:
            break
        await asyncio.sleep(0.01)
    return streams.live + streams.open


def code_of(body: Json | None) -> object:
    match body:
        case {"errors": [{"extensions": {"code": code}}, *_]}:
            return code
        case _:
            return body


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        ("{ hello }", [{"data": {"hello": "hello world"}}]),
        ("mutation { change }", [{"data": {"change": ""}}]),
        ("subscription { ticks(count: 2) }", [{"data": {"ticks": 1}}, {"data": {"ticks": 2}}]),
    ],
)
async def test_every_result_is_an_event_and_the_end_another(
    address: Address, query: str, bodies: list[Json]
) -> None:
    async with listening(address, query) as events:
        heard = await events.all()

    assert heard == [*(("next", body) for body in bodies), ("complete", None)]
    assert events.response.status_code == 200
    assert events.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-transform" in events.response.headers["cache-control"]
    assert events.response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream; charset=utf-8"),
        (URQL_STREAM, "text/event-stream; charset=utf-8"),
        (URQL_QUERY, "application/graphql-response+json; charset=utf-8"),
        ("text/event-stream, application/json", "application/json; charset=utf-8"),
        ("text/event-stream;q=0, application/json", "application/json; charset=utf-8"),
        ("text/event-stream, */*", "application/json; charset=utf-8"),
        (APOLLO_STREAM, "application/json; charset=utf-8"),
        ("text/event-streams", "application/json; charset=utf-8"),
    ],
)
async def test_events_go_to_those_who_read_nothing_else(
    client: Client, accept: str, kind: str
) -> None:
    response = await client.http.post(
        "/graphql",
        json={"query": "{ hello }"},
        headers={"accept": accept},
    )

    assert response.headers["content-type"] == kind


async def test_a_stream_asked_for_as_json_is_told_how_to_ask(client: Client) -> None:
    reply = await client.post({"query": "subscription { ticks }"}, accept=APOLLO_STREAM)

    assert reply.codes == ["INVALID_DOCUMENT"]
    assert "text/event-stream" in reply.messages[0]


async def test_a_link_begins_no_stream(client: Client) -> None:
    reply = await client.send(
        "GET", "/graphql?query=subscription{ticks}", headers={"accept": "text/event-stream"}
    )

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"null", {}, 400),
        (b"[]", {}, 400),
        (b"{}", {}, 400),
        (b"x" * 70_000, {}, 413),
        (b'{"query": "{ hello }"}', {"content-type": "text/plain"}, 415),
        (b'{"query": "{ hello }"}', {"authorization": "Bearer nobody"}, 401),
        (b'{"query": "{ hello }"}', {"authorization": "Bearer busy"}, 429),
        (b'{"query": "{ hello }"}', {"authorization": "Bearer broken"}, 500),
    ],
)
async def test_what_is_turned_away_at_the_door_gets_a_plain_answer(
    client: Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    sent = {"content-type": JSON, "accept": "text/event-stream", **headers}

    reply = await client.send("POST", headers=sent, content=body)

    assert reply.status == status
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert len(reply.codes) == 1


@pytest.mark.parametrize(
    ("query", "by", "code"),
    [
        ("{", None, "INVALID_DOCUMENT"),
        ("{ nope }", None, "INVALID_DOCUMENT"),
        ("query A { hello } query B { hello }", None, "INVALID_DOCUMENT"),
        ("subscription($n: Int!) { ticks(count: $n) }", None, "INVALID_DOCUMENT"),
        ("{ " + "hello " * 2_001 + "}", None, "TOO_EXPENSIVE"),
        ("{ mine }", None, "UNAUTHENTICATED"),
        ("subscription { myTicks }", None, "UNAUTHENTICATED"),
        ("subscription { theirTicks }", "user", "FORBIDDEN"),
        ("mutation { rule }", "user", "FORBIDDEN"),
        ("{ __schema { description } }", "user", "FORBIDDEN"),
        ("subscription { missing }", None, "NOT_FOUND"),
        ("subscription { crashAtOnce }", None, "INTERNAL"),
    ],
)
async def test_what_is_refused_over_http_is_refused_here(
    address: Address, toy: Toy, query: str, by: str | None, code: str
) -> None:
    async with listening(address, query, by) as events:
        [(_, body), end] = await events.all()

    assert (code_of(body), end) == (code, ("complete", None))
    assert toy.done == []


async def test_what_breaks_a_stream_is_told_without_its_words(address: Address) -> None:
    async with listening(address, "subscription { leakLater }") as events:
        heard = await events.all()

    assert [code_of(body) for _, body in heard[1:]] == ["INTERNAL", None]
    assert "'path': ['leakLater']" in str(heard[1])
    assert SECRET not in str(heard)


async def test_a_stream_ends_with_its_token(address: Address, toy: Toy) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.3)  # noqa: TID251 - the server's clock
    toy.people["user"] = replace(ADA, expires_at=expires_at)
    async with asyncio.timeout(SOON), listening(address, "subscription{myTicks}", "user") as events:
        heard = await events.all()

    assert heard[0] == ("next", {"data": {"myTicks": 1}})
    assert code_of(heard[-2][1]) == "UNAUTHENTICATED"
    assert heard[-1] == ("complete", None)


async def test_a_stream_ends_when_its_session_does(address: Address, toy: Toy) -> None:
    async with asyncio.timeout(SOON), listening(address, "subscription{myTicks}", "user") as events:
        each = events.each()
        await anext(each)
        del toy.people["user"]
        heard = [event async for event in each]

    assert code_of(heard[-2][1]) == "UNAUTHENTICATED"
    assert await left_in(toy) == 0


async def test_one_who_leaves_leaves_nothing_behind(address: Address, toy: Toy) -> None:
    async def come_and_go() -> None:
        async with listening(address, "subscription { forever }") as events:
            await anext(events.each())

    await asyncio.gather(*(come_and_go() for _ in range(20)))

    assert await left_in(toy) == 0


async def test_a_change_is_seen_through_whoever_leaves(address: Address, toy: Toy) -> None:
    async with listening(address, "mutation { changeSlowly }"):
        for _ in range(500):
            if toy.done:
                break
            await asyncio.sleep(0.01)

    assert await left_in(toy) == 0
    assert toy.done == ["begun", "done"]


async def test_a_principal_has_room_for_a_hundred_streams(address: Address, toy: Toy) -> None:
    with ExitStack() as others:
        for _ in range(100):
            others.enter_context(toy.view.door.streams.running("nobody"))
        async with listening(address, "subscription { ticks }") as events:
            status = events.response.status_code

    assert (status, events.response.headers["retry-after"]) == (429, "5")


async def test_a_quiet_stream_shows_that_it_is_alive(address: Address, toy: Toy) -> None:
    async with asyncio.timeout(SOON), listening(address, "subscription { quiet }") as events:
        async for line in events.response.aiter_lines():
            if line == ":":
                break

    assert await left_in(toy) == 0


async def test_nothing_follows_the_end_of_a_stream(toy: Toy) -> None:
    toy.app()
    sent: list[Message] = []
    streams = toy.view.door.streams

    async def send(message: Message) -> None:
        sent.append(message)
        # The time to show that the stream is alive comes just as it ends.
        asyncio.get_running_loop().call_soon(beat)

    def beat() -> None:
        for stream in list(streams._open):  # noqa: SLF001 - what the watch over them does
            stream.beat()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "headers": [(b"accept", b"text/event-stream"), (b"content-type", b"application/json")],
    }
    body = b'{"query": "subscription { ticks(count: 2) }"}'
    unread: list[Message] = [{"type": "http.request", "body": body}]

    async def receive() -> Message:
        if unread:
            return unread.pop()
        await asyncio.sleep(SOON)
        return {"type": "http.disconnect"}

    await toy.view(scope, receive, send)

    assert [message.get("more_body") for message in sent].count(False) == 1
    assert sent[-1]["more_body"] is False
