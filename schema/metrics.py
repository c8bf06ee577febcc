"""How the business and the machinery are doing."""

from collections.abc import Sequence
from typing import Self

import strawberry
from strawberry.dataloader import DataLoader

import resolvers.metrics
import resolvers.usage_summaries
from domain import measuring
from domain.measuring import Figure, Figures
from domain.money import MicroUSD
from domain.reporting import Span
from domain.summarizing import WHOLE, Part, Sums
from domain.units import Microcredits
from resolvers.metrics import MetricsAsked
from schema.filters import TimeRange
from schema.inputs import given
from schema.lookups import Lookups
from schema.payments import Money
from schema.scalars import Count
from schema.usage_summary import Reading, UsageTotals, summary


class Measuring:
    """Figures of one range; those that one document asks for are read together."""

    def __init__(self, asked: MetricsAsked) -> None:
        self.asked = asked
        self.figures = DataLoader(self._load)

    async def _load(self, wanted: list[Figure]) -> Sequence[Figures | BaseException]:
        found = await self.asked.figures(wanted)
        return [found] * len(wanted)


@strawberry.type(description="The state of the machinery at this moment.")
class Health:
    queued_answers: Count
    running_answers: Count
    open_holds: Count
    oldest_hold_seconds: Count | None = strawberry.field(
        description="Age of the oldest open hold in seconds; null when there is none."
    )
    pending_payments: Count
    open_alerts: Count
    ledger_balanced: bool = strawberry.field(
        description=(
            "False when any balance differs from the sum of its ledger. Must never be false."
        )
    )

    @classmethod
    def of(cls, health: measuring.Health) -> Self:
        oldest = health.oldest_hold_seconds
        return cls(
            queued_answers=Count(health.queued_answers),
            running_answers=Count(health.running_answers),
            open_holds=Count(health.open_holds),
            oldest_hold_seconds=None if oldest is None else Count(oldest),
            pending_payments=Count(health.pending_payments),
            open_alerts=Count(health.open_alerts),
            ledger_balanced=health.ledger_balanced,
        )


@strawberry.type(description="How the business and the machinery are doing.")
class Metrics:
    measuring: strawberry.Private[Measuring]
    reading: strawberry.Private[Reading]

    @strawberry.field
    async def new_accounts(self) -> Count:
        return Count((await self.measuring.figures.load(Figure.NEW_ACCOUNTS)).new_accounts)

    @strawberry.field
    async def active_accounts(self) -> Count:
        return Count((await self.measuring.figures.load(Figure.ACTIVE_ACCOUNTS)).active_accounts)

    @strawberry.field
    async def credits_sold(self) -> Microcredits:
        return (await self.measuring.figures.load(Figure.SALES)).credits_sold

    @strawberry.field(description="Given for free: sign-up grants and recharges.")
    async def credits_granted(self) -> Microcredits:
        return (await self.measuring.figures.load(Figure.CREDITS_GRANTED)).credits_granted

    @strawberry.field
    async def credits_charged(self) -> Microcredits:
        return (await self._sums()).charged

    @strawberry.field(description="Credits customers hold now: what we owe.")
    async def credits_outstanding(self) -> Microcredits:
        found = await self.measuring.figures.load(Figure.CREDITS_OUTSTANDING)
        return found.credits_outstanding

    @strawberry.field
    async def revenue(self) -> list[Money]:
        found = await self.measuring.figures.load(Figure.SALES)
        return [Money.of(amount) for amount in found.revenue]

    @strawberry.field(description="In USD.")
    async def provider_cost(self) -> MicroUSD:
        return MicroUSD((await self._sums()).provider_cost)

    @strawberry.field
    async def usage(self) -> UsageTotals:
        return await UsageTotals.of_whole(self.reading)

    @strawberry.field(description="Now, not over the range.")
    async def health(self) -> Health:
        return Health.of(await self.measuring.asked.health())

    async def _sums(self) -> Sums:
        return (await self.reading.sums.load(Part.TOTALS)).get(WHOLE, Sums())


def metrics(range_: TimeRange, lookups: Lookups) -> Metrics:
    """Metrics that can be read; raises BadRequest for a range that cannot be."""
    span = Span(range_.from_, given(range_.to))
    totals = summary(
        lambda context: resolvers.usage_summaries.totals_of_everybody(context, span), lookups
    )
    checked = totals.reading.asked.wanted.filter.span or span
    asked = resolvers.metrics.of_range(lookups.context, checked)
    return Metrics(measuring=Measuring(asked), reading=totals.reading)
