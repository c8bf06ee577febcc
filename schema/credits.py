"""What administrators do to balances: the inputs and their outcome."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import strawberry

from domain.ledger import Posted
from domain.units import Microcredits
from schema.accounts import Account
from schema.balances import Balance
from schema.ledger import LedgerEntry
from schema.lookups import Lookups
from schema.problems import Conflict, InsufficientCredits, InvalidInput, NotFound


@strawberry.input(description="For rechargeCredits.")
class RechargeCreditsInput:
    account_id: strawberry.ID
    amount: Microcredits = strawberry.field(description="More than zero.")
    reason: str = strawberry.field(description="Kept in the ledger and the audit log.")
    expires_at: datetime | None = strawberry.field(
        description="When the credits lapse if unspent; never, when left out.",
        default=strawberry.UNSET,
    )
    idempotency_key: str


@strawberry.input(description="For adjustCredits.")
class AdjustCreditsInput:
    account_id: strawberry.ID
    amount: Microcredits = strawberry.field(description="Positive or negative, not zero.")
    reason: str
    idempotency_key: str


@strawberry.input(description="For refundCharge.")
class RefundChargeInput:
    entry_id: strawberry.ID = strawberry.field(description="A ledger entry of kind CHARGE.")
    amount: Microcredits | None = strawberry.field(
        description="The whole remaining charge when left out.", default=strawberry.UNSET
    )
    reason: str
    idempotency_key: str


@strawberry.type(description="The line was written to the ledger.")
class PostCreditsSuccess:
    entry: LedgerEntry
    account: Account
    balance: Balance
    replayed: bool

    @classmethod
    async def of(cls, posted: Posted, lookups: Lookups) -> Self:
        return cls(
            entry=await LedgerEntry.of_id(posted.entry_id, lookups),
            account=await Account.of_id(posted.entry_id.purse.account_id, lookups),
            balance=Balance.of(posted.balance, lookups),
            replayed=posted.replayed,
        )


PostCreditsResult: TypeAlias = Annotated[
    PostCreditsSuccess | InvalidInput | InsufficientCredits | NotFound | Conflict,
    strawberry.union(
        "PostCreditsResult",
        description="Outcome of every change an administrator makes to a balance.",
    ),
]
