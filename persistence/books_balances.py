"""What purses hold, and of which lots it consists."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, BigInteger, Integer, and_, bindparam, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.ledger import Balance, Lot
from domain.reporting import Reader
from domain.units import AccountId, EntryId, KeyNumber, LotId, Microcredits, Moment, PurseId
from persistence.books_reads import Reads
from persistence.tables import BalanceRow, LotRow

_WANTED: Final = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(BigInteger)), bindparam("keys", type_=ARRAY(Integer))
    )
    .table_valued("account_id", "key_number")
    .render_derived(name="wanted")
)
_IS_DUE: Final = or_(
    col(BalanceRow.next_expiry) <= func.clock_timestamp(),
    and_(col(BalanceRow.owed) > 0, col(BalanceRow.total) > BalanceRow.held),
)
_BALANCES: Final = select(BalanceRow, _IS_DUE).join(
    _WANTED,
    and_(
        col(BalanceRow.account_id) == _WANTED.c.account_id,
        col(BalanceRow.key_number) == _WANTED.c.key_number,
    ),
)
_SETTLE: Final = select(
    func.tallystick.settle_purses_in_sight(
        bindparam("accounts", type_=ARRAY(BigInteger)), bindparam("keys", type_=ARRAY(Integer))
    )
)
_LOTS: Final = (
    select(LotRow, BalanceRow.unattributed)
    .join(
        _WANTED,
        and_(
            col(LotRow.account_id) == _WANTED.c.account_id,
            col(LotRow.key_number) == _WANTED.c.key_number,
        ),
    )
    .join(
        BalanceRow,
        and_(
            col(BalanceRow.account_id) == LotRow.account_id,
            col(BalanceRow.key_number) == LotRow.key_number,
        ),
    )
    .where(col(LotRow.remaining) > 0)
    .order_by(col(LotRow.expires_at).asc().nulls_last(), col(LotRow.is_paid), col(LotRow.moment))
)
"""In burn order."""


class BalanceReads(Reads):
    """Reads balances and lots, after booking what is already true of them."""

    __slots__ = ()

    async def balances(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, Balance]:
        async with self.engines.reading(reader) as session:
            rows = await _settled(session, purses)
        return {_purse(row): _balance(row) for row in rows}

    async def lots(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, list[Lot]]:
        async with self.engines.reading(reader) as session:
            settled = await _settled(session, purses)
            rows = (await session.exec(_LOTS, params=_named(purses))).all()
        found: dict[PurseId, list[Lot]] = {_purse(row): [] for row in settled}
        burned: Counter[PurseId] = Counter()
        for row, unattributed in rows:
            purse = _purse(row)
            spent = min(row.remaining, unattributed - burned[purse])
            burned[purse] += spent
            if spent < row.remaining:
                found[purse].append(_lot(purse, row, remaining=row.remaining - spent))
        return found


async def _settled(session: AsyncSession, purses: Sequence[PurseId]) -> Sequence[BalanceRow]:
    """Balances in which everything that is due is booked; booking is rare, and writes."""
    found = (await session.exec(_BALANCES, params=_named(purses))).all()
    due = [_purse(row) for row, is_due in found if is_due]
    if due:
        await session.exec(_SETTLE, params=_named(due))
        afresh = _BALANCES.execution_options(populate_existing=True)
        found = (await session.exec(afresh, params=_named(purses))).all()
    return [row for row, _ in found]


def _named(purses: Sequence[PurseId]) -> dict[str, list[int]]:
    once = dict.fromkeys(purses)
    return {
        "accounts": [purse.account_id for purse in once],
        "keys": [purse.key_number for purse in once],
    }


def _purse(row: BalanceRow | LotRow) -> PurseId:
    return PurseId(AccountId(row.account_id), KeyNumber(row.key_number))


def _balance(row: BalanceRow) -> Balance:
    return Balance(
        _purse(row),
        Microcredits(row.total),
        Microcredits(row.held),
        Microcredits(row.owed),
        Moment(row.moment),
    )


def _lot(purse: PurseId, row: LotRow, *, remaining: int) -> Lot:
    return Lot(
        id=LotId(purse, Moment(row.moment)),
        entry_id=EntryId(purse, Moment(row.entry_moment)),
        amount=Microcredits(row.amount),
        remaining=Microcredits(remaining),
        expires_at=row.expires_at,
    )
