"""What every HTTP request passes on its way in and out, whatever it asks for."""

import asyncio
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Refused
from app.logging import REQUEST_ID
from app.noting import NOTED, Noted
from domain.counting import OTHER, SECONDS, Spread, Tally
from domain.tracing import TRACING, UNTRACED, Tracing, note

_log = structlog.get_logger("http")
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_DIGITS_MAX = 15
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ROUTES: Final = {
    path: path
    for path in (
        "/",
        "/graphiql",
        "/graphql",
        "/healthz",
        "/outbox",
        "/readyz",
        "/schema.graphql",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/responses",
        "/webhooks/paystack",
        "/webhooks/stripe",
    )
}
_FOLDERS: Final = {
    "/sandbox/": "/sandbox/{reference}",
    "/static/": "/static/{file}",
    "/v1/models/": "/v1/models/{model}",
}


def route_of(path: str) -> str:
    """What is told apart of paths: each route once, whatever callers write into it."""
    if (route := _ROUTES.get(path)) is not None:
        return route
    return next((route for folder, route in _FOLDERS.items() if path.startswith(folder)), OTHER)


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests were answered and how, and how long that took."""

    answered: Tally = field(default_factory=Tally)
    """By route, method, kind of GraphQL operation, and status."""
    durations: Spread = field(default_factory=lambda: Spread(SECONDS))
    """By route and kind of operation."""

    def add(self, scope: Scope, operation: str, status: int, seconds: float) -> None:
        route = route_of(scope["path"])
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        self.answered.add(route, method, operation, str(status))
        self.durations.add(seconds, route, operation)


class RequestIds:
    """Gives each request an id: in every log line, in faults of ours, in `X-Request-Id`.

    An id that came with the request is kept, so that one id follows a call through several
    services; anything that could forge a log line or a header is replaced. One line is logged
    per request, without its query string, which may carry a document or a token. Each is counted.
    """

    def __init__(self, app: ASGIApp, requests: Requests | None = None) -> None:
        self.app = app
        self.requests = requests or Requests()
        self.tracing = TRACING.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        begun = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                header = (b"x-request-id", request_id.encode())
                message["headers"] = [*message["headers"], header]
            await send(message)

        reset = REQUEST_ID.set(request_id)
        noted = Noted()
        unnote = NOTED.set(noted)
        untrace = TRACING.set(self.tracing)
        try:
            with UNTRACED if self.tracing is None else _traced(self.tracing, scope, request_id):
                try:
                    await self.app(scope, receive, send_with_id)
                finally:
                    note({"http.response.status_code": status})
                    self._count(scope, noted.operation, status, perf_counter() - begun)
        finally:
            TRACING.reset(untrace)
            NOTED.reset(unnote)
            REQUEST_ID.reset(reset)

    def _count(self, scope: Scope, operation: str, status: int, seconds: float) -> None:
        self.requests.add(scope, operation, status, seconds)
        _log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        TRACING.set(self.tracing)
        reset = REQUEST_ID.set(_request_id(scope))
        try:
            await self.app(scope, receive, send)
        finally:
            _log.info("socket", path=scope["path"], seconds=round(perf_counter() - begun, 1))
            REQUEST_ID.reset(reset)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return str(value, "ascii")
    return token_hex(10)


def _traced(tracing: Tracing, scope: Scope, request_id: str) -> AbstractContextManager[None]:
    """The span of a request, below the caller's if the caller traces it; tells no address."""
    route = route_of(scope["path"])
    method = scope["method"] if scope["method"] in _METHODS else OTHER
    told = {"http.request.method": method, "http.route": route, "request.id": request_id}
    traceparent = Headers(scope=scope).get("traceparent")
    return tracing.request(f"{method} {route}", told, traceparent=traceparent)


class SafeHeaders:
    """Adds the headers that keep answers out of caches, frames and guesses.

    A route that sets one of them itself knows better and is left alone.
    """

    DEFAULTS = (
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                given = {name for name, _ in headers}
                added = (header for header in self.DEFAULTS if header[0] not in given)
                message["headers"] = [*headers, *added]
            await send(message)

        await self.app(scope, receive, send_safely)


async def read_body(scope: Scope, receive: Receive, *, bytes_max: int, seconds_max: float) -> bytes:
    """The whole body, or `Refused`: 413 past the size, 408 past the time, 415 when compressed.

    Bytes are counted as they come, so a body without a length, or with a false one, is refused
    as soon as it is too long. A compressed body is refused because its length says nothing.
    """
    headers = Headers(scope=scope)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(
            "Send the body without Content-Encoding.", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        )
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > _DIGITS_MAX or int(declared) > bytes_max):
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(seconds_max):
            return await _gather(receive, bytes_max)
    except TimeoutError:
        raise Refused(
            f"The body did not arrive within {seconds_max:g} s.",
            status=HTTPStatus.REQUEST_TIMEOUT,
            headers={"connection": "close"},
        ) from None


async def _gather(receive: Receive, bytes_max: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(bytes_max: int) -> Refused:
    # What is left of the body would be read as the next request, so the connection ends.
    return Refused(
        f"The body is larger than {bytes_max} bytes.",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        headers={"connection": "close"},
    )


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body already read, then goes on with the real one."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return unread.pop() if unread else await receive()

    return receive_again
