"""Customers."""

from datetime import datetime
from typing import Self

import strawberry

import resolvers.keys
import resolvers.ledger
import resolvers.lookups
import resolvers.payments
import resolvers.usage
import resolvers.usage_summaries
import schema.balances
import schema.keys
import schema.ledger
import schema.payments
import schema.usage
import schema.usage_summary
from domain import identity
from domain.units import AccountId, PurseId
from schema.enums import AccountStatus, Role, TimeBucket
from schema.filters import LedgerFilter, TimeRange, UsageFilter
from schema.ids import account_name
from schema.lazy import (
    LazyApiKey,
    LazyBalance,
    LazyLedgerConnection,
    LazyPaymentConnection,
    LazyUsageConnection,
    LazyUsageSummary,
)
from schema.lookups import Lookups
from schema.nodes import Node
from schema.pages import EDGE, ENTRIES, FIRST, PAGE, PAYMENTS, USAGE, PageInfo, Read
from schema.permissions import IsAdmin, IsUser


@strawberry.type(description="A customer: one person, one balance.")
class Account(Node):
    lookups: strawberry.Private[Lookups]
    account_id: strawberry.Private[AccountId]
    email: str | None = strawberry.field(permission_classes=[IsUser])
    email_confirmed: bool | None = strawberry.field(permission_classes=[IsUser])
    display_name: str | None
    role: Role
    status: AccountStatus
    created_at: datetime
    suspension_reason: str | None = strawberry.field(
        description="Why the account was suspended.", permission_classes=[IsAdmin]
    )

    @classmethod
    def of(cls, account: identity.Account, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            account_id=account.id,
            id=account_name(account.id),
            email=account.email,
            email_confirmed=account.email_confirmed,
            display_name=account.display_name,
            role=account.role,
            status=account.status,
            created_at=account.created_at,
            suspension_reason=account.suspension_reason,
        )

    @classmethod
    async def of_id(cls, account_id: AccountId, lookups: Lookups) -> Self:
        account = resolvers.lookups.present(await lookups.accounts.load(account_id))
        return cls.of(account, lookups)

    @strawberry.field
    async def balance(self) -> LazyBalance:
        return await schema.balances.Balance.of_purse(PurseId(self.account_id), self.lookups)

    @strawberry.field
    async def usage(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> LazyUsageConnection:
        request, wanted = USAGE.request(first, after), UsageFilter.of(filter)
        page = await resolvers.usage.of_account(
            self.lookups.context, self.account_id, wanted, request
        )
        return schema.usage.UsageConnection.of(Read(page, request, USAGE), self.lookups)

    @strawberry.field
    def usage_summary(
        self,
        range: TimeRange,
        bucket: TimeBucket = TimeBucket.DAY,
        time_zone: str = "UTC",
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> LazyUsageSummary:
        series = schema.usage_summary.series_of(range, bucket, time_zone)
        wanted = UsageFilter.of(filter)
        return schema.usage_summary.summary(
            lambda context: resolvers.usage_summaries.of_account(
                context, self.account_id, series, wanted
            ),
            self.lookups,
        )

    @strawberry.field(permission_classes=[IsUser])
    async def api_keys(self) -> list[LazyApiKey] | None:
        keys = await resolvers.keys.of_account(self.lookups.context, self.account_id)
        return [schema.keys.ApiKey.of(key, self.lookups) for key in keys]

    @strawberry.field
    async def ledger(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: LedgerFilter | None = strawberry.UNSET,
    ) -> LazyLedgerConnection:
        request, wanted = ENTRIES.request(first, after), LedgerFilter.of(filter)
        page = await resolvers.ledger.entries_of_account(
            self.lookups.context, self.account_id, wanted, request
        )
        return schema.ledger.LedgerConnection.of(Read(page, request, ENTRIES), self.lookups)

    @strawberry.field(permission_classes=[IsUser])
    async def payments(
        self, first: int = FIRST, after: str | None = strawberry.UNSET
    ) -> LazyPaymentConnection | None:
        request = PAYMENTS.request(first, after)
        page = await resolvers.payments.of_account(self.lookups.context, self.account_id, request)
        return schema.payments.PaymentConnection.of(Read(page, request, PAYMENTS), self.lookups)


@strawberry.type(description=EDGE)
class AccountEdge:
    cursor: str
    node: Account


@strawberry.type(description=PAGE)
class AccountConnection:
    read: strawberry.Private[Read[identity.Account]]
    nodes: list[Account]

    @classmethod
    def of(cls, read: Read[identity.Account], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[Account.of(account, lookups) for account in read.page.items])

    @strawberry.field
    def edges(self) -> list[AccountEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [AccountEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
