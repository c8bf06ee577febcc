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


@dataclass(slots=True)
class Health:
    """Answers probes; `look` finds what is wrong, by name, in words without secrets.

    Looking opens connections, so however often a probe asks, it is done every other second.
    """

    look: Callable[[], Awaitable[Mapping[str, str]]]
    clock: Callable[[], float] = monotonic
    _seen: Mapping[str, str] = field(default_factory=dict)
    _fresh_until: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def faults(self) -> Mapping[str, str]:
        async with self._looking:
            if self.clock() >= self._fresh_until:
                self._seen = await self.look()
                self._fresh_until = self.clock() + LOOKED_AT_EVERY_SECONDS
        return self._seen

    async def alive(self, _: Request) -> Response:
        """Says no more than that requests are being answered: the database may be away."""
        return _told({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        faults = await self.faults()
        if faults:
            return _told({"status": "not ready", "faults": dict(faults)}, is_well=False)
        return _told({"status": "ready"})

    def routes(self) -> list[BaseRoute]:
        return [Route("/healthz", self.alive), Route("/readyz", self.ready)]


def _told(body: object, *, is_well: bool = True) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE,
        media_type="application/json",
    )
