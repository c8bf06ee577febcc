"""A system served on a port by this event loop, as production serves it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from app import server


class _Server(uvicorn.Server):
    """Leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, *, trusted_proxies: list[str] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Where an application is served meanwhile; connections left over are cut in the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = server.config(app, trusted_proxies=trusted_proxies)
        config.timeout_graceful_shutdown = 1
        running = _Server(config)
        task = asyncio.create_task(running.serve(sockets=[listener]))
        try:
            yield listener.getsockname()
        finally:
            running.should_exit = True
            await task
