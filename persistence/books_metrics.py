"""Figures of the business, and the state of the machinery, as administrators read them.

What is read of a log is an index of its own, or a short range: no figure costs more because the
log is older. What customers hold is the sum of all balances: some 0.2 s for a million of them.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import RowMapping, func, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import Forbidden
from domain.measuring import Figure, Figures, Health
from domain.money import Currency, Money
from domain.reporting import Reader, Span
from domain.units import Microcredits
from persistence.books_pages import moment_at
from persistence.books_reads import Reads
from persistence.faults import INSUFFICIENT_PRIVILEGE, sqlstate
from persistence.machinery import LOOK

DAY: Final = timedelta(days=1) // timedelta(microseconds=1)

NEW_ACCOUNTS: Final = """
SELECT count(*) AS figure FROM tallystick.accounts
 WHERE created_at >= :start AND created_at < :end
"""

ACTIVE_ACCOUNTS: Final = """
SELECT count(*) AS figure
  FROM (SELECT account_id FROM tallystick.usage_folds
         WHERE minutes = 1440 AND account_id > 0
           AND moment >= :days_from AND moment < :days_to
        UNION
        SELECT account_id FROM tallystick.usage_records WHERE moment >= :from AND moment < :head_to
        UNION
        SELECT account_id FROM tallystick.usage_records WHERE moment >= :tail_from AND moment < :to
       ) AS seen
"""
"""Whole days from the cells in which usage is added up, and what lies before and after them."""

CREDITS_GRANTED: Final = """
SELECT coalesce(sum(amount), 0)::bigint AS figure FROM tallystick.entries
 WHERE kind IN ('SIGN_UP_GRANT', 'RECHARGE') AND moment >= :from AND moment < :to
"""

SALES: Final = """
SELECT currency, sum(price - money_back)::bigint AS net,
       sum(credits + bonus - taken_back)::bigint AS credits
  FROM tallystick.payments
 WHERE entry_moment >= :from AND entry_moment < :to
   AND (mode = 'LIVE' OR NOT EXISTS (
       SELECT FROM tallystick.payments WHERE mode = 'LIVE' AND entry_moment IS NOT NULL))
 GROUP BY currency ORDER BY currency
"""

CREDITS_OUTSTANDING: Final = (
    "SELECT coalesce(sum(total), 0)::bigint AS figure FROM tallystick.balances"
)

HOLDS_ADD_UP: Final = """
SELECT coalesce(bool_and(b.held = o.held), true) AS figure
  FROM (SELECT account_id, key_number, sum(amount) AS held FROM tallystick.holds
         WHERE moment > (SELECT s.moment FROM tallystick.sweep_mark s) AND ended_moment IS NULL
         GROUP BY account_id, key_number) o
  JOIN tallystick.balances b USING (account_id, key_number)
"""
"""Whether each purse with open holds has set aside just what they amount to."""

_REQUIRE_ADMIN: Final = select(func.tallystick.require_admin())
_FOLD_MARK: Final = "SELECT moment AS figure FROM tallystick.fold_mark"


class PostgresMeasures(Reads):
    """Keeps what `domain.measuring.Measures` promises."""

    __slots__ = ()

    async def figures(self, reader: Reader, span: Span, wanted: Collection[Figure]) -> Figures:
        if span.end is None:
            raise AssertionError("figures are of a range that ends")
        moments = {"from": moment_at(span.start), "to": moment_at(span.end)}
        times = {"start": span.start, "end": span.end}
        async with self._administering(reader) as session:
            sales = await _rows(session, SALES, moments) if Figure.SALES in wanted else []

            async def figure(which: Figure, statement: str, told: Mapping[str, object]) -> int:
                return await _figure(session, statement, told) if which in wanted else 0

            active = 0
            if Figure.ACTIVE_ACCOUNTS in wanted:
                mark = await _figure(session, _FOLD_MARK, {})
                told = days_and_rest(moments["from"], moments["to"], mark)
                active = await _figure(session, ACTIVE_ACCOUNTS, told)
            return Figures(
                new_accounts=await figure(Figure.NEW_ACCOUNTS, NEW_ACCOUNTS, times),
                active_accounts=active,
                credits_granted=Microcredits(
                    await figure(Figure.CREDITS_GRANTED, CREDITS_GRANTED, moments)
                ),
                credits_sold=Microcredits(sum(row["credits"] for row in sales)),
                revenue=tuple(Money(row["net"], Currency(row["currency"])) for row in sales),
                credits_outstanding=Microcredits(
                    await figure(Figure.CREDITS_OUTSTANDING, CREDITS_OUTSTANDING, {})
                ),
            )

    async def health(self, reader: Reader) -> Health:
        async with self._administering(reader) as session:
            (state,) = await _rows(session, LOOK, {})
            (adding_up,) = await _rows(session, HOLDS_ADD_UP, {})
        oldest = state["oldest_hold_seconds"]
        return Health(
            queued_answers=state["queued_answers"],
            running_answers=state["running_answers"],
            open_holds=state["open_holds"],
            oldest_hold_seconds=None if oldest is None else max(0, int(oldest)),
            pending_payments=state["pending_payments"],
            open_alerts=state["open_alerts"],
            ledger_balanced=bool(adding_up["figure"]) and not state["imbalances"],
        )

    @asynccontextmanager
    async def _administering(self, reader: Reader) -> AsyncIterator[AsyncSession]:
        """Read as an administrator; without that right, policies would show an empty business."""
        async with self.engines.reading(reader, in_one_snapshot=True) as session:
            try:
                await session.exec(_REQUIRE_ADMIN)
            except DBAPIError as error:
                if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
                    raise Forbidden from error
                raise
            yield session


def days_and_rest(start: int, end: int, mark: int) -> dict[str, int]:
    """A range of moments, as whole days that are added up and what lies before and after them.

    All records before the mark are in the cells of days. A cell that the range leaves early may be
    taken whole when the mark does not go beyond the range: there is nothing in it past the mark.
    """
    days_from = -(-start // DAY) * DAY
    head_to = min(days_from, end)
    is_of_now = mark <= end
    days_to = max(days_from, -(-mark // DAY) * DAY if is_of_now else end // DAY * DAY)
    tail_from = max(head_to, mark if is_of_now else days_to)
    return {
        "from": start,
        "head_to": head_to,
        "days_from": days_from,
        "days_to": days_to,
        "tail_from": min(tail_from, end),
        "to": end,
    }


async def _rows(
    session: AsyncSession, statement: str, told: Mapping[str, object]
) -> Sequence[RowMapping]:
    connection = await session.connection()
    return (await connection.execute(text(statement), dict(told))).mappings().all()


async def _figure(session: AsyncSession, statement: str, told: Mapping[str, object]) -> int:
    (row,) = await _rows(session, statement, told)
    figure: int = row["figure"]
    return figure
