"""The server: uvicorn, told the limits it does not set by itself."""

import asyncio
from http import HTTPStatus

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.transports import GatheringTransport

HEAD_SECONDS_MAX = 10.0
HEAD_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 64 * 1024


class GuardedProtocol(HttpToolsProtocol):
    """Ends connections whose request line and headers come too slowly or never end.

    uvicorn waits for them without a limit of time or size, so a caller could hold connections
    open for nothing, or fill the memory, before any of our code has seen a request.
    """

    head_seconds_max = HEAD_SECONDS_MAX
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_body_coming = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        super().connection_made(GatheringTransport(transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        self._is_body_coming = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_body_coming = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # An idle connection is timed too: bytes that begin no request would keep it for ever.
        if self.timeout_keep_alive_task is not None:
            self._await_head()

    def _await_head(self) -> None:
        if self._head_timer is not None:
            return
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(
            self.head_seconds_max, self._refuse, HTTPStatus.REQUEST_TIMEOUT
        )

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_arrived()
        if self.transport.is_closing():
            return
        # The rest of a body whose answer was not waiting for it gets none of its own: a client
        # would take it for that of its next request.
        if not self._is_body_coming:
            head = f"HTTP/1.1 {status} {status.phrase}\r\n"
            self.transport.write(f"{head}content-length: 0\r\nconnection: close\r\n\r\n".encode())
        self.transport.close()


def config(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    trusted_proxies: list[str] | None = None,
) -> uvicorn.Config:
    """Uvicorn's settings, the same for every process that serves.

    Forwarded addresses are believed from trusted proxies only, and from nobody by default.
    Logging is left as `app.logging` has set it.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=GuardedProtocol,
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES_MAX,
        # Packing takes more memory for a socket than all the rest of it, and time for each piece.
        ws_per_message_deflate=False,
        # What is served is open before, and closed after; a lifespan would only be cut off.
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=20,
    )
