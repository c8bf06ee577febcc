"""Allowances that all processes share, counted so that most requests ask nobody.

A process takes points out of the shared bucket in small blocks, a twentieth of the limit, and
serves its callers from the block it has. What it does not use in the time that a block takes to
drain is given up, because the bucket has drained it by then. So, however many processes there are,
nobody gets more than the limit and one block for each of them; and somebody who asks several
processes at once may be refused while they hold, for those few seconds, a block each.

While the books are away each process counts for itself, with the whole limit. That never locks
anybody out, and what protects money is the ledger, not this.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from app.allowance import CALLERS_KEPT_MAX, InProcessAllowances
from domain.allowing import Allowance, Buckets, Filling, Rate
from domain.errors import Unavailable
from domain.outside import Clock

BLOCKS_IN_LIMIT: Final = 20
ANSWER_SECONDS_MAX: Final = 1.0
"""How long a caller waits for the shared bucket before it is counted here."""
ALONE_FOR: Final = timedelta(seconds=1)
"""How long the books are left in peace after they did not answer."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

_log = structlog.get_logger("allowances")


@dataclass(slots=True)
class _Block:
    """Points of one caller that this process may hand out."""

    left: int
    empty_at: datetime
    """When the shared bucket runs empty, if all of the block is used."""
    ends_at: datetime


@dataclass(slots=True)
class _Queue:
    """Those who wait for points of one caller, and how many they wait for together."""

    amount: int
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class SharedAllowances:
    """A bucket for each caller in the books, and blocks out of those of callers seen lately."""

    kind: str
    """Tells these buckets from others that count the same callers."""
    rate: Rate
    buckets: Buckets
    clock: Clock
    callers_kept_max: int = CALLERS_KEPT_MAX
    _blocks: OrderedDict[str, _Block] = field(default_factory=OrderedDict)
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _alone: InProcessAllowances = field(init=False)
    _alone_until: datetime = _LONG_AGO

    def __post_init__(self) -> None:
        self._alone = InProcessAllowances(
            rate=self.rate, clock=self.clock, callers_kept_max=self.callers_kept_max
        )

    async def take(self, who: str, amount: int = 1) -> Allowance:
        """Count an amount; raises RateLimited when there was too much lately, in any process."""
        while True:
            if (allowance := self._from_block(who, amount)) is not None:
                return allowance
            if self.clock.now() < self._alone_until:
                return await self._alone.take(who, amount)
            if (queue := self._queues.get(who)) is None:
                return await self._lead(who, amount)
            # One answer of the books most likely serves, or refuses, everybody who waits for it.
            queue.amount += amount
            await queue.is_over.wait()

    async def _lead(self, who: str, amount: int) -> Allowance:
        """Ask the books, for whoever needs points of the same caller meanwhile as well."""
        queue = self._queues[who] = _Queue(amount)
        try:
            await asyncio.sleep(0)  # whoever asks in this turn of the loop comes along
            return await self._from_books(who, amount, waiting=queue.amount)
        finally:
            del self._queues[who]
            queue.is_over.set()

    def _from_block(self, who: str, amount: int) -> Allowance | None:
        """Points of a block that is there; raises RateLimited where asking could only say so."""
        block, now = self._blocks.get(who), self.clock.now()
        if block is None:
            return None
        left = block.left if now < block.ends_at else 0
        if left >= amount:
            return self._used(block, amount, now)
        # Others can have made the bucket fuller since, but it drains no faster than time passes.
        level = max(block.empty_at, now) - now + self.rate.draining_of(amount - left)
        if level > self.rate.window:
            raise self.rate.refusal(level)
        return None

    def _used(self, block: _Block, amount: int, now: datetime) -> Allowance:
        block.left -= amount
        used_until = block.empty_at - self.rate.draining_of(block.left)
        return self.rate.standing(amount, reset_at=max(now, used_until), now=now)

    async def _from_books(self, who: str, amount: int, *, waiting: int) -> Allowance:
        asked_at = self.clock.now()
        left = self._take_rest(who, asked_at)
        needed = amount - left
        wanted = max(waiting - left, self.rate.limit // BLOCKS_IN_LIMIT) if needed else 0
        filling = Filling(
            needed=self.rate.draining_of(needed),
            wanted=self.rate.draining_of(wanted),
            window=self.rate.window,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                level = await self.buckets.fill(f"{self.kind}: {who}", filling)
        except (Unavailable, TimeoutError):
            _log.warning("counting alone", kind=self.kind)
            self._alone_until = self.clock.now() + ALONE_FOR
            return await self._alone.take(who, amount)
        is_refused = level.taken < filling.needed
        if is_refused:
            got = 0
        elif level.taken == filling.wanted:
            got = wanted
        else:
            got = max(needed, self.rate.amount_in(level.taken))
        now = self.clock.now()
        block = _Block(
            left=left + got,
            empty_at=now + level.runs_empty_in,
            ends_at=asked_at + self.rate.window / BLOCKS_IN_LIMIT,
        )
        self._keep(who, block)
        if is_refused:
            raise self.rate.refusal(level.runs_empty_in + filling.needed)
        return self._used(block, amount, now)

    def _take_rest(self, who: str, now: datetime) -> int:
        """What is left of a block that is too small, out of reach of others meanwhile."""
        block = self._blocks.get(who)
        if block is None or now >= block.ends_at:
            return 0
        left, block.left = block.left, 0
        return left

    def _keep(self, who: str, block: _Block) -> None:
        self._blocks[who] = block
        self._blocks.move_to_end(who)
        if len(self._blocks) > self.callers_kept_max:
            self._blocks.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Counting:
    """Makes the allowances of one process; each kind is counted apart from the others."""

    buckets: Buckets
    clock: Clock

    def per_minute(self, kind: str, limit: int) -> SharedAllowances:
        return self.of(kind, Rate(limit, timedelta(minutes=1)))

    def of(self, kind: str, rate: Rate) -> SharedAllowances:
        return SharedAllowances(kind=kind, rate=rate, buckets=self.buckets, clock=self.clock)
