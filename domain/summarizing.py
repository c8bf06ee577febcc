"""Usage in numbers: totals of the attempts within a range, a time series, and breakdowns.

The numbers are those of the records that `usage` lists for the same filter, exactly; only
percentiles are near what they stand for, within the error that `domain.histograms` states.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, Protocol

from domain.calendars import TimeBucket, buckets, checked, zone_named
from domain.histograms import Histogram, percentile
from domain.outside import Clock
from domain.reporting import Reader, Span, UsageFilter
from domain.units import NO_CREDITS, ApiKeyId, Microcredits

KEYS_MAX: Final = 100
"""API keys that a breakdown shows: those that were charged most."""


class Part(Enum):
    """What a summary is broken down by; only what is asked for is read."""

    TOTALS = "totals"
    BUCKETS = "buckets"
    MODELS = "by_model"
    KEYS = "by_api_key"


Group = int | str | ApiKeyId | None
"""Of the totals 0, of a bucket its place, a model's id, or an API key; None is for sessions."""

WHOLE: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over a set of attempts."""

    attempts: int = 0
    succeeded: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    charged: Microcredits = NO_CREDITS
    provider_cost: int = 0
    """In micro-USD, as far as it is known and the reader may know it."""

    @classmethod
    def total(cls, sums: Collection["Sums"]) -> "Sums":
        """The sums over sets that have no attempt in common."""
        return cls(
            attempts=sum(each.attempts for each in sums),
            succeeded=sum(each.succeeded for each in sums),
            failed=sum(each.failed for each in sums),
            input_tokens=sum(each.input_tokens for each in sums),
            output_tokens=sum(each.output_tokens for each in sums),
            charged=Microcredits(sum(each.charged for each in sums)),
            provider_cost=sum(each.provider_cost for each in sums),
        )


@dataclass(frozen=True, slots=True)
class Latency:
    """How long successful attempts took, in milliseconds."""

    average: int
    p50: int
    p95: int

    @classmethod
    def of(cls, milliseconds: int, histogram: Histogram) -> "Latency | None":
        """The figures of a sum and a histogram of the same durations; None when there are none."""
        count = sum(histogram.values())
        if count == 0:
            return None
        return cls(
            average=(2 * milliseconds + count) // (2 * count),
            p50=percentile(histogram, 50),
            p95=percentile(histogram, 95),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long successful attempts took until their first and until their last token."""

    whole: Latency | None = None
    first_token: Latency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryWanted:
    """What a summary is to be of: all that the filter lets through, whose span has an end.

    Buckets begin at `starts`, the first of which may lie before the span.
    """

    filter: UsageFilter
    starts: Sequence[datetime]


Sections = Mapping[Part, Mapping[Group, Sums]]
LatencySections = Mapping[Part, Mapping[Group, Latencies]]


class Summaries(Protocol):
    """The books, as far as summaries need them; all parts of one call are of one moment.

    A group of which there is nothing is left out. Models and keys that were charged most come
    first, and of keys there are at most a hundred.
    """

    async def usage_sums(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> Sections: ...

    async def usage_latencies(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> LatencySections: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The range, and the buckets of it, that a caller asks for."""

    start: datetime
    end: datetime | None
    bucket: TimeBucket = TimeBucket.DAY
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Summarizing:
    """Sums up usage on behalf of readers."""

    summaries: Summaries
    clock: Clock

    def wanted(self, series: Series, filter_: UsageFilter) -> SummaryWanted:
        """What to sum up; raises InvalidInput for a range that cannot be, or of 751 buckets."""
        span = checked(series.start, series.end, now=self.clock.now())
        starts = buckets(span, series.bucket, zone_named(series.time_zone))
        return SummaryWanted(filter=_narrowed(filter_, span), starts=starts)

    def wanted_whole(self, span: Span, filter_: UsageFilter) -> SummaryWanted:
        """The same for one who looks at totals only, of a range however long."""
        span = checked(span.start, span.end, now=self.clock.now())
        return SummaryWanted(filter=_narrowed(filter_, span), starts=(span.start,))


def _narrowed(filter_: UsageFilter, span: Span) -> UsageFilter:
    """The filter, within a range; a range in which nothing is left ends where it begins."""
    narrower = filter_.span
    if narrower is None or span.end is None:
        return replace(filter_, span=span)
    start = max(span.start, narrower.start)
    end = span.end if narrower.end is None else min(span.end, narrower.end)
    return replace(filter_, span=Span(start, max(start, end)))
