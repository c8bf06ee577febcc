"""Finding an object by nothing but its id."""

from collections.abc import Callable
from typing import TypeVar

from schema.accounts import Account
from schema.answers import Answer
from schema.holds import Hold
from schema.ids import (
    account_named,
    answer_named,
    entry_named,
    hold_named,
    payment_named,
    usage_named,
)
from schema.ledger import LedgerEntry
from schema.lookups import Lookups
from schema.nodes import Node
from schema.payments import Payment
from schema.usage import UsageRecord

Item = TypeVar("Item")


async def find(name: str, lookups: Lookups) -> Node | None:  # noqa: PLR0911 - one a kind
    """The object of this id; None when there is none, or it is not the caller's to see."""

    def shown(item: Item | None, of: Callable[[Item, Lookups], Node]) -> Node | None:
        return None if item is None else of(item, lookups)

    if (answer_id := answer_named(name)) is not None:
        return shown(await lookups.answers.load(answer_id), Answer.of)
    if (entry_id := entry_named(name)) is not None:
        return shown(await lookups.entries.load(entry_id), LedgerEntry.of)
    if (payment_id := payment_named(name)) is not None:
        return shown(await lookups.payments.load(payment_id), Payment.of)
    if (usage_id := usage_named(name)) is not None:
        return shown(await lookups.usage_records.load(usage_id), UsageRecord.of)
    if (hold_id := hold_named(name)) is not None:
        return shown(await lookups.holds.load(hold_id), Hold.of)
    account_id = account_named(name)
    if account_id is None:
        return None
    return shown(await lookups.accounts.load(account_id), Account.of)
