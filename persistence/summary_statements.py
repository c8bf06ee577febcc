"""Statements that sum up usage: what they select, how they group it, and what they are told.

A statement is put together of fixed pieces only; everything a caller says travels as a parameter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domain.histograms import GROWTH
from domain.reporting import UsageFilter
from domain.summarizing import KEYS_MAX, Part

_SUMS: Final = """
SELECT {group}, sum(attempts)::bigint AS attempts, sum(succeeded)::bigint AS succeeded,
       sum(failed)::bigint AS failed, sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(charged)::bigint AS charged,
       coalesce(sum(provider_cost), 0)::bigint AS provider_cost
  FROM ({rows}) x
 GROUP BY 1, 2 {order}
"""

_RECORDS: Final = """
SELECT account_id, moment, model_id, api_key_number, 1 AS attempts,
       (outcome = 'SUCCEEDED')::integer AS succeeded, (outcome = 'FAILED')::integer AS failed,
       input_tokens, output_tokens, charged, {cost} AS provider_cost
  FROM tallystick.usage_records
 WHERE {conditions}
"""

_LATENCIES: Final = """
SELECT {group}, kind, bin, sum(count)::bigint AS count, sum(milliseconds)::bigint AS milliseconds
  FROM ({rows}) x
 GROUP BY 1, 2, kind, bin
"""

_DURATIONS: Final = """
SELECT u.account_id, u.moment, u.model_id, u.api_key_number, d.kind, 1 AS count, d.milliseconds,
       CASE WHEN d.milliseconds < 1 THEN 0
            ELSE 1 + ceil(ln(d.milliseconds::double precision) / ln({growth}::double precision))
       END::integer AS bin
  FROM tallystick.usage_records u
 CROSS JOIN LATERAL (VALUES (1, u.latency_ms), (2, u.first_token_ms)) d (kind, milliseconds)
 WHERE outcome = 'SUCCEEDED' AND d.milliseconds IS NOT NULL AND {conditions}
"""

_GROUPS: Final[Mapping[Part, str]] = MappingProxyType(
    {
        Part.TOTALS: "0 AS one, 0 AS other",
        Part.BUCKETS: "width_bucket(moment, CAST(:starts AS bigint[])) - 1 AS one, 0 AS other",
        Part.MODELS: "model_id AS one, 0 AS other",
        Part.KEYS: (
            "CASE WHEN api_key_number = 0 THEN 0 ELSE account_id END AS one,"
            " api_key_number AS other"
        ),
    }
)
_BIGGEST_FIRST: Final = "ORDER BY sum(charged) DESC, sum(attempts) DESC, 1, 2"
_ORDERS: Final[Mapping[Part, str]] = MappingProxyType(
    {
        Part.TOTALS: "",
        Part.BUCKETS: "",
        Part.MODELS: _BIGGEST_FIRST,
        # What was asked in sessions is beside the keys: it comes before them, and is not counted.
        Part.KEYS: (
            "ORDER BY bool_or(api_key_number > 0), sum(charged) DESC, sum(attempts) DESC, 1, 2"
            f" LIMIT {KEYS_MAX + 1}"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of a statement, and what it is told beside."""

    text: str
    told: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Selecting:
    """Which attempts a summary is of, and what of them its reader may see."""

    filter: UsageFilter
    starts: list[int]
    """The first moments of the buckets."""
    ranges: list[tuple[int, int]]
    """Ranges of moments whose records are read one by one."""
    with_cost: bool

    def sums(self, part: Part) -> Statement:
        cost = "provider_cost" if self.with_cost else "0"
        text = _SUMS.format(
            group=_GROUPS[part], order=_ORDERS[part], rows=self._rows(_RECORDS, cost=cost)
        )
        return Statement(text, self._told(part))

    def latencies(self, part: Part) -> Statement:
        rows = self._rows(_DURATIONS, growth=repr(GROWTH))
        return Statement(_LATENCIES.format(group=_GROUPS[part], rows=rows), self._told(part))

    def _rows(self, piece: str, **words: str) -> str:
        return " UNION ALL ".join(
            piece.format(
                conditions=" AND ".join(
                    (f"moment >= :from_{n} AND moment < :to_{n}", *self._conditions())
                ),
                **words,
            )
            for n in range(len(self.ranges))
        )

    def _conditions(self) -> Iterator[str]:
        if self.filter.account_id is not None:
            yield "account_id = :account_id"
        if self.filter.model_id is not None:
            yield "model_id = :model_id"
        if self.filter.api_key is not None:
            # The last is what an index is of.
            yield "account_id = :key_account_id AND api_key_number = :key AND api_key_number > 0"
        if self.filter.outcomes is not None:
            yield "outcome = ANY (CAST(:outcomes AS text[]))"

    def _told(self, part: Part) -> Mapping[str, object]:
        told: dict[str, object] = {}
        for n, (start, end) in enumerate(self.ranges):
            told |= {f"from_{n}": start, f"to_{n}": end}
        if part is Part.BUCKETS:
            told["starts"] = self.starts
        if self.filter.account_id is not None:
            told["account_id"] = self.filter.account_id
        if self.filter.model_id is not None:
            told["model_id"] = self.filter.model_id
        if self.filter.api_key is not None:
            told["key_account_id"] = self.filter.api_key.account_id
            told["key"] = self.filter.api_key.number
        if self.filter.outcomes is not None:
            told["outcomes"] = sorted(self.filter.outcomes)
        return told
