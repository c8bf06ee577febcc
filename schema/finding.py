"""Finding an object by nothing but its id."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar

from schema.accounts import Account
from schema.alerts import SystemAlert
from schema.answers import Answer
from schema.holds import Hold
from schema.ids import (
    account_named,
    alert_named,
    answer_named,
    entry_named,
    hold_named,
    key_named,
    payment_named,
    usage_named,
)
from schema.keys import ApiKey
from schema.ledger import LedgerEntry
from schema.lookups import Lookups
from schema.nodes import Node
from schema.payments import Payment
from schema.usage import UsageRecord

Name = TypeVar("Name")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Name, Item]):
    """A kind of objects: how its ids are read, how one is looked up, and how it is shown."""

    named: Callable[[str], Name | None]
    load: Callable[[Lookups, Name], Awaitable[Item | None]]
    of: Callable[[Item, Lookups], Node]

    async def find(self, name: str, lookups: Lookups) -> Node | None:
        read = self.named(name)
        item = None if read is None else await self.load(lookups, read)
        return None if item is None else self.of(item, lookups)


class _Finds(Protocol):
    """A kind of objects, whatever they are."""

    async def find(self, name: str, lookups: Lookups) -> Node | None: ...


_KINDS: Final[Mapping[str, _Finds]] = MappingProxyType(
    {
        "acct": _Kind(account_named, lambda lookups, id: lookups.accounts.load(id), Account.of),
        "alert": _Kind(alert_named, lambda lookups, id: lookups.alerts.load(id), SystemAlert.of),
        "ans": _Kind(answer_named, lambda lookups, id: lookups.answers.load(id), Answer.of),
        "ent": _Kind(entry_named, lambda lookups, id: lookups.entries.load(id), LedgerEntry.of),
        "hold": _Kind(hold_named, lambda lookups, id: lookups.holds.load(id), Hold.of),
        "key": _Kind(key_named, lambda lookups, id: lookups.api_keys.load(id), ApiKey.of),
        "pay": _Kind(payment_named, lambda lookups, id: lookups.payments.load(id), Payment.of),
        "use": _Kind(
            usage_named, lambda lookups, id: lookups.usage_records.load(id), UsageRecord.of
        ),
    }
)
"""By what their ids begin with."""


async def find(name: str, lookups: Lookups) -> Node | None:
    """The object of this id; None when there is none, or it is not the caller's to see."""
    kind = _KINDS.get(name.partition("_")[0])
    return None if kind is None else await kind.find(name, lookups)
