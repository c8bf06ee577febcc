"""Summaries added up one record after the other: slow, and easy to believe."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import floor

from domain.answers import UsageOutcome, UsageRecord
from domain.running import time_of
from domain.summarizing import WHOLE, Group, Latencies, Latency, Part, SummaryWanted, Sums
from domain.units import Microcredits, key_of


def grouped(
    records: Iterable[UsageRecord], wanted: SummaryWanted, part: Part
) -> list[tuple[Group, list[UsageRecord]]]:
    """The records of each group, those that were charged most first."""
    groups: defaultdict[Group, list[UsageRecord]] = defaultdict(list)
    for record in records:
        groups[_group(record, wanted, part)].append(record)
    return sorted(groups.items(), key=lambda group: -sum(each.charged for each in group[1]))


def _group(record: UsageRecord, wanted: SummaryWanted, part: Part) -> Group:
    match part:
        case Part.TOTALS:
            return WHOLE
        case Part.BUCKETS:
            return bisect_right(wanted.starts, time_of(record.id.moment)) - 1
        case Part.MODELS:
            return record.model_id
        case Part.KEYS:
            return key_of(record.id.purse.account_id, record.api_key_number)


def sums_of(records: Sequence[UsageRecord]) -> Sums:
    return Sums(
        attempts=len(records),
        succeeded=sum(record.outcome is UsageOutcome.SUCCEEDED for record in records),
        failed=sum(record.outcome is UsageOutcome.FAILED for record in records),
        input_tokens=sum(record.input_tokens for record in records),
        output_tokens=sum(record.output_tokens for record in records),
        charged=Microcredits(sum(record.charged for record in records)),
        provider_cost=sum(record.provider_cost or 0 for record in records),
    )


def latencies_of(records: Sequence[UsageRecord]) -> Latencies:
    """Exact percentiles, not those of a histogram."""
    succeeded = [record for record in records if record.outcome is UsageOutcome.SUCCEEDED]
    return Latencies(
        whole=_latency([each.latency_ms for each in succeeded if each.latency_ms is not None]),
        first_token=_latency(
            [each.first_token_ms for each in succeeded if each.first_token_ms is not None]
        ),
    )


def _latency(durations: list[int]) -> Latency | None:
    if not durations:
        return None
    ordered = sorted(durations)
    return Latency(
        average=floor(sum(ordered) / len(ordered) + 0.5),
        p50=ordered[-(-len(ordered) * 50 // 100) - 1],
        p95=ordered[-(-len(ordered) * 95 // 100) - 1],
    )
