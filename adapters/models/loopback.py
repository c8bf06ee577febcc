"""A provider of ours on a port of this machine, where connections really open and really break.

`python -m adapters.models.loopback 9000` serves the simulated provider until Ctrl-C.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from adapters.models.simulated import ConnectionCutError, SimulatedProvider


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1 and give the base URL; calls in progress end with it.

    The port listens from the start, so callers that come before the server is ready just wait.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_worth_telling)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        # Only a socket that names its protocol is spared the 40 ms of Nagle's algorithm.
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = _Server(_config(app))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            await task


def _config(app: ASGIApp, port: int = 0) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """A connection cut on purpose is not."""
    return record.exc_info is None or not isinstance(record.exc_info[1], ConnectionCutError)


if __name__ == "__main__":
    logging.getLogger("uvicorn.error").addFilter(_is_worth_telling)
    uvicorn.Server(_config(SimulatedProvider(), int(sys.argv[1]))).run()
