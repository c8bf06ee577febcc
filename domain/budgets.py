"""The most an API key may spend of its account's credits in a period."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.units import Microcredits


class BudgetPeriod(StrEnum):
    """How long a budget lasts; periods begin at midnight UTC, weeks on Monday."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    LIFETIME = "LIFETIME"


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """What somebody decides about a budget."""

    limit: Microcredits
    period: BudgetPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBudget:
    """A budget and how far it has come.

    `used` is what was charged in the current period and what is held now, whenever that was taken:
    so what is charged within a period never exceeds the limit.
    """

    limit: Microcredits
    period: BudgetPeriod
    used: Microcredits
    resets_at: datetime | None
    """Start of the next period; None for a lifetime."""

    @property
    def left(self) -> Microcredits:
        """What can still be spent; a limit that was lowered may have been passed."""
        return Microcredits(max(0, self.limit - self.used))
