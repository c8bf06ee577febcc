"""What a serving process does unasked: sweeping, forgetting, making room for the months ahead."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from app.logging import kind_and_places
from domain.counting import Tally
from domain.outside import Clock
from domain.sweeping import Sweeping

SWEEP_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 600.0
KEY_USES_SECONDS: Final = 10.0
FOLD_SECONDS: Final = 10.0
"""No longer than what `persistence.folding` spares."""

PARTITIONS_SECONDS: Final = 60.0
PARTITIONS_MADE_EVERY: Final = timedelta(days=1)
PAYMENTS_SECONDS: Final = 15.0
LINKS_KEPT_FOR: Final = timedelta(hours=1)
SESSIONS_KEPT_FOR: Final = timedelta(days=30)
_RETRY_SECONDS: Final = 60.0

_log = structlog.get_logger("upkeep")


class Partitions(Protocol):
    """Tables by the month, which have to be there before the month is."""

    async def ensure_partitions(self, now: datetime) -> int: ...


class Leftovers(Protocol):
    """Links that nobody can follow any more, and sessions that are over."""

    async def forget(self, *, links_before: datetime, sessions_before: datetime) -> int: ...


class Texts(Protocol):
    """Answer texts, which are kept for a while only."""

    async def forget(self, before: datetime) -> int: ...


class KeyUses(Protocol):
    """When API keys were last used, which need not be written at each use."""

    async def write_uses(self) -> int: ...


class Folding(Protocol):
    """Usage records, which are added up for those who want sums of them."""

    async def fold(self) -> int: ...


class Payments(Protocol):
    """Unfinished payments, whose providers are asked how they stand."""

    async def poll(self) -> int: ...


class SharedBuckets(Protocol):
    """Buckets of allowances, of which those that ran empty say nothing any more."""

    async def forget(self) -> int: ...


class Mirror(Protocol):
    """Budgets elsewhere, which follow the credits here."""

    every_seconds: float

    async def mirror(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Something else to be done again and again; the first time a while after the start."""

    name: str
    do: Callable[[], Awaitable[int]]
    every_seconds: float
    first_after_seconds: float = 0.0


@dataclass(slots=True)
class MonthsAhead:
    """Makes room for the months ahead, once a day by the clock.

    A machine that was asleep wakes to another month, and its timers do not know.
    """

    partitions: Partitions
    clock: Clock
    _made_at: datetime | None = None

    async def make(self) -> int:
        """Returns how many tables were missing; nothing, if it was done within a day."""
        now, made_at = self.clock.now(), self._made_at
        if made_at is not None and abs(now - made_at) < PARTITIONS_MADE_EVERY:
            return 0
        made = await self.partitions.ensure_partitions(now)
        self._made_at = now
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Everything a process does unasked; any number of processes may do it at once."""

    sweeping: Sweeping
    months: MonthsAhead
    texts: Texts
    key_uses: KeyUses
    texts_kept_for: timedelta
    leftovers: Leftovers
    folding: Folding
    payments: Payments
    buckets: SharedBuckets
    mirror: Mirror | None
    others: Sequence[Work] = ()
    clock: Clock
    rounds: Tally = field(default_factory=Tally)
    """Rounds of each work, by how they ended."""

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Do it in the background until this is left.

        Partitions come first: a database that slept for months has none for what is asked next.
        Raises Unavailable when the database is away.
        """
        await self.months.make()
        works = [
            self._for_ever("sweep", self.sweeping.sweep, SWEEP_SECONDS),
            self._for_ever("forget texts", self.forget_texts, FORGET_SECONDS),
            self._for_ever("write key uses", self.write_key_uses, KEY_USES_SECONDS),
            self._for_ever("forget sign-ins", self.forget_sign_ins, FORGET_SECONDS),
            self._for_ever("fold usage", self.fold_usage, FOLD_SECONDS),
            self._for_ever("ask about payments", self.payments.poll, PAYMENTS_SECONDS),
            self._for_ever("forget buckets", self.buckets.forget, FORGET_SECONDS),
            self._for_ever("partitions", self.months.make, PARTITIONS_SECONDS),
        ]
        if self.mirror is not None:
            works.append(
                self._for_ever("mirror budgets", self.mirror.mirror, self.mirror.every_seconds)
            )
        works += [
            self._for_ever(
                work.name, work.do, work.every_seconds, first_after_seconds=work.first_after_seconds
            )
            for work in self.others
        ]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def forget_texts(self) -> int:
        return await self.texts.forget(self.clock.now() - self.texts_kept_for)

    async def write_key_uses(self) -> int:
        await self.key_uses.write_uses()
        return 0  # of no interest to the log

    async def fold_usage(self) -> int:
        await self.folding.fold()
        return 0  # of no interest to the log

    async def forget_sign_ins(self) -> int:
        now = self.clock.now()
        return await self.leftovers.forget(
            links_before=now - LINKS_KEPT_FOR, sessions_before=now - SESSIONS_KEPT_FOR
        )

    async def _for_ever(
        self,
        name: str,
        work: Callable[[], Awaitable[int]],
        every_seconds: float,
        *,
        first_after_seconds: float = 0.0,
    ) -> None:
        """A failure is logged, and the work is tried again before its time."""
        await asyncio.sleep(first_after_seconds)
        while True:
            pause_seconds = every_seconds
            outcome = "done"
            try:
                if done := await work():
                    _log.info("upkeep", work=name, done=done)
            except Exception as fault:  # noqa: BLE001 - the edge: it must go on after a bad hour
                outcome = "failed"
                pause_seconds = min(every_seconds, _RETRY_SECONDS)
                _log.error("upkeep failed", work=name, **kind_and_places(fault))
            self.rounds.add(name, outcome)
            await asyncio.sleep(pause_seconds)
