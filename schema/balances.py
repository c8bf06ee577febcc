"""What can be spent, and what it consists of."""

from datetime import datetime
from typing import Self

import strawberry

import resolvers.lookups
import schema.ledger
from domain import ledger
from domain.running import time_of
from domain.units import EntryId, Microcredits, PurseId
from schema.ids import lot_name
from schema.lazy import LazyLedgerEntry
from schema.lookups import Lookups


@strawberry.type(
    description=(
        "Credits that came in together and expire together. Spent by earliest expiry, then free "
        "before paid, then oldest."
    )
)
class CreditLot:
    lookups: strawberry.Private[Lookups]
    entry_id: strawberry.Private[EntryId]
    id: strawberry.ID
    amount: Microcredits
    remaining: Microcredits = strawberry.field(
        description="Not yet spent (held credits count as not spent)."
    )
    expires_at: datetime | None = strawberry.field(description="Null when they never expire.")

    @classmethod
    def of(cls, lot: ledger.Lot, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            entry_id=lot.entry_id,
            id=lot_name(lot.id),
            amount=lot.amount,
            remaining=lot.remaining,
            expires_at=lot.expires_at,
        )

    @strawberry.field(description="The ledger entry that brought them in.")
    async def entry(self) -> LazyLedgerEntry:
        return await schema.ledger.LedgerEntry.of_id(self.entry_id, self.lookups)


@strawberry.type(description="Credits of an account, or of an API key that has its own.")
class Balance:
    lookups: strawberry.Private[Lookups]
    purse: strawberry.Private[PurseId]
    available: Microcredits = strawberry.field(description="Can be spent now.")
    held: Microcredits = strawberry.field(description="Set aside for answers in progress.")
    total: Microcredits = strawberry.field(
        description="available + held: always equal to the sum of the ledger."
    )
    owed: Microcredits = strawberry.field(
        description=(
            "Owed after a payment was taken back and the balance did not cover it. "
            "Credits added later repay it first."
        )
    )
    updated_at: datetime

    @classmethod
    def of(cls, balance: ledger.Balance, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            purse=balance.purse,
            available=balance.available,
            held=balance.held,
            total=balance.total,
            owed=balance.owed,
            updated_at=time_of(balance.changed_at),
        )

    @classmethod
    async def of_purse(cls, purse: PurseId, lookups: Lookups) -> Self:
        balance = resolvers.lookups.present(await lookups.balances.load(purse))
        return cls.of(balance, lookups)

    @strawberry.field(
        description="What `total` consists of, in the order in which it will be spent."
    )
    async def lots(self) -> list[CreditLot]:
        lots = await self.lookups.lots.load(self.purse)
        return [CreditLot.of(lot, self.lookups) for lot in lots]
