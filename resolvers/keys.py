"""API keys: whose, and how they change."""

from domain.keys import ApiKey, KeyChange, KeyMade, KeyRevoked, NewKey
from domain.ledger import Posted
from domain.units import AccountId, ApiKeyId, Microcredits
from resolvers.context import Context


async def own(context: Context) -> list[ApiKey]:
    """The caller's keys, newest first."""
    return await of_account(context, context.signed_in.account_id)


async def of_account(context: Context, account_id: AccountId) -> list[ApiKey]:
    return await context.services.books.api_keys_of(context.reader(), account_id)


async def create(context: Context, key: NewKey) -> KeyMade:
    return await context.services.keys.create(context.signed_in, key)


async def update(context: Context, key_id: ApiKeyId, change: KeyChange) -> None:
    await context.services.keys.update(context.signed_in, key_id, change)


async def revoke(context: Context, key_id: ApiKeyId) -> KeyRevoked:
    return await context.services.keys.revoke(context.signed_in, key_id)


async def fund(context: Context, key_id: ApiKeyId, amount: Microcredits, *, key: str) -> Posted:
    return await context.services.keys.fund(context.signed_in, key_id, amount, key=key)
