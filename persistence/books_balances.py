"""What purses hold, and of which lots it consists."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ARRAY, BigInteger, Integer, and_, func, literal, or_
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.ledger import Balance, Lot
from domain.reporting import Reader
from domain.units import AccountId, EntryId, KeyNumber, LotId, Microcredits, Moment, PurseId
from persistence.books_reads import Reads
from persistence.tables import BalanceRow, LotRow


class BalanceReads(Reads):
    """Reads balances and lots, after booking what is already true of them."""

    __slots__ = ()

    async def balances(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, Balance]:
        async with self.engines.reading(reader) as session:
            rows = await _settled(session, purses)
        return {balance.purse: balance for balance in map(_balance, rows)}

    async def lots(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, list[Lot]]:
        query = (
            select(LotRow, BalanceRow.unattributed)
            .join(
                BalanceRow,
                and_(
                    col(BalanceRow.account_id) == LotRow.account_id,
                    col(BalanceRow.key_number) == LotRow.key_number,
                ),
            )
            .where(col(LotRow.remaining) > 0)
            .order_by(
                col(LotRow.expires_at).asc().nulls_last(), col(LotRow.is_paid), col(LotRow.moment)
            )
        )
        async with self.engines.reading(reader) as session:
            settled = await _settled(session, purses)
            wanted = _wanted(map(_purse, settled))
            rows = (
                await session.exec(
                    query.join(
                        wanted,
                        and_(
                            col(LotRow.account_id) == wanted.c.account_id,
                            col(LotRow.key_number) == wanted.c.key_number,
                        ),
                    )
                )
            ).all()
        found: dict[PurseId, list[Lot]] = {_purse(row): [] for row in settled}
        burned: dict[PurseId, int] = {}
        for row, unattributed in rows:
            purse = PurseId(AccountId(row.account_id), KeyNumber(row.key_number))
            taken = min(row.remaining, unattributed - burned.get(purse, 0))
            burned[purse] = burned.get(purse, 0) + taken
            if taken < row.remaining:
                found[purse].append(_lot(purse, row, remaining=row.remaining - taken))
        return found


async def _settled(session: AsyncSession, purses: Sequence[PurseId]) -> Sequence[BalanceRow]:
    """Balances in which everything that is due is booked; booking is rare and writes."""
    wanted = _wanted(purses)
    is_due = or_(
        col(BalanceRow.next_expiry) <= func.clock_timestamp(),
        and_(col(BalanceRow.owed) > 0, col(BalanceRow.total) > BalanceRow.held),
    )
    query = select(BalanceRow, is_due).join(
        wanted,
        and_(
            col(BalanceRow.account_id) == wanted.c.account_id,
            col(BalanceRow.key_number) == wanted.c.key_number,
        ),
    )
    found = (await session.exec(query)).all()
    due = [row for row, needs_settling in found if needs_settling]
    if due:
        accounts = literal([row.account_id for row in due], ARRAY(BigInteger))
        keys = literal([row.key_number for row in due], ARRAY(Integer))
        await session.exec(select(func.tallystick.settle_purses_in_sight(accounts, keys)))
        found = (await session.exec(query.execution_options(populate_existing=True))).all()
    return [row for row, _ in found]


def _wanted(purses: Iterable[PurseId]) -> TableValuedAlias:
    names = [(purse.account_id, purse.key_number) for purse in purses]
    return (
        func.unnest(
            literal([account_id for account_id, _ in names], ARRAY(BigInteger)),
            literal([key_number for _, key_number in names], ARRAY(Integer)),
        )
        .table_valued("account_id", "key_number")
        .render_derived(name="wanted")
    )


def _purse(row: BalanceRow) -> PurseId:
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
