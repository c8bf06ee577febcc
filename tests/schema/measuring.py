"""Figures as a test sets them, and what of them was read."""

from collections.abc import Collection
from dataclasses import dataclass, field

from domain.errors import Forbidden
from domain.measuring import Figure, Figures, Health
from domain.money import Currency, Money
from domain.reporting import Reader, Span
from domain.units import Microcredits

FIGURES = Figures(
    new_accounts=2,
    active_accounts=1,
    credits_granted=Microcredits(3_000_000),
    credits_sold=Microcredits(10_000_000),
    revenue=(Money(1999, Currency.USD),),
    credits_outstanding=Microcredits(2**53 * 1_000),
)
HEALTH = Health(
    queued_answers=1,
    running_answers=2,
    open_holds=3,
    oldest_hold_seconds=None,
    pending_payments=4,
    open_alerts=5,
    ledger_balanced=True,
)


@dataclass(slots=True)
class FakeMeasures:
    """Tells administrators figures, and nobody else."""

    kept: Figures = FIGURES
    state: Health = HEALTH
    read: list[frozenset[Figure]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    async def figures(self, reader: Reader, span: Span, wanted: Collection[Figure]) -> Figures:
        if not reader.as_admin:
            raise Forbidden
        self.read.append(frozenset(wanted))
        self.spans.append(span)
        return self.kept

    async def health(self, reader: Reader) -> Health:
        if not reader.as_admin:
            raise Forbidden
        return self.state
