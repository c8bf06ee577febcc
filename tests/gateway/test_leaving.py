"""Callers who leave: before anything has come, in the middle, or meaning to come back."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx2
import pytest

from tests.gateway.street import MODEL, Limits, Street, Visitor, open_street


def asking(content: str, *, stream: bool = True) -> dict[str, object]:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 500,
        "stream": stream,
    }


async def settled(visitor: Visitor) -> Decimal:
    """What is available once nothing is held any more."""
    async with asyncio.timeout(20):
        while await visitor.held() > 0:  # noqa: ASYNC110 - told over HTTP
            await asyncio.sleep(0.05)
    return await visitor.available()


async def leave_before_anything(street: Street, http: httpx2.AsyncClient, *, stream: bool) -> None:
    """Call a provider that does not answer, and hang up once it has been asked."""
    asked = street.house.provider.calls_received + 1
    body = asking("hello\nsimulate: timeout", stream=stream)
    call = asyncio.create_task(http.post("/chat/completions", json=body))
    async with asyncio.timeout(20):
        while street.house.provider.calls_received < asked:  # noqa: ASYNC110 - a plain count
            await asyncio.sleep(0.02)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def leave_after(http: httpx2.AsyncClient, events: int, content: str) -> None:
    """Read so many events of a stream, and hang up."""
    async with http.stream("POST", "/chat/completions", json=asking(content)) as response:
        lines = response.aiter_lines()
        read = 0
        while read < events:
            read += (await anext(lines)).startswith("data: ")


@pytest.fixture
async def street(database_url: str, deployment_secret: str) -> AsyncIterator[Street]:
    async with open_street(
        database_url, deployment_secret, limits=Limits(free_cancels_per_minute=2)
    ) as street:
        yield street


async def test_who_leaves_before_anything_pays_nothing_but_not_for_ever(street: Street) -> None:
    visitor = await street.visitor()
    before = await visitor.available()
    async with street.http(visitor) as http:
        await leave_before_anything(street, http, stream=False)
        after_whole = await settled(visitor)
        await leave_before_anything(street, http, stream=True)
        after_stream = await settled(visitor)
        await leave_before_anything(street, http, stream=True)
        await asyncio.sleep(0.3)
        held = await visitor.held()

    assert after_whole == after_stream == before
    assert await visitor.outcomes() == [("CANCELED", "0"), ("CANCELED", "0")]
    # The third is one too many within the minute: it goes on as if nobody had left.
    assert held > 0


async def test_who_leaves_in_the_middle_pays_for_what_was_produced(street: Street) -> None:
    visitor, other = await street.visitor(), await street.visitor()
    before = await visitor.available()
    async with street.http(visitor) as http:
        await leave_after(http, 4, "hello\nsimulate: slow 20")
        left_early = await settled(visitor)
        await leave_after(http, 4, "hello\nsimulate: slow 1")
        left_late = await settled(visitor)
    async with street.http(other) as http:
        whole = await http.post(
            "/chat/completions", json=asking("hello\nsimulate: slow 1", stream=False)
        )
    outcomes = await visitor.outcomes()

    # The provider had no time to say what it used, so what was heard is counted …
    assert 0 < before - left_early < Decimal(whole.headers["x-tallystick-charged"])
    # … and the other time it had: it is charged what the whole answer costs.
    assert left_early - left_late == Decimal(whole.headers["x-tallystick-charged"])
    assert [outcome for outcome, _ in outcomes] == ["CANCELED", "CANCELED"]
    assert await street.house.differences() == []


async def test_who_means_to_come_back_finds_the_reply(street: Street) -> None:
    visitor = await street.visitor()
    async with street.http(visitor) as http:
        http.headers["idempotency-key"] = "mine"
        await leave_after(http, 3, "hello\nsimulate: slow 1")
        again = await http.post("/chat/completions", json=asking("hello\nsimulate: slow 1"))

    assert again.status_code == 200
    assert again.text.endswith("data: [DONE]\n\n")
    assert '"replayed":true' in again.text
    assert street.house.provider.calls_received == 1
    assert [outcome for outcome, _ in await visitor.outcomes()] == ["SUCCEEDED"]
