"""What administrators do to balances."""

from datetime import datetime

from domain.ledger import Posted
from domain.units import AccountId, EntryId, Microcredits
from resolvers.context import Context


async def recharge(
    context: Context,
    account_id: AccountId,
    amount: Microcredits,
    *,
    expires_at: datetime | None,
    reason: str,
    key: str,
) -> Posted:
    return await context.services.recharging.recharge(
        context.signed_in, account_id, amount, expires_at=expires_at, reason=reason, key=key
    )


async def adjust(
    context: Context, account_id: AccountId, amount: Microcredits, *, reason: str, key: str
) -> Posted:
    return await context.services.recharging.adjust(
        context.signed_in, account_id, amount, reason=reason, key=key
    )


async def refund(
    context: Context, charge: EntryId, amount: Microcredits | None, *, reason: str, key: str
) -> Posted:
    return await context.services.recharging.refund(
        context.signed_in, charge, amount, reason=reason, key=key
    )
