"""The port for those who watch, apart from that of callers: /metrics, /healthz and /readyz."""

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import server
from app.http import SafeHeaders
from app.listening import listening
from app.metrics.books import Books
from app.metrics.exposing import exposed
from app.metrics.families import added
from app.metrics.sharing import Shared
from app.settings import Settings, UnsafeSettings
from app.wiring import System
from persistence import machinery

_log = structlog.get_logger("metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """Where this process is watched, with those beside it."""

    listener: socket.socket
    token: SecretStr | None
    folder: Path | None
    """Where processes that share the listener write their numbers."""


@contextmanager
def lookout(settings: Settings, *, processes: int = 1) -> Iterator[Lookout | None]:
    """A socket for those who watch, if there is to be one; to be made before processes are.

    Raises CannotListen or UnsafeSettings.
    """
    if settings.metrics_port is None:
        yield None
        return
    with ExitStack() as stack:
        listener = stack.enter_context(
            listening(
                settings.metrics_host,
                settings.metrics_port,
                setting="METRICS_PORT=",
                of_host="METRICS_HOST",
            )
        )
        folder = None
        if processes > 1:
            folder = stack.enter_context(_folder())
        yield Lookout(listener=listener, token=settings.metrics_token, folder=folder)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is gone afterwards. Raises UnsafeSettings where nothing can be written."""
    try:
        made = TemporaryDirectory(prefix="tallystick-metrics-")
    except OSError as error:
        raise UnsafeSettings(
            "METRICS_PORT: processes that share it add their numbers up in a folder for temporary "
            f"files, and none can be made ({error.strerror}). Let TMPDIR name one that this may "
            "write to; in a container, mount a tmpfs at /tmp."
        ) from None
    with made as path:
        yield Path(path)


@asynccontextmanager
async def watched(
    lookout: Lookout | None, system: System, *, url: str, place: int = 0
) -> AsyncIterator[None]:
    """Let this process be watched until this is left. The URL is the operator's."""
    if lookout is None:
        yield
        return
    shared = Shared(
        read=partial(system.watched.read, worker=str(place)), folder=lookout.folder, place=place
    )
    door = Door(
        shared=shared, books=Books(partial(machinery.look, url)), token=lookout.token, system=system
    )
    config = server.config(SafeHeaders(door.application()))
    config.lifespan = "off"
    config.timeout_graceful_shutdown = 1
    serving = _Server(config)
    async with shared.going_on():
        task = asyncio.create_task(serving.serve(sockets=[lookout.listener]), name="metrics")
        host, port = lookout.listener.getsockname()[:2]
        _log.info("metrics served", host=host, port=port)
        try:
            yield
        finally:
            serving.should_exit = True
            await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Answers whoever watches."""

    shared: Shared
    books: Books
    token: SecretStr | None
    system: System

    def application(self) -> Starlette:
        """Probes ask without a token: what they are told is no secret."""
        return Starlette(routes=[Route("/metrics", self.metrics), *self.system.health.routes()])

    async def metrics(self, request: Request) -> Response:
        if not self._may_read(request):
            return PlainTextResponse(
                "Send METRICS_TOKEN as `Authorization: Bearer …`.\n",
                HTTPStatus.UNAUTHORIZED,
                headers={"www-authenticate": "Bearer"},
            )
        known = await self.books.read()
        text, content_type = exposed(
            added([self.shared.total(), known]), accept=request.headers.get("accept", "")
        )
        return Response(text, headers={"content-type": content_type})

    def _may_read(self, request: Request) -> bool:
        if self.token is None:
            return True
        wanted = f"Bearer {self.token.get_secret_value()}"
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), wanted.encode())


class _Server(uvicorn.Server):
    """Leaves the process's signals to the server of callers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
