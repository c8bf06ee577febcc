"""Servers behind the nginx of docs/deploy.md: sockets, streams, addresses, and one that stops."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import orjson
import pytest
from websockets.exceptions import InvalidStatus

from app.asgi import application
from tests.app.asking import ASK, DEMO, Reply
from tests.app.streaming import Events
from tests.journeys.fleet import CANCEL, open_fleet
from tests.journeys.programs import CREATE
from tests.journeys.proxy import Proxy, nginx
from tests.journeys.serving import serving
from tests.journeys.system import House, open_house

STALLS = "Hello\nsimulate: stall"
"""Says a few words, and nothing more for two minutes: they have to come without the rest."""

FOLLOW = "subscription($id: ID!) { answer(id: $id) { text status answer { charged } } }"
SESSIONS = 2
PATIENCE = 60.0


async def send(http: httpx2.AsyncClient, query: str, **variables: object) -> Reply:
    response = await http.post("/graphql", json={"query": query, "variables": variables})
    return Reply(response.status_code, response.json())


async def test_pieces_pass_as_they_come_and_a_server_that_stops_is_missed_by_nobody(
    database_url: str, deployment_secret: str, tmp_path: Path
) -> None:
    async with open_fleet(database_url, deployment_secret, SHUTDOWN_SECONDS="1") as fleet:
        servers = await asyncio.gather(fleet.server(), fleet.server())
        with nginx([urlsplit(each.url).netloc for each in servers], tmp_path) as proxy:
            async with proxy.client(token=fleet.token) as http, asyncio.timeout(PATIENCE):
                await _pieces_pass_as_they_come(proxy, http, fleet.token)
                assert proxy.faults() == []
                await asyncio.to_thread(servers[0].end, signal.SIGTERM)
                asks = [
                    await send(http, ASK, content="Hello", key=f"key {number}")
                    for number in range(6)
                ]

        assert [each["askAI.answer.status"] for each in asks] == ["SUCCEEDED"] * 6
        assert await fleet.differences() == []


async def _pieces_pass_as_they_come(proxy: Proxy, http: httpx2.AsyncClient, token: str) -> None:
    """By a socket, by events and at /v1, from two servers of which one runs the answer."""
    asked = await send(http, ASK, content=STALLS, key="stalls", wait=0)
    answer_id = asked.text("askAI.answer.id")
    variables = {"query": FOLLOW, "variables": {"id": answer_id}}
    async with proxy.talking(origin=proxy.origin) as talk:
        await talk.begin(token)
        await talk.say({"id": "1", "type": "subscribe", "payload": variables})
        first_by_socket = await talk.hear()
        async with _events(http, answer_id) as events:
            pieces = events.each()
            first_by_events = await anext(pieces)
            first_at_v1 = await _first_words_at_v1(http, proxy)

            await send(http, CANCEL, id=answer_id)
            last_by_events = [piece async for piece in pieces][-1]
            last_by_socket = (await talk.answers())[-1]

    assert _said(first_by_socket["payload"]) != ""
    assert _said(first_by_events[1]) != ""
    assert first_at_v1.startswith("data: ")
    assert last_by_events == ("complete", None)
    assert last_by_socket["type"] == "complete"


def _said(payload: object) -> str:
    """The text of a piece."""
    match payload:
        case {"data": {"answer": {"text": str() as text, "status": "RUNNING"}}}:
            return text
        case _:
            raise AssertionError(payload)


@asynccontextmanager
async def _events(http: httpx2.AsyncClient, answer_id: str) -> AsyncIterator[Events]:
    async with http.stream(
        "POST",
        "/graphql",
        content=orjson.dumps({"query": FOLLOW, "variables": {"id": answer_id}}),
        headers={"accept": "text/event-stream", "content-type": "application/json"},
    ) as response:
        yield Events(response)


async def _first_words_at_v1(http: httpx2.AsyncClient, proxy: Proxy) -> str:
    made = await send(http, CREATE, input={"name": "a robot"})
    secret = made.text("createApiKey.secret")
    body = {
        "model": "simulated",
        "stream": True,
        "messages": [{"role": "user", "content": STALLS}],
    }
    async with (
        proxy.client(token=secret) as robot,
        robot.stream("POST", "/v1/chat/completions", json=body) as response,
    ):
        assert response.status_code == 200, await response.aread()
        return await anext(response.aiter_lines())


@pytest.fixture
async def behind(
    database_url: str, deployment_secret: str, tmp_path: Path
) -> AsyncIterator[tuple[House, Proxy]]:
    """One system behind the proxy, which it trusts."""
    async with (
        open_house(database_url, deployment_secret, demo_sessions_per_minute=SESSIONS) as house,
        serving(application(house.system), trusted_proxies=["127.0.0.1"]) as (host, port),
    ):
        with nginx([f"{host}:{port}"], tmp_path) as proxy:
            yield house, proxy
            assert proxy.faults() == []


async def test_callers_are_limited_by_their_own_address_whatever_they_claim(
    behind: tuple[House, Proxy],
) -> None:
    _, proxy = behind
    async with proxy.client("127.0.0.2") as one, proxy.client("127.0.0.3") as other:
        started = [await send(one, DEMO) for _ in range(SESSIONS)]
        one.headers["x-forwarded-for"] = "203.0.113.7"
        refused = await send(one, DEMO)
        free = await send(other, DEMO)

    names = [each["startDemoSession.__typename"] for each in (*started, refused, free)]
    assert names == [*["SessionStarted"] * SESSIONS, "RateLimited", "SessionStarted"]


async def test_a_page_of_this_server_opens_a_socket_and_a_page_of_another_does_not(
    behind: tuple[House, Proxy],
) -> None:
    house, proxy = behind
    person, _ = await house.visitor()
    async with proxy.talking(origin=proxy.origin) as talk:
        await talk.begin(person.token)
    with pytest.raises(InvalidStatus, match="403"):
        async with proxy.talking(origin="https://elsewhere.example.com"):
            pass


async def test_what_is_for_those_who_watch_is_not_for_the_world(
    behind: tuple[House, Proxy],
) -> None:
    _, proxy = behind
    async with proxy.client() as http:
        answers = [await http.get(path) for path in ("/readyz", "/metrics", "/healthz")]

    assert [each.status_code for each in answers] == [404, 404, 200]
