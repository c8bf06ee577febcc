"""Usage in numbers, summed up where the records are.

Parts that are asked for together are read in one snapshot, one statement each. Totals need none
where a part is read that leaves nothing out: they are the sum of its groups.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy import RowMapping, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.reporting import Reader
from domain.summarizing import (
    WHOLE,
    Group,
    Latencies,
    Latency,
    LatencySections,
    Part,
    Sections,
    SummaryWanted,
    Sums,
)
from domain.units import AccountId, ApiKeyId, KeyNumber, Microcredits, key_of
from persistence.books_pages import moment_at
from persistence.books_reads import Reads
from persistence.summary_statements import Selecting, Statement
from persistence.tables import FoldMarkRow

_WHOLE, _FIRST_TOKEN = 1, 2


class SummaryReads(Reads):
    """Sums up usage, as `domain.summarizing.Summaries` promises it."""

    __slots__ = ()

    async def usage_sums(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> Sections:
        whole = _adding_up_to_totals(parts)
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            selecting = await _selecting(session, reader, wanted)
            found = {
                part: await _sums(session, selecting, part)
                for part in parts
                if part is not Part.TOTALS or whole is None
            }
        if whole is not None and found[whole]:
            found[Part.TOTALS] = {WHOLE: Sums.total(found[whole].values())}
        return {part: found.get(part, {}) for part in parts}

    async def usage_latencies(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> LatencySections:
        whole = _adding_up_to_totals(parts)
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            selecting = await _selecting(session, reader, wanted)
            found = {
                part: await _durations(session, selecting, part)
                for part in parts
                if part is not Part.TOTALS or whole is None
            }
        if whole is not None:
            found[Part.TOTALS] = _in_all(found[whole])
        return {part: _latencies(found[part]) for part in parts}


def _adding_up_to_totals(parts: Sequence[Part]) -> Part | None:
    """A part to be read whose groups leave nothing out, as keys do, if totals are wanted too."""
    if Part.TOTALS not in parts:
        return None
    return next((part for part in (Part.BUCKETS, Part.MODELS) if part in parts), None)


async def _selecting(session: AsyncSession, reader: Reader, wanted: SummaryWanted) -> Selecting:
    span = wanted.filter.span
    if span is None or span.end is None:
        raise AssertionError("a summary is of a range that ends")
    return Selecting(
        filter=wanted.filter,
        span=(moment_at(span.start), moment_at(span.end)),
        starts=[moment_at(start) for start in wanted.starts],
        mark=(await session.exec(select(FoldMarkRow.moment))).one(),
        with_cost=reader.as_admin,
    )


async def _rows(session: AsyncSession, statement: Statement | None) -> Sequence[RowMapping]:
    if statement is None:
        return ()
    connection = await session.connection()
    return (await connection.execute(text(statement.text), dict(statement.told))).mappings().all()


async def _sums(session: AsyncSession, selecting: Selecting, part: Part) -> dict[Group, Sums]:
    found: dict[Group, Sums] = {}
    for row in await _rows(session, selecting.sums(part)):
        found[_group(part, row)] = Sums(
            attempts=row["attempts"],
            succeeded=row["succeeded"],
            failed=row["failed"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            charged=Microcredits(row["charged"]),
            provider_cost=row["provider_cost"],
        )
    return found


class _Durations:
    """Durations of one kind: their sum in milliseconds, and how many fell into each bin."""

    def __init__(self) -> None:
        self.milliseconds = 0
        self.bins: Counter[int] = Counter()

    def add(self, other: "_Durations") -> None:
        self.milliseconds += other.milliseconds
        self.bins.update(other.bins)


_Kinds = dict[tuple[Group, int], _Durations]
"""Of each group how long answers took, until the first token and as a whole."""


async def _durations(session: AsyncSession, selecting: Selecting, part: Part) -> _Kinds:
    shown = await _sums(session, selecting, part) if part is Part.KEYS else ()
    statement = selecting.latencies(part, [key for key in shown if isinstance(key, ApiKeyId)])
    found: _Kinds = defaultdict(_Durations)
    for row in await _rows(session, statement):
        durations = found[_group(part, row), row["kind"]]
        durations.milliseconds += row["milliseconds"]
        if row["count"]:
            durations.bins[row["bin"]] += row["count"]
    return found


def _in_all(groups: _Kinds) -> _Kinds:
    found: _Kinds = defaultdict(_Durations)
    for (_, kind), durations in groups.items():
        found[WHOLE, kind].add(durations)
    return found


def _latencies(groups: _Kinds) -> dict[Group, Latencies]:
    figures = {
        name: Latency.of(durations.milliseconds, durations.bins)
        for name, durations in groups.items()
        if durations.bins
    }
    return {
        group: Latencies(
            whole=figures.get((group, _WHOLE)), first_token=figures.get((group, _FIRST_TOKEN))
        )
        for group, _kind in figures
    }


def _group(part: Part, row: RowMapping) -> Group:
    match part:
        case Part.TOTALS:
            return WHOLE
        case Part.BUCKETS:
            return int(row["one"])
        case Part.MODELS:
            return str(row["one"])
        case Part.KEYS:
            return key_of(AccountId(row["one"]), KeyNumber(row["other"]))
