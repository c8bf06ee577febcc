"""Usage in numbers, summed up where the records are.

Parts that are asked for together are read in one snapshot, one statement each. Totals need none
where a part is read that leaves nothing out: they are the sum of its groups.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

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

Figures = TypeVar("Figures")

_WHOLE, _FIRST_TOKEN = 1, 2


class SummaryReads(Reads):
    """Sums up usage, as `domain.summarizing.Summaries` promises it."""

    __slots__ = ()

    async def usage_sums(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> Sections:
        return await self._figures(reader, wanted, parts, read=_sums, in_all=_sums_in_all)

    async def usage_latencies(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> LatencySections:
        found = await self._figures(
            reader, wanted, parts, read=_durations, in_all=_durations_in_all
        )
        return {part: _latencies(groups) for part, groups in found.items()}

    async def _figures(
        self,
        reader: Reader,
        wanted: SummaryWanted,
        parts: Sequence[Part],
        *,
        read: Callable[[AsyncSession, Selecting, Part], Awaitable[Figures]],
        in_all: Callable[[Figures], Figures],
    ) -> dict[Part, Figures]:
        # Keys are not among these: of them, those that were charged least are left out.
        whole = next((part for part in (Part.BUCKETS, Part.MODELS) if part in parts), None)
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            selecting = await _selecting(session, reader, wanted)
            found = {
                part: await read(session, selecting, part)
                for part in parts
                if part is not Part.TOTALS or whole is None
            }
        if Part.TOTALS in parts and whole is not None:
            found[Part.TOTALS] = in_all(found[whole])
        return found


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


def _sums_in_all(groups: dict[Group, Sums]) -> dict[Group, Sums]:
    return {WHOLE: Sums.total(groups.values())} if groups else {}


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


def _durations_in_all(groups: _Kinds) -> _Kinds:
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
