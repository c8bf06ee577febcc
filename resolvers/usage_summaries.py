"""Usage in numbers: one account's, or everybody's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.reporting import Reader, Span, UsageFilter
from domain.summarizing import (
    LatencySections,
    Part,
    Sections,
    Series,
    Summaries,
    SummaryWanted,
)
from domain.units import AccountId
from resolvers.context import Context


@dataclass(frozen=True, slots=True)
class SummaryAsked:
    """A summary that can be read on somebody's behalf, part by part."""

    summaries: Summaries
    reader: Reader
    wanted: SummaryWanted

    @property
    def starts(self) -> Sequence[datetime]:
        """Where the buckets begin."""
        return self.wanted.starts

    async def sums(self, parts: Sequence[Part]) -> Sections:
        return await self.summaries.usage_sums(self.reader, self.wanted, parts)

    async def latencies(self, parts: Sequence[Part]) -> LatencySections:
        return await self.summaries.usage_latencies(self.reader, self.wanted, parts)


def own(context: Context, series: Series, wanted: UsageFilter) -> SummaryAsked:
    """Of the caller's attempts, whatever else it may see."""
    return of_account(context, context.signed_in.account_id, series, wanted)


def of_account(
    context: Context, account_id: AccountId, series: Series, wanted: UsageFilter
) -> SummaryAsked:
    summarizing = context.services.summarizing
    wanted = replace(wanted, account_id=account_id)
    return SummaryAsked(summarizing.summaries, context.reader(), summarizing.wanted(series, wanted))


def of_everybody(context: Context, series: Series, wanted: UsageFilter) -> SummaryAsked:
    summarizing = context.services.summarizing
    return SummaryAsked(
        summarizing.summaries, context.admin_reader(), summarizing.wanted(series, wanted)
    )


def totals_of_everybody(context: Context, span: Span) -> SummaryAsked:
    """Of a range however long, for one who looks at the totals only."""
    summarizing = context.services.summarizing
    wanted = summarizing.wanted_whole(span, UsageFilter())
    return SummaryAsked(summarizing.summaries, context.admin_reader(), wanted)
