"""Statements that sum up usage: what they select, how they group it, and what they are told.

A statement is put together of fixed pieces only; everything a caller says travels as a parameter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domain.covering import Range, cover
from domain.histograms import GROWTH
from domain.reporting import UsageFilter
from domain.summarizing import KEYS_MAX, Part
from domain.units import ApiKeyId

_SUMS: Final = """
SELECT {group}, sum(attempts)::bigint AS attempts, sum(succeeded)::bigint AS succeeded,
       sum(failed)::bigint AS failed, sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(charged)::bigint AS charged,
       coalesce(sum(provider_cost), 0)::bigint AS provider_cost
  FROM ({rows}) x
 GROUP BY 1, 2 {order}
"""

_SUMS_OF_CELLS: Final = """
SELECT account_id, c.moment, model_id, api_key_number, attempts,
       CASE outcome WHEN 'SUCCEEDED' THEN attempts ELSE 0 END AS succeeded,
       CASE outcome WHEN 'FAILED' THEN attempts ELSE 0 END AS failed,
       input_tokens, output_tokens, charged, {cost} AS provider_cost
"""

_SUMS_OF_RECORDS: Final = """
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

# The sum of a cell's milliseconds is in no bin of its own.
_LATENCIES_OF_CELLS: Final = """
SELECT account_id, c.moment, model_id, api_key_number, d.kind, d.count, d.milliseconds, d.bin
"""
_BINS: Final = """
 CROSS JOIN LATERAL (
       SELECT 1 AS kind, unnest(latency_counts) AS count, 0 AS milliseconds,
              unnest(latency_bins)::integer AS bin
        UNION ALL
       SELECT 2, unnest(first_token_counts), 0, unnest(first_token_bins)
        UNION ALL
       VALUES (1, 0, latency_ms, -1), (2, 0, first_token_ms, -1)) d
"""

_LATENCIES_OF_RECORDS: Final = """
SELECT account_id, moment, model_id, api_key_number, d.kind, 1 AS count, d.milliseconds,
       CASE WHEN d.milliseconds < 1 THEN 0
            ELSE 1 + ceil(ln(d.milliseconds::double precision) / ln({growth}::double precision))
       END::integer AS bin
  FROM tallystick.usage_records
 CROSS JOIN LATERAL (VALUES (1, latency_ms), (2, first_token_ms)) d (kind, milliseconds)
 WHERE outcome = 'SUCCEEDED' AND d.milliseconds IS NOT NULL AND {conditions}
"""

# OFFSET 0 keeps this what it is: one walk along the key for each range.
_CELLS: Final = """
  FROM unnest(CAST(:minutes AS smallint[]), CAST(:since AS bigint[]),
              CAST(:until AS bigint[])) r (minutes, since, until)
 CROSS JOIN LATERAL (
       SELECT {columns} FROM tallystick.usage_folds f
        WHERE f.minutes = r.minutes AND f.moment >= r.since AND f.moment < r.until
          AND {conditions}
       OFFSET 0) c
"""
_COLUMNS: Final = "account_id, moment, model_id, api_key_number, outcome"
_COLUMNS_OF_SUMS: Final = f"{_COLUMNS}, attempts, input_tokens, output_tokens, charged"
_COLUMNS_OF_LATENCIES: Final = (
    f"{_COLUMNS}, latency_ms, latency_bins, latency_counts,"
    " first_token_ms, first_token_bins, first_token_counts"
)

