"""Usage in numbers, summed up where the records are.

Parts that are asked for together are read in one snapshot, one statement each.
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
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            selecting = await _selecting(session, reader, wanted)
            return {part: await _sums(session, selecting, part) for part in parts}

    async def usage_latencies(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> LatencySections:
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            selecting = await _selecting(session, reader, wanted)
            return {part: await _latencies(session, selecting, part) for part in parts}


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


async def _latencies(
    session: AsyncSession, selecting: Selecting, part: Part
) -> dict[Group, Latencies]:
    shown = await _sums(session, selecting, part) if part is Part.KEYS else ()
    statement = selecting.latencies(part, [key for key in shown if isinstance(key, ApiKeyId)])
    bins: defaultdict[tuple[Group, int], dict[int, int]] = defaultdict(dict)
    milliseconds: Counter[tuple[Group, int]] = Counter()
    for row in await _rows(session, statement):
        name = (_group(part, row), row["kind"])
        if row["count"]:
            bins[name][row["bin"]] = row["count"]
        milliseconds[name] += row["milliseconds"]
    figures = {name: Latency.of(milliseconds[name], bins[name]) for name in bins}
    return {
        group: Latencies(
            whole=figures.get((group, _WHOLE)), first_token=figures.get((group, _FIRST_TOKEN))
        )
        for group, _kind in bins
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
