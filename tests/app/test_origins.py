"""Pages of other origins get no permission to read, and no WebSocket."""

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.origins import GuardedOrigins, Origins, origin_written
from tests.app.client import client_of, served

ROOT = Path(__file__).parents[2]
APP = "https://app.example.test"
HERE = "http://toy"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
}


async def _page(_: Request) -> Response:
    return PlainTextResponse('{"answered": true}', media_type="application/json")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def guarded(*, with_cookies: bool = False) -> ASGIApp:
    app = Starlette(
        routes=[Route("/", _page, methods=["GET", "POST"]), WebSocketRoute("/", _socket)]
    )
    return GuardedOrigins(app, Origins.of([APP]), with_cookies=with_cookies)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (APP, True),
        (HERE, True),
        ("https://toy", True),
        ("http://app.example.test", False),
        ("https://app.example.test:8443", False),
        ("https://app.example.test.evil.test", False),
        ("https://evil-app.example.test", False),
        ("https://APP.example.test", False),
        ("null", False),
        ("*", False),
        ("", False),
        ("https://", False),
    ],
)
async def test_only_allowed_origins_are_told_that_they_may(
    origin: str, *, is_allowed: bool
) -> None:
    async with client_of(guarded()) as client:
        before = await client.http.options("/", headers={"origin": origin, **PREFLIGHT})
        called = await client.http.post("/", headers={"origin": origin})

    permitted = origin if is_allowed else None
    assert before.status_code == (200 if is_allowed else 403)
    assert before.headers.get("access-control-allow-origin") == permitted
    assert called.headers.get("access-control-allow-origin") == permitted
    assert called.headers["vary"] == "Origin"


async def test_pages_read_what_a_call_cost_and_whether_to_try_again() -> None:
    doors = (ROOT / "app" / "gateway").glob("*.py")
    ours = {
        name
        for door in doors
        for name in re.findall(r"\bx-(?:tallystick|should)-[a-z-]+", door.read_text("utf-8"))
    }

    async with client_of(guarded()) as client:
        called = await client.http.post("/", headers={"origin": APP})

    assert len(ours) > 4
    assert ours <= set(called.headers["access-control-expose-headers"].split(", "))


async def test_a_preflight_permits_the_headers_that_were_asked_for_and_no_cookies() -> None:
    async with client_of(guarded()) as client:
        told = await client.http.options("/", headers={"origin": APP, **PREFLIGHT})

    assert told.headers["access-control-allow-headers"] == (
        "authorization,content-type,x-stainless-lang"
    )
    assert told.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-credentials" not in told.headers


async def test_credentials_are_permitted_in_cookie_mode_only() -> None:
    async with client_of(guarded(with_cookies=True)) as client:
        told = await client.http.options("/", headers={"origin": APP, **PREFLIGHT})
        foreign = await client.http.post("/", headers={"origin": "https://evil.test"})

    assert told.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-credentials" not in foreign.headers


async def test_a_preflight_with_strange_headers_is_refused() -> None:
    asked = {**PREFLIGHT, "access-control-request-headers": "a\tb"}
    async with client_of(guarded()) as client:
        told = await client.http.options("/", headers={"origin": APP, **asked})

    assert told.status_code == 403


async def test_whoever_is_no_browser_is_answered_as_before() -> None:
    async with client_of(guarded()) as client:
        called = await client.http.get("/")

    assert called.text == '{"answered": true}'
    assert "vary" not in called.headers


async def test_a_socket_opens_for_allowed_origins_and_for_programs() -> None:
    with served(guarded()) as (host, port):
        for origin in (None, APP, f"http://{host}:{port}"):
            headers = {} if origin is None else {"origin": origin}
            async with connect(f"ws://{host}:{port}/", additional_headers=headers) as socket:
                assert await socket.recv() == "hello"


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1"])
async def test_a_socket_of_another_page_is_refused(origin: str) -> None:
    with served(guarded()) as (host, port), pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{host}:{port}/", additional_headers={"origin": origin}):
            pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.Example.test", "https://app.example.test"),
        ("https://app.example.test/", "https://app.example.test"),
        ("https://app.example.test:443", "https://app.example.test"),
        ("https://app.example.test:8443", "https://app.example.test:8443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origins_are_kept_as_browsers_write_them(written: str, origin: str) -> None:
    assert origin_written(written) == origin


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "https://*",
        "https://*.example.test",
        "null",
        "app.example.test",
        "//app.example.test",
        "http://app.example.test",
        "ftp://app.example.test",
        "https://app.example.test/path",
        "https://app.example.test?x",
        "https://app.example.test#x",
        "https://me@app.example.test",
        "https://app.example.test:port",
        "https://",
        "",
    ],
)
def test_what_is_not_just_an_origin_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        origin_written(written)
