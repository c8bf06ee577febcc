"""An ASGI application of ours as a provider: the same wire, piece by piece, without a socket."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import httpx2
from starlette.types import ASGIApp, Message, Scope

_PIECES_AHEAD: Final = 16


class InProcess(httpx2.AsyncBaseTransport):
    """Hands requests to an application, and its answers back while it is still answering."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(await request.aread())
        exchange.begin(self._app, _scope(request))
        try:
            status, headers = await exchange.head
        except BaseException:
            await exchange.aclose()
            raise
        return httpx2.Response(status, headers=headers, stream=exchange)


class _Exchange(httpx2.AsyncByteStream):
    """One request in the application, and the body of its response."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._is_whole = False
        self.head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = (
            asyncio.get_running_loop().create_future()
        )

    def begin(self, app: ASGIApp, scope: Scope) -> None:
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception:  # noqa: BLE001 - what a server does: an error, or a connection cut off
            if not self.head.done():
                self.head.set_result((HTTPStatus.INTERNAL_SERVER_ERROR, []))
        finally:
            await self._pieces.put(None)

    async def _receive(self) -> Message:
        if self._body is None:
            # Whoever hangs up cancels this.
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.head.set_result((message["status"], list(message.get("headers", []))))
            return
        self._is_whole = not message.get("more_body", False)
        if body := message.get("body", b""):
            await self._pieces.put(body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if not self._is_whole:
            raise httpx2.ReadError("The application broke off.")

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


def _scope(request: httpx2.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": None,
        "root_path": "",
    }
