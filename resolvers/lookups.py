"""Single objects by name, many at a time, in the order asked for."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from domain.alerting import KeptAlert
from domain.answers import Answer, UsageRecord
from domain.errors import LedgerFault
from domain.identity import Account
from domain.keys import ApiKey
from domain.ledger import Balance, Entry, Hold, Lot
from domain.payments import Payment
from domain.pricing import Model, Price
from domain.units import (
    AccountId,
    AlertId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    ModelId,
    PaymentId,
    PriceId,
    PurseId,
    UsageId,
)
from resolvers.context import Context

Name = TypeVar("Name")
Item = TypeVar("Item")


async def accounts(context: Context, ids: Sequence[AccountId]) -> list[Account | None]:
    return _each(await context.services.books.accounts(context.reader(), ids), ids)


async def alerts(context: Context, ids: Sequence[AlertId]) -> list[KeptAlert | None]:
    return _each(await context.services.attending.books.alerts(context.reader(), ids), ids)


async def api_keys(context: Context, ids: Sequence[ApiKeyId]) -> list[ApiKey | None]:
    return _each(await context.services.books.api_keys(context.reader(), ids), ids)


async def entries(context: Context, ids: Sequence[EntryId]) -> list[Entry | None]:
    return _each(await context.services.books.entries(context.reader(), ids), ids)


async def holds(context: Context, ids: Sequence[HoldId]) -> list[Hold | None]:
    return _each(await context.services.books.holds(context.reader(), ids), ids)


async def answers(context: Context, ids: Sequence[AnswerId]) -> list[Answer | None]:
    return _each(await context.services.books.answers(context.reader(), ids), ids)


async def payments(context: Context, ids: Sequence[PaymentId]) -> list[Payment | None]:
    return _each(await context.services.books.payments(context.reader(), ids), ids)


async def payments_of_entries(context: Context, ids: Sequence[EntryId]) -> list[PaymentId | None]:
    return _each(await context.services.books.payments_of_entries(context.reader(), ids), ids)


async def usage_records(context: Context, ids: Sequence[UsageId]) -> list[UsageRecord | None]:
    return _each(await context.services.books.usage_records(context.reader(), ids), ids)


async def balances(context: Context, purses: Sequence[PurseId]) -> list[Balance | None]:
    return _each(await context.services.books.balances(context.reader(), purses), purses)


async def lots(context: Context, purses: Sequence[PurseId]) -> list[list[Lot]]:
    found = await context.services.books.lots(context.reader(), purses)
    return [found.get(purse, []) for purse in purses]


async def models(context: Context, ids: Sequence[ModelId]) -> list[Model | None]:
    """Disabled ones too: what was asked of them stays in the history."""
    listed = await context.services.books.models(enabled_only=False)
    return _each({model.id: model for model in listed}, ids)


async def prices(context: Context, ids: Sequence[PriceId]) -> list[Price | None]:
    return _each(await context.services.books.prices(ids), ids)


async def price_histories(context: Context, ids: Sequence[ModelId]) -> list[list[Price]]:
    found = await context.services.books.price_history(context.admin_reader(), ids)
    return [found.get(model_id, []) for model_id in ids]


def present(item: Item | None) -> Item:
    """What the books must have because something in them names it; raises LedgerFault."""
    if item is None:
        raise LedgerFault("The books name something they do not have.")
    return item


def _each(found: Mapping[Name, Item], names: Sequence[Name]) -> list[Item | None]:
    return [found.get(name) for name in names]
