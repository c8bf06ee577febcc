"""What changed balances."""

from datetime import datetime
from typing import Final, Self

import strawberry

import resolvers.lookups
import schema.accounts
import schema.answers
import schema.keys
import schema.payments
from domain import ledger
from domain.running import time_of
from domain.units import EntryId, Microcredits, key_of
from schema.enums import EntryKind
from schema.ids import entry_name
from schema.lazy import LazyAccount, LazyAnswer, LazyApiKey, LazyPayment
from schema.lookups import Lookups
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin

_OF_PAYMENTS: Final = frozenset({EntryKind.PURCHASE, EntryKind.CHARGEBACK})


@strawberry.type(description="One line of the ledger. Immutable.")
class LedgerEntry(Node):
    lookups: strawberry.Private[Lookups]
    entry: strawberry.Private[ledger.Entry]
    created_at: datetime
    kind: EntryKind
    amount: Microcredits = strawberry.field(
        description="Positive adds credits, negative takes them."
    )
    total_after: Microcredits = strawberry.field(
        description="The total of the same balance right after this line."
    )
    reason: str | None = strawberry.field(
        description="Free text given with an admin's or a system's change."
    )

    @classmethod
    def of(cls, entry: ledger.Entry, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            entry=entry,
            id=entry_name(entry.id),
            created_at=time_of(entry.id.moment),
            kind=entry.kind,
            amount=entry.amount,
            total_after=entry.total_after,
            reason=entry.reason,
        )

    @classmethod
    async def of_id(cls, entry_id: EntryId, lookups: Lookups) -> Self:
        entry = resolvers.lookups.present(await lookups.entries.load(entry_id))
        return cls.of(entry, lookups)

    @strawberry.field(description="The key whose own credits changed, or null for the account's.")
    async def api_key(self) -> LazyApiKey | None:
        purse = self.entry.id.purse
        key_id = key_of(purse.account_id, purse.key_number)
        return await schema.keys.ApiKey.of_id(key_id, self.lookups)

    @strawberry.field
    async def answer(self) -> LazyAnswer | None:
        return await schema.answers.Answer.of_id(self.entry.answer_id, self.lookups)

    @strawberry.field
    async def payment(self) -> LazyPayment | None:
        if self.kind not in _OF_PAYMENTS:
            return None
        payment_id = await self.lookups.payments_of_entries.load(self.entry.id)
        return await schema.payments.Payment.of_id(payment_id, self.lookups)

    @strawberry.field(description="The line this one takes back.")
    async def reverses(self) -> "LedgerEntry | None":
        reversed_id = self.entry.reverses
        return None if reversed_id is None else await LedgerEntry.of_id(reversed_id, self.lookups)

    @strawberry.field(permission_classes=[IsAdmin])
    async def account(self) -> LazyAccount | None:
        return await schema.accounts.Account.of_id(self.entry.id.purse.account_id, self.lookups)

    @strawberry.field(
        description="Who made the change, for kinds an administrator posts.",
        permission_classes=[IsAdmin],
    )
    async def actor(self) -> LazyAccount | None:
        actor_id = self.entry.actor_id
        if actor_id is None:
            return None
        return await schema.accounts.Account.of_id(actor_id, self.lookups)


@strawberry.type(description=EDGE)
class LedgerEdge:
    cursor: str
    node: LedgerEntry


@strawberry.type(description=PAGE)
class LedgerConnection:
    read: strawberry.Private[Read[ledger.Entry]]
    nodes: list[LedgerEntry]

    @classmethod
    def of(cls, read: Read[ledger.Entry], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[LedgerEntry.of(entry, lookups) for entry in read.page.items])

    @strawberry.field
    def edges(self) -> list[LedgerEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [LedgerEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
