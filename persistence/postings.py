"""Credits brought in, taken back and moved, each in a commit of its own by the payments login."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from domain.errors import NotFound
from domain.ledger import Credit, Debit, Once, Posted
from domain.units import OWN_CREDITS, AccountId, KeyNumber, Microcredits, PurseId
from persistence.faults import telling_faults
from persistence.outcomes import CHANGE, Change, too_much

_GRANT: Final = CHANGE + "move_credits($1, $2, $3, $4, $5, $6, false, $7, NULL, NULL, $8, $9, $10)"
_DEBIT: Final = CHANGE + "move_credits($1, $2, $3, $4, false, NULL, $5, $6, NULL, $7, $8, $9, $10)"
_TRANSFER: Final = CHANGE + "transfer_credits($1, $2, $3, $4, $5, $6, $7)"


@dataclass(frozen=True, slots=True)
class PostgresPostings:
    """Changes of balances other than holds, as `domain.ledger.Postings` promises them."""

    pool: asyncpg.Pool

    async def open(self, account_id: AccountId, key_number: KeyNumber = OWN_CREDITS) -> PurseId:
        with telling_faults():
            try:
                await self.pool.execute(
                    "SELECT tallystick.open_purse($1, $2)", account_id, key_number
                )
            except asyncpg.ForeignKeyViolationError:
                raise NotFound("account") from None
        return PurseId(account_id, key_number)

    async def grant(self, purse: PurseId, credit: Credit, once: Once) -> Posted:
        change = await self._change(
            _GRANT,
            purse.account_id,
            purse.key_number,
            credit.kind,
            credit.amount,
            credit.is_paid,
            credit.expires_at,
            credit.reason,
            *_named(once),
        )
        return change.posted(purse, required=Microcredits(0))

    async def debit(self, purse: PurseId, debit: Debit, once: Once) -> Posted:
        change = await self._change(
            _DEBIT,
            purse.account_id,
            purse.key_number,
            debit.kind,
            -debit.amount,
            debit.may_owe,
            debit.reason,
            debit.reverses.moment if debit.reverses else None,
            *_named(once),
        )
        return change.posted(purse, required=debit.amount)

    async def transfer(
        self, *, source: PurseId, target: PurseId, amount: Microcredits, once: Once
    ) -> Posted:
        if source.account_id != target.account_id:
            raise ValueError("Credits move between the purses of one account only.")
        change = await self._change(
            _TRANSFER,
            source.account_id,
            source.key_number,
            target.key_number,
            amount,
            *_named(once),
        )
        return change.posted(source, required=amount)

    async def _change(self, statement: str, *values: object) -> Change:
        with telling_faults():
            try:
                row = await self.pool.fetchrow(statement, *values)
            except asyncpg.NumericValueOutOfRangeError as error:
                raise too_much() from error
        if row is None:
            raise AssertionError("these functions answer with one row")
        return Change(*row)


def _named(once: Once) -> tuple[str, UUID, UUID]:
    return once.operation, UUID(bytes=once.key), UUID(bytes=once.digest)
