"""What every request passes on its way in and out."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.http import SafeHeaders
from tests.app.client import Client, client_of

HELLO = {"query": "{ hello }"}


async def test_every_answer_carries_the_id_of_its_request(client: Client) -> None:
    one, two = await client.post(HELLO), await client.post(HELLO)
    refused = await client.post(b"{")

    ids = [reply.headers["x-request-id"] for reply in (one, two, refused)]
    assert len(set(ids)) == 3
    assert all(len(request_id) == 20 for request_id in ids)


async def test_an_id_that_came_with_the_request_is_kept(client: Client) -> None:
    reply = await client.post(HELLO, x_request_id="trace-4711.a_b")

    assert reply.headers["x-request-id"] == "trace-4711.a_b"


@pytest.mark.parametrize("forged", ["short", "x" * 65, "a b c d e f", 'x"y"z0000', "é" * 8])
async def test_an_id_that_could_forge_a_line_is_replaced(client: Client, forged: str) -> None:
    reply = await client.send(
        "POST",
        headers={"content-type": "application/json", "x-request-id": forged.encode("latin-1")},
        content=b"{}",
    )

    assert len(reply.headers["x-request-id"]) == 20


@pytest.mark.parametrize("body", [HELLO, b"{"])
async def test_every_answer_forbids_caching_framing_and_guessing(
    client: Client, body: object
) -> None:
    headers = (await client.post(body)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_a_route_that_knows_better_keeps_its_headers() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse("kept", headers={"cache-control": "max-age=60"})
        await response(scope, receive, send)

    async with client_of(SafeHeaders(page)) as client:
        response = await client.http.get("/")

    assert response.headers["cache-control"] == "max-age=60"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_log_of_a_request_leaves_out_what_it_asked(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.send("GET", "/graphql?query={hello}", headers={"authorization": "Bearer user"})

    logged = "".join(capsys.readouterr())
    assert "path=/graphql" in logged
    assert "hello" not in logged
    assert "Bearer" not in logged
