"""Whether this process lives, and whether it may be sent requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

LOOKED_AT_EVERY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 1.5
"""How long a probe waits for the database: probes are given up after a few seconds themselves."""
LOOK_SECONDS_MAX: Final = 10.0
"""After this a look is given up, so that one that hangs is not all that is ever known."""

Faults = Mapping[str, str]

_SILENT: Final = {
    "database": "The database takes connections or questions and answers neither. See that it "
    "runs, and that the network between lets answers through."
}
_DRAINING: Final = {"draining": "This process is stopping, and finishes what it has begun."}


@dataclass(slots=True)
class Health:
    """Answers probes; `look` finds what is wrong, by name, in words without secrets.

    Looking opens connections, so however often a probe asks, it is done every other second, and
    never twice at once: a database that swallows what it is asked is asked by one look alone.
    """

    look: Callable[[], Awaitable[Faults]]
    clock: Callable[[], float] = monotonic
    patience_seconds: float = PATIENCE_SECONDS
    look_seconds_max: float = LOOK_SECONDS_MAX
    _seen: Faults = field(default_factory=dict)
    _fresh_until: float = float("-inf")
    _looking: "asyncio.Task[None] | None" = None
    _is_draining: bool = False

    def drain(self) -> None:
        """Tell balancers from now on to send nothing more."""
        self._is_draining = True

    async def faults(self) -> Faults:
        """What is wrong; says so within its patience, whatever the database does."""
        if self._is_draining:
            return _DRAINING
        if self._looking is None and self.clock() >= self._fresh_until:
            self._looking = asyncio.create_task(self._look())
        if (looking := self._looking) is not None:
            await asyncio.wait({looking}, timeout=self.patience_seconds)
            if not looking.done():
                return _SILENT
            looking.result()
        return self._seen

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(self.look_seconds_max):
                self._seen = await self.look()
        except TimeoutError:
            self._seen = _SILENT
        finally:
            self._fresh_until = self.clock() + LOOKED_AT_EVERY_SECONDS
            self._looking = None

    async def alive(self, _: Request) -> Response:
        """Says no more than that requests are being answered: the database may be away."""
        return _told({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        faults = await self.faults()
        if faults:
            return _told({"status": "not ready", "faults": dict(faults)}, is_well=False)
        return _told({"status": "ready"})

    async def aclose(self) -> None:
        """Let go of a look that still waits for its database."""
        if (looking := self._looking) is not None:
            looking.cancel()
            await asyncio.wait({looking})

    def routes(self) -> list[BaseRoute]:
        return [Route("/healthz", self.alive), Route("/readyz", self.ready)]


def _told(body: object, *, is_well: bool = True) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE,
        media_type="application/json",
    )
