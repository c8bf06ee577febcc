"""Whoever still waits when a process has to stop is told to come back, and loses nothing."""

import asyncio
import logging

import httpx2
import pytest

from app.asgi import application
from tests.app.streaming import listening
from tests.journeys.serving import serving
from tests.journeys.system import House, open_house

SLOW = "Tell me more.\nsimulate: slow 30"
ASK = """
mutation($content: String!) {
  askAI(input: { messages: { content: $content }, idempotencyKey: "once" }) {
    ... on AskAISuccess { answer { status } }
  }
}
"""
CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": SLOW}]}
WATCH = "subscription { balanceChanged { balance { held } } }"


async def told_when_stopped(
    house: House, token: str
) -> tuple[httpx2.Response, httpx2.Response, list[object]]:
    """What a question, a call and a stream in progress hear of a server that is told to stop."""
    heard: list[object] = []
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        asyncio.TaskGroup() as group,
        serving(application(house.system)) as address,
    ):
        url = f"http://{address[0]}:{address[1]}"
        document = {"query": ASK, "variables": {"content": SLOW}}
        asked = group.create_task(http.post(f"{url}/graphql", json=document))
        called = group.create_task(http.post(f"{url}/v1/chat/completions", json=CALL))
        group.create_task(listen(heard, address, token))
        # A look now and then: whatever is awaited here would need an event of its own.
        while house.provider.calls_received < 2 or not heard:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return asked.result(), called.result(), heard


async def listen(heard: list[object], address: tuple[str, int], token: str) -> None:
    async with listening(address, WATCH, token) as events:
        async for event in events.each():
            heard.append(event)  # noqa: PERF401 - what was heard so far is of interest


async def test_who_waits_when_a_process_stops_is_told_to_come_back(
    database_url: str, deployment_secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(30), open_house(database_url, deployment_secret) as house:
        person, _ = await house.visitor()
        asked, called, heard = await told_when_stopped(house, person.token)
        await house.system.runner.drain(within_seconds=0)
        differences = await house.differences()

    assert (asked.status_code, asked.headers["retry-after"]) == (503, "1")
    assert asked.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert (called.status_code, called.headers["retry-after"]) == (503, "1")
    assert called.json()["error"]["code"] == "unavailable"
    assert "UNAVAILABLE" in str(heard[-2])
    assert heard[-1] == ("complete", None)
    assert [line.message for line in caplog.records if line.levelno >= logging.ERROR] == [
        "Cancel 3 running task(s), timeout graceful shutdown exceeded"
    ]
    assert differences == []
