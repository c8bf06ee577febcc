"""How the business and the machinery are doing, in figures for administrators.

Sales are told net, and of the payments that were paid within the range: what was given back of
one, whenever that was, is missing from the day it was paid. As soon as one payment was live, those
of tests and of the sandbox count for nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from domain.money import Money
from domain.reporting import Reader, Span
from domain.units import NO_CREDITS, Microcredits


class Figure(Enum):
    """What can be asked for; only that is read."""

    NEW_ACCOUNTS = "accounts that were opened"
    ACTIVE_ACCOUNTS = "accounts that asked, whatever came of it"
    CREDITS_GRANTED = "credits given for free: at sign-up, and by administrators"
    SALES = "credits sold and money taken"
    CREDITS_OUTSTANDING = "credits customers have now, held ones included"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of a range, all of one moment; what was not asked for is nothing."""

    new_accounts: int = 0
    active_accounts: int = 0
    credits_granted: Microcredits = NO_CREDITS
    credits_sold: Microcredits = NO_CREDITS
    revenue: Sequence[Money] = ()
    """One amount for each currency in which something was sold."""

    credits_outstanding: Microcredits = NO_CREDITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of the machinery at one moment."""

    queued_answers: int
    running_answers: int
    open_holds: int
    oldest_hold_seconds: int | None
    """None when no hold is open."""

    pending_payments: int
    open_alerts: int
    ledger_balanced: bool
    """Whether the last check of the books found no imbalance, and open holds add up now."""


class Measures(Protocol):
    """The books, as far as figures need them. Raises Forbidden for who is no administrator."""

    async def figures(self, reader: Reader, span: Span, wanted: Collection[Figure]) -> Figures:
        """Figures of a range that has an end."""
        ...

    async def health(self, reader: Reader) -> Health: ...
