"""What is open right now: how much of it, whose, and whether it still may be.

A stream outlives the moment in which its caller's right was looked at. So everything open is
looked at again every few seconds, in one pass for all, and ends when the right has ended; the end
of an access token is known beforehand and waited for.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from app.logging import kind_and_places
from domain.counting import Tally
from domain.errors import AccessError, AccountSuspended, Problem, RateLimited

SOCKETS_MAX: Final = 10
"""Sockets of one principal, in one process."""
STREAMS_PER_SOCKET_MAX: Final = 10
STREAMS_MAX: Final = SOCKETS_MAX * STREAMS_PER_SOCKET_MAX
"""Operations of one principal that are open at once, over all transports, in one process."""
LOOK_SECONDS: Final = 10.0
"""How often rights are looked at again: a stream ends within 30 s of its right."""
_AT_ONCE: Final = 200
_RETRY_SECONDS: Final = 5

_log = structlog.get_logger("streams")


class Open(Protocol):
    """Something open: a socket, or one answer of many parts."""

    async def look(self) -> None:
        """Look at the right again; raises an AccessError or AccountSuspended if it has ended."""

    def end(self, error: AccessError | Problem) -> None:
        """Tell the caller why, and close."""

    def beat(self) -> None:
        """Show the other side, and whatever lies between, that this is alive."""


@dataclass(slots=True)
class Streams:
    """Everything that is open in this process."""

    look_seconds: float = LOOK_SECONDS
    live: int = 0
    """Operations that are running: what an aborted connection must not leave behind."""
    asked: Tally = field(default_factory=Tally)
    """Operations that came over sockets, by their kind."""
    _sockets: Counter[str] = field(default_factory=Counter)
    _running: Counter[str] = field(default_factory=Counter)
    _open: set[Open] = field(default_factory=set)
    _looking: "asyncio.Task[None] | None" = None

    @property
    def open(self) -> int:
        """How many sockets and streams of events there are."""
        return len(self._open)

    @contextmanager
    def socket(self, principal: str) -> Iterator[None]:
        """Count a socket as open; raises RateLimited when the principal has too many."""
        with _counted(self._sockets, principal, SOCKETS_MAX):
            yield

    @contextmanager
    def running(self, principal: str) -> Iterator[None]:
        """Count an operation as running; raises RateLimited when the principal has too many."""
        with _counted(self._running, principal, STREAMS_MAX):
            self.live += 1
            try:
                yield
            finally:
                self.live -= 1

    @contextmanager
    def watched(self, opened: Open) -> Iterator[None]:
        """Look after something as long as it is open."""
        self._open.add(opened)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_after(), name="rights of streams")
        try:
            yield
        finally:
            self._open.discard(opened)
            if not self._open and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            everything = list(self._open)
            for begin in range(0, len(everything), _AT_ONCE):
                some = everything[begin : begin + _AT_ONCE]
                await asyncio.gather(*(self._look_at(opened) for opened in some))

    async def _look_at(self, opened: Open) -> None:
        try:
            await opened.look()
        except (AccessError, AccountSuspended) as error:
            opened.end(error)
        except Problem:
            # The database is away: nobody's right can have ended meanwhile.
            opened.beat()
        except Exception as fault:  # noqa: BLE001 - one stream's fault must not end the watch
            _log.error("look at rights failed", **kind_and_places(fault))
        else:
            opened.beat()


@contextmanager
def _counted(counter: Counter[str], principal: str, most: int) -> Iterator[None]:
    if counter[principal] >= most:
        raise RateLimited(retry_after_seconds=_RETRY_SECONDS)
    counter[principal] += 1
    try:
        yield
    finally:
        counter[principal] -= 1
        if not counter[principal]:
            del counter[principal]
