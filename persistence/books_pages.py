"""Reading history by name and page by page, without ever sorting a whole log.

One account's rows are read along the primary key. Everybody's rows have no index in the order of
time, which would cost the hot path a write each; they are read from the newest backwards in windows
of time, each sixteen times as wide as the one before, and a block-range index finds each window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    func,
    literal_column,
    tuple_,
)
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from domain.errors import InvalidInput
from domain.reporting import Page, PageRequest, Span
from domain.units import ApiKeyId, Moment
from persistence.tables import AnswerRow, HistoryRow, HoldRow, SweepMarkRow, UsageRecordRow

Row = TypeVar("Row", bound=HistoryRow)
AnyRow = TypeVar("AnyRow")
Item = TypeVar("Item")

Name = tuple[int, int, int]
"""What a row of history is called: account, moment and key number."""

Place = tuple[int, ...]

WINDOW_MICROSECONDS: Final = 60_000_000
"""The newest minute first: on a busy system it holds more than a page, and on the busiest it is
still few rows to sort."""
WIDENING: Final = 16

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BIGINT_MAX: Final = 2**63 - 1
INTEGER_MAX: Final = 2**31 - 1


def moment_at(time: datetime) -> Moment:
    """The moment of a time: the reverse of `time_of`, exact to the microsecond."""
    return Moment((time - _EPOCH) // timedelta(microseconds=1))


def place_of(request: PageRequest, bounds: Place) -> Place | None:
    """Where the last page ended. Raises InvalidInput for a place of another list."""
    place = request.after
    if place is not None and (
        len(place) != len(bounds)
        or not all(0 <= number < bound for number, bound in zip(place, bounds, strict=True))
    ):
        raise InvalidInput.at("after", "This cursor is not one of this list.")
    return place


def page_of(
    rows: Sequence[AnyRow],
    request: PageRequest,
    *,
    item: Callable[[AnyRow], Item],
    place: Callable[[AnyRow], Place],
) -> Page[Item]:
    """A page of the rows found, of which one more than asked for says that there is a next."""
    shown = rows[: request.first]
    return Page(
        [item(row) for row in shown], [place(row) for row in shown], len(rows) > request.first
    )


_NAMES: Final = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(BigInteger)),
        bindparam("moments", type_=ARRAY(BigInteger)),
        bindparam("keys", type_=ARRAY(Integer)),
    )
    .table_valued("account_id", "moment", "key_number")
    .render_derived(name="names")
)


async def named(
    session: AsyncSession, table: type[Row], names: Sequence[Name], *options: ExecutableOption
) -> Sequence[Row]:
    """The rows of these names, without those that are not there or not in sight."""
    if not names:
        return ()
    query = (
        select(table)
        .join(
            _NAMES,
            and_(
                col(table.account_id) == _NAMES.c.account_id,
                col(table.moment) == _NAMES.c.moment,
                col(table.key_number) == _NAMES.c.key_number,
            ),
        )
        .options(*options)
    )
    accounts, moments, keys = (list(numbers) for numbers in zip(*names, strict=True))
    params = {"accounts": accounts, "moments": moments, "keys": keys}
    return (await session.exec(query, params=params)).all()


def open_after_mark(table: type[HistoryRow]) -> ColumnElement[bool]:
    """Before the sweep mark nothing is open: a bound for looking through what is not indexed."""
    return col(table.moment) > select(SweepMarkRow.moment).scalar_subquery()


def asked_with(
    table: type[AnswerRow | HoldRow | UsageRecordRow], *keys: ApiKeyId | None
) -> Sequence[ColumnElement[bool]]:
    """What was asked with all of these keys, read along the index of what was asked with keys."""
    given = [key for key in keys if key is not None]
    number = col(table.api_key_number)
    conditions = [
        and_(col(table.account_id) == key.account_id, number == key.number) for key in given
    ]
    # As the index says it: a plan for any parameters knows nothing of a zero that is one of them.
    return [*conditions, number > literal_column("0")] if given else []


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Generic[Row]):
    """The rows of a table that are wanted, within a span."""

    table: type[Row]
    query: SelectOfScalar[Row]
    span: Span | None = None
    is_of_everybody: bool

    async def page(
        self, session: AsyncSession, request: PageRequest, item: Callable[[Row], Item]
    ) -> Page[Item]:
        """The next rows, newest first. Raises InvalidInput for a place that is none."""
        place = place_of(request, (BIGINT_MAX, BIGINT_MAX, INTEGER_MAX))
        moment, account_id = col(self.table.moment), col(self.table.account_id)
        order = (moment, account_id, col(self.table.key_number))
        query = self.query.order_by(*(column.desc() for column in order))
        if place is not None:
            # The first condition says nothing new, but leaves out later partitions.
            query = query.where(moment <= place[0], tuple_(*order) < place)
        if self.span is not None:
            query = query.where(moment >= moment_at(self.span.start))
        if self.span is not None and self.span.end is not None:
            query = query.where(moment < moment_at(self.span.end))
        if self.is_of_everybody:
            rows = await self._in_windows(session, query, place, request.first + 1)
        else:
            rows = (await session.exec(query.limit(request.first + 1))).all()
        return page_of(
            rows,
            request,
            item=item,
            place=lambda row: (row.moment, row.account_id, row.key_number),
        )

    async def _in_windows(
        self, session: AsyncSession, query: SelectOfScalar[Row], place: Place | None, limit: int
    ) -> Sequence[Row]:
        """Rows of all accounts, looked for from the newest backwards."""
        moment = col(self.table.moment)
        floor = moment_at(self.span.start) if self.span else 0
        edge = await self._edge(session, place)
        above = BIGINT_MAX if place is None else place[0] + 1
        rows: list[Row] = []
        width = WINDOW_MICROSECONDS
        while len(rows) < limit and above > floor:
            below = max(edge - width, floor)
            window = query.where(moment >= below, moment < above).limit(limit - len(rows))
            rows += (await session.exec(window)).all()
            above, edge, width = below, below, width * WIDENING
        return rows

    async def _edge(self, session: AsyncSession, place: Place | None) -> int:
        """The newest moment that can be wanted, from which the first window reaches back."""
        if place is not None:
            return place[0]
        if self.span is not None and self.span.end is not None:
            return moment_at(self.span.end)
        return moment_at((await session.exec(select(func.now()))).one())
