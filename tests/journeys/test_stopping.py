"""Whoever still waits when a process has to stop is told to come back, and loses nothing."""

import asyncio
import logging
import signal

import httpx2
import orjson
import pytest

from adapters.models.simulated import Gate, SimulatedProvider
from app.asgi import application
from tests.app.asking import ASK as ASK_AND_TELL
from tests.app.asking import Reply
from tests.app.streaming import Events, listening, talking
from tests.journeys.fleet import FOLLOW, GIVEN, address_of, open_fleet
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


async def test_a_process_told_to_stop_waits_for_nobody_who_only_hears_of_others(
    database_url: str, deployment_secret: str
) -> None:
    # No call is answered before the third: by then the first process has begun to stop.
    provider = SimulatedProvider(gate=Gate(3))
    async with (
        asyncio.timeout(100),
        open_fleet(
            database_url, deployment_secret, provider=provider, SHUTDOWN_SECONDS="600"
        ) as fleet,
    ):
        stopping, other = await asyncio.gather(fleet.server(), fleet.server())
        here = await fleet.ask(stopping, "Hello", "here", 0)
        there = await fleet.ask(other, "Hello", "there", 0)
        ids = [each.text("askAI.answer.id") for each in (here, there)]
        address = address_of(stopping)
        async with (
            listening(address, FOLLOW, fleet.token, id=ids[0], after=0) as own,
            listening(address, FOLLOW, fleet.token, id=ids[1], after=0) as others,
            listening(address, WATCH, fleet.token) as balances,
            talking(address) as talk,
        ):
            await talk.begin(fleet.token)
            await talk.ask(WATCH)
            await talk.hear()
            stopping.process.send_signal(signal.SIGTERM)
            told = await asyncio.gather(last_words(others), last_words(balances))
            code_of_socket = await talk.closed()
            asked = await fleet.ask(other, "Hello", "the third")
            shown = await text_told(own)
        code = await asyncio.to_thread(stopping.process.wait, 60)
        again = await fleet.send(other, "query ($id: ID!) { answer(id: $id) { text } }", id=ids[0])
        await fleet.until_ended()

        assert list(told) == ["UNAVAILABLE", "UNAVAILABLE"]
        assert code_of_socket == 1012
        assert asked["askAI.answer.status"] == "SUCCEEDED"
        assert shown == again.text("answer.text")
        assert code == 0
        assert await fleet.holds() == ["CAPTURED"] * 3
        assert await fleet.differences() == []


async def text_told(events: Events) -> str:
    """The text of an answer that is told to its end."""
    text = ""
    async for _, body in events.each():
        match body:
            case {"data": {"answer": {"text": str(piece)}}}:
                text += piece
            case None:
                return text
            case _:
                pass
    raise AssertionError(f"It broke off: {text}")


async def last_words(events: Events) -> object:
    """The code of the error that a stream of events ends with."""
    *_, (_, last), end = await events.all()
    assert end == ("complete", None)
    match last:
        case {"errors": [{"extensions": {"code": code}}]}:
            return code
        case _:
            raise AssertionError(last)


async def test_who_asks_over_events_when_a_process_stops_is_answered_or_told_how_it_stands(
    database_url: str, deployment_secret: str
) -> None:
    """Three who wait in `askAI`: time is left for one answer, one is cut off, one never began."""
    contents = [f"Hello\nsimulate: {how}" for how in ("slow 2", "stall", "timeout")]
    async with (
        asyncio.timeout(100),
        open_fleet(database_url, deployment_secret, SHUTDOWN_SECONDS="6") as fleet,
    ):
        stopping, other = await asyncio.gather(fleet.server(), fleet.server())
        asking = [
            asyncio.create_task(told_over_events(address_of(stopping), fleet.token, content))
            for content in contents
        ]
        await fleet.called(3)
        stopping.process.send_signal(signal.SIGTERM)
        whole, cut_off, not_begun = await asyncio.gather(*asking)
        code = await asyncio.to_thread(stopping.process.wait, 60)
        again = [await fleet.ask(other, content, content, 0) for content in contents]
        await fleet.cancel(other, not_begun["askAI.answer.id"])

        assert code == 0
        assert whole["askAI.answer.status"] == "SUCCEEDED"
        assert again[0]["askAI.answer"] == whole["askAI.answer"]
        assert cut_off["askAI.code"] == again[1]["askAI.code"] == "PROVIDER_FAILED"
        assert not_begun["askAI.answer.status"] == "QUEUED"
        assert again[2]["askAI.answer.id"] == not_begun["askAI.answer.id"]
        assert sorted(await fleet.holds()) == ["CAPTURED", "RELEASED", "RELEASED"]
        assert sorted(outcome for outcome, _ in await fleet.outcomes()) == [
            "CANCELED",
            "FAILED",
            "SUCCEEDED",
        ]
        assert sum(charged for _, charged in await fleet.outcomes()) == GIVEN - await fleet.total()
        assert await fleet.differences() == []


async def told_over_events(address: tuple[str, int], token: str, content: str) -> Reply:
    """What somebody hears who asks over server-sent events, with the content as the key."""
    async with listening(address, ASK_AND_TELL, token, content=content, key=content) as events:
        told, end = await events.all()
    assert told[0] == "next"
    assert end == ("complete", None)
    return Reply(200, orjson.loads(orjson.dumps(told[1])))
