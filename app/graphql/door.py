"""What every transport of many results needs: the schema, who is calling, and what is open."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from starlette.requests import HTTPConnection

from app.clock import SystemClock
from app.graphql.schema import Caller, ServedSchema
from app.graphql.streams import Streams
from domain.identity import Viewer
from domain.outside import Clock

Calling = TypeVar("Calling", bound=Caller)

FindsCaller: TypeAlias = Callable[[HTTPConnection, Sequence[str]], Awaitable[Calling]]
"""From a connection and Authorization headers to a caller; raises what refuses it."""


@dataclass(frozen=True, slots=True)
class Door(Generic[Calling]):
    """Where operations come in."""

    schema: ServedSchema
    context: FindsCaller[Calling]
    clock: Clock = field(default_factory=SystemClock)
    streams: Streams = field(default_factory=Streams)

    def seconds_left(self, viewer: Viewer | None) -> float | None:
        """How long a caller's credential still lasts; None if it ends only by being taken away."""
        if viewer is None or viewer.expires_at is None:
            return None
        return max(0.0, (viewer.expires_at - self.clock.now()).total_seconds())