_OF_EVERYBODY: Final = "f.account_id = 0"
_OF_SESSIONS: Final = "f.account_id = 0 AND api_key_number = 0"
_OF_KEYS: Final = "f.account_id > 0 AND api_key_number > 0"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selecting:
    """Which attempts a summary is of, and what of them its reader may see."""

    filter: UsageFilter
    span: Range
    starts: Sequence[int]
    """The first moments of the buckets."""
    mark: int
    """The moment before which cells hold everything."""
    with_cost: bool

    def sums(self, part: Part) -> Statement | None:
        """The statement that sums up a part; None when there is nothing to look at."""
        cost = "provider_cost" if self.with_cost else "0"
        columns = _COLUMNS_OF_SUMS + (", provider_cost" if self.with_cost else "")
        arms = _Arms(self, part, ())
        rows = arms.of_cells(_SUMS_OF_CELLS.format(cost=cost) + _CELLS, columns=columns)
        rows += arms.of_records(_SUMS_OF_RECORDS, cost=cost)
        text = _SUMS.format(group=_GROUPS[part], order=_ORDERS[part], rows=" UNION ALL ".join(rows))
        return Statement(text, arms.told()) if rows else None

    def latencies(self, part: Part, keys: Sequence[ApiKeyId] = ()) -> Statement | None:
        """The statement that adds up histograms, of a breakdown by keys for those keys only."""
        arms = _Arms(self, part, keys)
        rows = arms.of_cells(_LATENCIES_OF_CELLS + _CELLS + _BINS, columns=_COLUMNS_OF_LATENCIES)
        rows += arms.of_records(_LATENCIES_OF_RECORDS, growth=repr(GROWTH))
        text = _LATENCIES.format(group=_GROUPS[part], rows=" UNION ALL ".join(rows))
        return Statement(text, arms.told()) if rows else None


class _Arms:
    """The selects that a statement unites: cells of one or two kinds, and ranges of records."""

    def __init__(self, selecting: Selecting, part: Part, keys: Sequence[ApiKeyId]) -> None:
        self._filter = selecting.filter
        self._selecting = selecting
        self._part = part
        self._keys = keys
        edges = selecting.starts if part is Part.BUCKETS else ()
        covered = cover(selecting.span, edges, selecting.mark)
        self._cells = covered.cells
        self._records = covered.records

    def of_cells(self, piece: str, *, columns: str) -> list[str]:
        return [
            piece.format(columns=columns, conditions=" AND ".join((whose, *self._conditions())))
            for whose in self._kinds()
            if self._cells
        ]

    def of_records(self, piece: str, **words: str) -> list[str]:
        return [
            piece.format(
                conditions=" AND ".join(
                    (f"moment >= :from_{n} AND moment < :to_{n}", *self._conditions())
                ),
                **words,
            )
            for n in range(len(self._records))
        ]

    def told(self) -> Mapping[str, object]:
        told: dict[str, object] = {}
        if self._cells:
            told["minutes"] = [minutes for minutes, _ in self._cells]
            told["since"] = [since for _, (since, _) in self._cells]
            told["until"] = [until for _, (_, until) in self._cells]
        for n, (start, end) in enumerate(self._records):
            told |= {f"from_{n}": start, f"to_{n}": end}
        if self._part is Part.BUCKETS:
            told["starts"] = self._selecting.starts
        if self._part is Part.KEYS and self._keys:
            told["accounts"] = [key.account_id for key in self._keys]
            told["numbers"] = [key.number for key in self._keys]
        return told | dict(self._told_of_filter())

    def _kinds(self) -> Sequence[str]:
        """Whose cells are read."""
        if self._filter.account_id is not None or self._filter.api_key is not None:
            return ("f.account_id > 0",)
        return (_OF_SESSIONS, _OF_KEYS) if self._part is Part.KEYS else (_OF_EVERYBODY,)

    def _conditions(self) -> Iterator[str]:
        if self._filter.account_id is not None:
            yield "account_id = :account_id"
        if self._filter.model_id is not None:
            yield "model_id = :model_id"
        if self._filter.api_key is not None:
            # The last is what an index is of.
            yield "account_id = :key_account_id AND api_key_number = :key AND api_key_number > 0"
        if self._filter.outcomes is not None:
            yield "outcome = ANY (CAST(:outcomes AS text[]))"
        if self._part is Part.KEYS and self._keys:
            yield (
                "(api_key_number = 0 OR (account_id, api_key_number) IN (SELECT * FROM"
                " unnest(CAST(:accounts AS bigint[]), CAST(:numbers AS integer[]))))"
            )

    def _told_of_filter(self) -> Iterator[tuple[str, object]]:
        if self._filter.account_id is not None:
            yield "account_id", self._filter.account_id
        if self._filter.model_id is not None:
            yield "model_id", self._filter.model_id
        if self._filter.api_key is not None:
            yield "key_account_id", self._filter.api_key.account_id
            yield "key", self._filter.api_key.number
        if self._filter.outcomes is not None:
            yield "outcomes", sorted(self._filter.outcomes)
