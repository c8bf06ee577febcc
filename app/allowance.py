"""Allowances counted in this process alone, and questions counted by account."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from domain.allowing import Allowance, Allowances, Rate
from domain.identity import Viewer
from domain.outside import Clock

CALLERS_KEPT_MAX: Final = 50_000
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class InProcessAllowances:
    """A bucket for each caller seen lately; see `domain.allowing.Allowances`."""

    rate: Rate
    clock: Clock
    callers_kept_max: int = CALLERS_KEPT_MAX
    _empty_at: OrderedDict[str, datetime] = field(default_factory=OrderedDict)

    async def take(self, who: str, amount: int = 1) -> Allowance:
        empty_at = self._empty_at.get(who, _LONG_AGO)
        allowance = self.rate.take(amount, empty_at=empty_at, now=self.clock.now())
        self._empty_at[who] = allowance.reset_at
        self._empty_at.move_to_end(who)
        if len(self._empty_at) > self.callers_kept_max:
            # Whoever has not asked for longest, and so most likely has a full allowance again.
            self._empty_at.popitem(last=False)
        return allowance


@dataclass(frozen=True, slots=True)
class QuestionsPerAccount:
    """Admits questions by account, however many sessions and keys it asks with."""

    allowances: Allowances

    async def admit(self, viewer: Viewer) -> None:
        await self.allowances.take(str(viewer.account_id))
