"""Calls with a key of the caller's: one effect, whoever repeats them, and the same reply."""

import asyncio
from decimal import Decimal

from adapters.models.simulated import Gate, SimulatedProvider
from tests.gateway.street import MODEL, Street, open_street


def asking(content: str, *, stream: bool = False) -> dict[str, object]:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        "stream": stream,
    }


async def test_many_at_once_with_one_key_are_one_call(street: Street) -> None:
    visitor = await street.visitor()
    before = await visitor.available()
    async with street.http(visitor) as http:
        http.headers["idempotency-key"] = "the same"
        replies = await asyncio.gather(
            *(http.post("/chat/completions", json=asking("hello")) for _ in range(20))
        )

    charged = {reply.headers["x-tallystick-charged"] for reply in replies}
    assert [reply.status_code for reply in replies] == [200] * 20
    assert len({reply.content for reply in replies}) == 1
    assert len({reply.headers["x-tallystick-answer-id"] for reply in replies}) == 1
    assert [r.headers.get("x-tallystick-replayed") for r in replies].count(None) == 1
    assert street.house.provider.calls_received == 1
    assert await visitor.available() == before - Decimal(charged.pop())
    assert await street.house.differences() == []


async def test_a_repeated_stream_is_told_again_event_by_event(street: Street) -> None:
    visitor = await street.visitor()
    async with street.http(visitor) as http:
        http.headers["idempotency-key"] = "the same"
        first = await http.post("/chat/completions", json=asking("hello", stream=True))
        again = await http.post("/chat/completions", json=asking("hello", stream=True))
        reordered = dict(reversed(asking("hello", stream=True).items()))
        third = await http.post("/chat/completions", json=reordered)

    def events(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("data: ")]

    assert events(first.text) == events(again.text) == events(third.text)
    assert len(events(first.text)) > 10
    assert street.house.provider.calls_received == 1


async def test_a_key_is_of_one_body_one_account_and_one_door(street: Street) -> None:
    visitor, other = await street.visitor(), await street.visitor()
    async with street.http(visitor) as http, street.http(other) as others:
        for each in (http, others):
            each.headers["idempotency-key"] = "the same"
        first = await http.post("/chat/completions", json=asking("hello"))
        changed = await http.post("/chat/completions", json=asking("goodbye"))
        elsewhere = await http.post("/responses", json={"model": MODEL, "input": "hello"})
        theirs = await others.post("/chat/completions", json=asking("goodbye"))
        question = await visitor.person.ask("hello", "the same")

    assert first.status_code == theirs.status_code == 200
    assert changed.status_code == elsewhere.status_code == 409
    assert changed.json()["error"]["code"] == "idempotency_key_reused"
    assert changed.headers["x-should-retry"] == "false"
    # GraphQL has keys of its own.
    assert question["askAI.replayed"] is False


async def test_two_hundred_calls_at_once_on_credits_for_ten(
    database_url: str, deployment_secret: str
) -> None:
    gate = Gate(11)
    gated = SimulatedProvider(gate=gate)
    async with open_street(database_url, deployment_secret, provider=gated) as street:
        visitor = await street.visitor()
        body = {
            "model": "gpt-4.1-mini",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 16_000,
            "n": 3,
        }
        async with street.http(visitor) as http:
            calls = [
                asyncio.create_task(http.post("/chat/completions", json=body)) for _ in range(200)
            ]
            async with asyncio.timeout(60):
                while sum(call.done() for call in calls) < 190:  # noqa: ASYNC110 - over HTTP
                    await asyncio.sleep(0.05)
            reached = gated.calls_received
            # All have been asked or refused: the ten may be answered now.
            await gate.arrive()
            replies = await asyncio.gather(*calls)
        charged = sum(
            Decimal(reply.headers["x-tallystick-charged"])
            for reply in replies
            if reply.status_code == 200
        )
        left, held = await visitor.available(), await visitor.held()
        differences = await street.house.differences()

    statuses = [reply.status_code for reply in replies]
    assert reached == gated.calls_received == 10
    assert (statuses.count(200), statuses.count(402)) == (10, 190)
    assert left == 1000 - charged
    assert held == 0
    assert differences == []
