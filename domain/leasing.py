"""The lease by which other processes know that this one lives, and runs what it has begun.

It is one row a process, renewed every few seconds for all its answers together. Once it has run
out, whoever finds that gives the answers up: they fail, and their holds are released. A process
that comes back too late finds its holds ended, and charges nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.running import Running
from domain.units import AnswerId

RENEWALS = 5
"""How often a lease is renewed within its time, so that a few may fail."""


class Leases(Protocol):
    """The leases of all processes."""

    async def renew(self, seconds: int) -> Sequence[AnswerId]:
        """Hold this process's lease for so long from now; returns which answers to cancel."""
        ...

    async def end(self) -> None:
        """Give this process's lease up at once."""
        ...

    async def give_up_lost(self, seconds: int) -> int:
        """Let the holds run out of answers that nobody will finish; returns how many.

        Those are the answers of processes whose lease has run out, and those that have waited so
        long without their question.
        """
        ...


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True, kw_only=True)
class Lease:
    """This process's own lease."""

    leases: Leases
    running: Running
    seconds: int = 15
    clock: Callable[[], float] = field(default=_now)
    _held_from: float | None = None
    _held_until: float = float("-inf")

    @property
    def renewed_every_seconds(self) -> float:
        return min(1.0, self.seconds / RENEWALS)

    @property
    def is_held(self) -> bool:
        """Whether others know that this process lives; counted from before they were told."""
        return self.clock() < self._held_until

    @property
    def is_settled(self) -> bool:
        """Whether it has been held so long that everybody else had time to renew theirs.

        When the database was away, nobody could: then nobody may be thought dead yet.
        """
        return (
            self.is_held
            and self._held_from is not None
            and self.clock() - self._held_from >= self.seconds
        )

    async def renew(self) -> int:
        """Hold it on, and cancel what others want canceled; returns how many that were."""
        asked_at = self.clock()
        unwanted = await self.leases.renew(self.seconds)
        if self._held_from is None or asked_at >= self._held_until:
            self._held_from = asked_at
        self._held_until = asked_at + self.seconds
        for answer_id in unwanted:
            self.running.cancel(answer_id)
        return len(unwanted)

    async def end(self) -> None:
        """Tell others that nothing runs here any more."""
        self._held_until = float("-inf")
        await self.leases.end()

    async def give_up_lost(self) -> int:
        """Let others' answers end that nobody will finish."""
        return await self.leases.give_up_lost(self.seconds) if self.is_settled else 0
