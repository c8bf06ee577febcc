"""What objects in an answer lead to, looked up in batches.

A page of a hundred usage records names a hundred answers and a handful of models: each kind is
read once, after everybody has said what it needs. Objects carry the look-ups they were read with,
and with them on whose behalf. Each root field has look-ups of its own, so that nothing read
before a change is shown after it.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TypeVar

from strawberry.dataloader import DataLoader

import resolvers.lookups
from domain.alerting import KeptAlert
from domain.answers import Answer, UsageRecord
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
_LookUp = Callable[[Context, Sequence[Name]], Awaitable[Sequence[Item]]]


class Lookups:
    """Look-ups on behalf of one caller, for one root field."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def accounts(self) -> DataLoader[AccountId, Account | None]:
        return self._gathered(resolvers.lookups.accounts)

    @cached_property
    def alerts(self) -> DataLoader[AlertId, KeptAlert | None]:
        return self._gathered(resolvers.lookups.alerts)

    @cached_property
    def api_keys(self) -> DataLoader[ApiKeyId, ApiKey | None]:
        return self._gathered(resolvers.lookups.api_keys)

    @cached_property
    def entries(self) -> DataLoader[EntryId, Entry | None]:
        return self._gathered(resolvers.lookups.entries)

    @cached_property
    def holds(self) -> DataLoader[HoldId, Hold | None]:
        return self._gathered(resolvers.lookups.holds)

    @cached_property
    def answers(self) -> DataLoader[AnswerId, Answer | None]:
        return self._gathered(resolvers.lookups.answers)

    @cached_property
    def payments(self) -> DataLoader[PaymentId, Payment | None]:
        return self._gathered(resolvers.lookups.payments)

    @cached_property
    def payments_of_entries(self) -> DataLoader[EntryId, PaymentId | None]:
        return self._gathered(resolvers.lookups.payments_of_entries)

    @cached_property
    def usage_records(self) -> DataLoader[UsageId, UsageRecord | None]:
        return self._gathered(resolvers.lookups.usage_records)

    @cached_property
    def balances(self) -> DataLoader[PurseId, Balance | None]:
        return self._gathered(resolvers.lookups.balances)

    @cached_property
    def lots(self) -> DataLoader[PurseId, list[Lot]]:
        return self._gathered(resolvers.lookups.lots)

    @cached_property
    def models(self) -> DataLoader[ModelId, Model | None]:
        return self._gathered(resolvers.lookups.models)

    @cached_property
    def prices(self) -> DataLoader[PriceId, Price | None]:
        return self._gathered(resolvers.lookups.prices)

    @cached_property
    def price_histories(self) -> DataLoader[ModelId, list[Price]]:
        return self._gathered(resolvers.lookups.price_histories)

    def _gathered(self, look_up: _LookUp[Name, Item]) -> DataLoader[Name, Item]:
        async def load(names: list[Name]) -> Sequence[Item | BaseException]:
            return await look_up(self.context, names)

        return DataLoader(load)
