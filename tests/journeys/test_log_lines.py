"""Each line that a request causes bears its id, wherever it is logged."""

import asyncio
import json

import httpx2

from tests.app.asking import ASK
from tests.app.shell import Running
from tests.journeys.fleet import Fleet, open_fleet

FAILS = "Hello\nsimulate: 500"
CHAT = {"model": "simulated", "messages": [{"role": "user", "content": FAILS}]}


def lines(server: Running) -> list[dict[str, object]]:
    found = [json.loads(line) for line in server.told if line.startswith("{")]
    return [line for line in found if isinstance(line, dict)]


def ids(server: Running, event: str) -> set[object]:
    return {line.get("request_id") for line in lines(server) if line["event"] == event}


async def post(fleet: Fleet, server: Running, path: str, body: object, request_id: str) -> str:
    async with httpx2.AsyncClient(timeout=60) as http:
        reply = await http.post(
            f"{server.url}{path}",
            json=body,
            headers={"authorization": f"Bearer {fleet.token}", "x-request-id": request_id},
        )
    return reply.headers["x-request-id"]


async def test_lines_of_requests_and_of_the_runs_they_begin_bear_their_ids(
    database_url: str, deployment_secret: str
) -> None:
    asked = {"query": ASK, "variables": {"content": FAILS, "key": "k", "wait": 60}}
    # Whoever does not wait leaves its run behind, which goes on logging.
    left = {"query": ASK, "variables": {"content": FAILS, "key": "left", "wait": 0}}
    async with open_fleet(database_url, deployment_secret) as fleet:
        server = await fleet.server()
        told = [
            await post(fleet, server, "/graphql", asked, "graphql-0001"),
            await post(fleet, server, "/graphql", left, "leaves-00001"),
            await post(fleet, server, "/v1/chat/completions", CHAT, "gateway-0001"),
            await post(fleet, server, "/webhooks/nobody", {}, "webhook-0001"),
            await post(fleet, server, "/graphql", asked, "forged id!"),
        ]
        await asyncio.wait_for(fleet.until_ended(), timeout=30)
        assert await asyncio.to_thread(server.end) == 0
        server.follow_to_the_end()

    sent = {"graphql-0001", "leaves-00001", "gateway-0001"}
    assert told[:4] == ["graphql-0001", "leaves-00001", "gateway-0001", "webhook-0001"]
    assert len(told[4]) == 20
    assert ids(server, "model_attempt_failed") == sent
    assert {*sent, "webhook-0001", told[4]} <= ids(server, "request")
    [webhook] = [line for line in lines(server) if line.get("request_id") == "webhook-0001"]
    assert (webhook["path"], webhook["status"]) == ("/webhooks/nobody", 404)
    assert "Hello" not in "\n".join(server.told)
    assert fleet.token not in "\n".join(server.told)
