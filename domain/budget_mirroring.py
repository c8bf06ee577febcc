"""Shows accounts' credits as budgets of the keys they have at a gateway beside us.

Best effort, and in nobody's way: it has a loop of its own, no payment and no answer waits for it,
and what one round misses the next one makes good. Nothing is remembered between rounds, since the
gateway itself says what its keys' budgets are; so any number of processes may do this at once.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, Protocol

from domain.errors import TallystickError
from domain.outside import Clock
from domain.units import MICROCREDITS_PER_CREDIT, AccountId, Microcredits

PAUSE_SECONDS_MAX: Final = 300.0
"""The longest pause after failures; each one doubles it."""

_SMALLEST: Final = Decimal("0.000001")
"""Budgets are told in millionths of a dollar, and differences below that are none."""

_log = logging.getLogger(__name__)


class MirrorFailed(TallystickError):
    """The gateway did not do what was asked of it. Our words, never the gateway's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredKey:
    """A key at the gateway that belongs to an account of ours."""

    name: str
    account_id: AccountId
    spent: Decimal
    """Dollars, as the gateway counts them."""
    budget: Decimal | None
    """The dollars at which the gateway stops the key; None when it never does."""

    def budget_for(self, available: Microcredits, usd_per_credit: Decimal) -> Decimal:
        """What leaves the key just the credits its account has available, rounded down."""
        left = Decimal(available) / MICROCREDITS_PER_CREDIT * usd_per_credit
        return (max(self.spent, Decimal(0)) + left).quantize(_SMALLEST, ROUND_DOWN)

    def has_budget(self, budget: Decimal) -> bool:
        return self.budget is not None and abs(self.budget - budget) < _SMALLEST


class MirroredKeys(Protocol):
    """The keys at the gateway."""

    def pages(self) -> AsyncIterator[Sequence[MirroredKey]]:
        """All keys that belong to accounts of ours, a bounded number at a time.

        Raises MirrorFailed.
        """
        ...

    async def set_budget(self, key: MirroredKey, budget: Decimal) -> bool:
        """Returns whether the gateway took it: the key may be gone, or may have no such budget.

        Raises MirrorFailed when it would take no other key's either.
        """
        ...


class AvailableCredits(Protocol):
    """What accounts can spend now."""

    async def available(self, accounts: Sequence[AccountId]) -> Mapping[AccountId, Microcredits]:
        """Nothing for a suspended account, and no word of one that does not exist."""
        ...


@dataclass(slots=True, kw_only=True)
class BudgetMirroring:
    """Rounds of mirroring, fewer and fewer while the gateway does not answer."""

    keys: MirroredKeys
    credits: AvailableCredits
    usd_per_credit: Decimal
    every_seconds: float
    clock: Clock
    _failures: int = 0
    _refused: int = 0
    """Budgets not taken in the round before, of which one line in the log is enough."""
    _rests_until: datetime | None = field(default=None)

    async def mirror(self) -> int:
        """Bring every budget up to date; returns how many had to be changed.

        A gateway that fails is logged and left alone for a while. Raises Unavailable when the
        books are.
        """
        if self._rests_until is not None and self.clock.now() < self._rests_until:
            return 0
        try:
            changed = await self._mirror()
        except MirrorFailed as fault:
            self._rest(fault)
            return 0
        self._failures, self._rests_until = 0, None
        return changed

    async def _mirror(self) -> int:
        changed = refused = 0
        async for keys in self.keys.pages():
            available = await self.credits.available(
                sorted({key.account_id for key in keys}),
            )
            for key in keys:
                if key.account_id not in available:
                    continue
                budget = key.budget_for(available[key.account_id], self.usd_per_credit)
                if key.has_budget(budget):
                    continue
                if await self.keys.set_budget(key, budget):
                    changed += 1
                else:
                    refused += 1
        if refused > self._refused:
            _log.warning("budgets not taken for %d keys; the others are right", refused)
        self._refused = refused
        return changed

    def _rest(self, fault: MirrorFailed) -> None:
        self._failures += 1
        # The power is bounded: an outage of days must not make a number of it that overflows.
        pause = min(self.every_seconds * 2 ** min(self._failures, 20), PAUSE_SECONDS_MAX)
        self._rests_until = self.clock.now() + timedelta(seconds=pause)
        _log.warning("budgets not mirrored, and tried again in %d s: %s", pause, fault)
