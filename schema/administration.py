"""What administrators see of everybody, and of what they did."""

import strawberry

import resolvers.accounts
import resolvers.alerts
import resolvers.answers
import resolvers.ledger
import resolvers.models
import resolvers.payments
import resolvers.usage
import resolvers.usage_summaries
from schema.accounts import Account, AccountConnection
from schema.alerts import AlertConnection
from schema.answers import AnswerConnection
from schema.auditing import AuditConnection
from schema.enums import AnswerStatus, HoldStatus, PaymentStatus, TimeBucket
from schema.filters import (
    AccountFilter,
    LedgerFilter,
    TimeRange,
    UsageFilter,
    wanted_answers,
    wanted_holds,
    wanted_payments,
)
from schema.holds import HoldConnection
from schema.ids import account_named
from schema.inputs import given
from schema.ledger import LedgerConnection
from schema.lookups import Lookups
from schema.metrics import Metrics, metrics
from schema.models import Model
from schema.pages import (
    ACCOUNTS,
    ALERTS,
    ANSWERS,
    AUDIT,
    ENTRIES,
    FIRST,
    HOLDS,
    PAYMENTS,
    USAGE,
    Read,
)
from schema.payments import PaymentConnection
from schema.usage import UsageConnection
from schema.usage_summary import UsageSummary, series_of, summary


@strawberry.type(description="Reads across all accounts.")
class Admin:
    lookups: strawberry.Private[Lookups]

    @strawberry.field
    async def accounts(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: AccountFilter | None = strawberry.UNSET,
    ) -> AccountConnection:
        request = ACCOUNTS.request(first, after)
        page = await resolvers.accounts.accounts(
            self.lookups.context, AccountFilter.of(filter), request
        )
        return AccountConnection.of(Read(page, request, ACCOUNTS), self.lookups)

    @strawberry.field
    async def account(self, id: strawberry.ID) -> Account | None:
        account_id = account_named(id)
        if account_id is None:
            return None
        account = await resolvers.accounts.account(self.lookups.context, account_id)
        return None if account is None else Account.of(account, self.lookups)

    @strawberry.field
    async def usage(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> UsageConnection:
        request = USAGE.request(first, after)
        page = await resolvers.usage.of_everybody(
            self.lookups.context, UsageFilter.of(filter), request
        )
        return UsageConnection.of(Read(page, request, USAGE), self.lookups)

    @strawberry.field
    def usage_summary(
        self,
        range: TimeRange,
        bucket: TimeBucket = TimeBucket.DAY,
        time_zone: str = "UTC",
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> UsageSummary:
        series, wanted = series_of(range, bucket, time_zone), UsageFilter.of(filter)
        return summary(
            lambda context: resolvers.usage_summaries.of_everybody(context, series, wanted),
            self.lookups,
        )

    @strawberry.field
    async def ledger(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: LedgerFilter | None = strawberry.UNSET,
    ) -> LedgerConnection:
        request = ENTRIES.request(first, after)
        page = await resolvers.ledger.entries_of_everybody(
            self.lookups.context, LedgerFilter.of(filter), request
        )
        return LedgerConnection.of(Read(page, request, ENTRIES), self.lookups)

    @strawberry.field
    async def holds(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        status: HoldStatus | None = strawberry.UNSET,
    ) -> HoldConnection:
        request = HOLDS.request(first, after)
        page = await resolvers.ledger.holds_of_everybody(
            self.lookups.context, wanted_holds(status), request
        )
        return HoldConnection.of(Read(page, request, HOLDS), self.lookups)

    @strawberry.field
    async def answers(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        status: list[AnswerStatus] | None = strawberry.UNSET,
    ) -> AnswerConnection:
        request = ANSWERS.request(first, after)
        page = await resolvers.answers.of_everybody(
            self.lookups.context, wanted_answers(status), request
        )
        return AnswerConnection.of(Read(page, request, ANSWERS), self.lookups)

    @strawberry.field
    async def payments(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        status: list[PaymentStatus] | None = strawberry.UNSET,
    ) -> PaymentConnection:
        request = PAYMENTS.request(first, after)
        page = await resolvers.payments.of_everybody(
            self.lookups.context, wanted_payments(status), request
        )
        return PaymentConnection.of(Read(page, request, PAYMENTS), self.lookups)

    @strawberry.field(description="All models, disabled ones included.")
    async def models(self) -> list[Model]:
        models = await resolvers.models.every(self.lookups.context)
        return [Model.of(model, self.lookups) for model in models]

    @strawberry.field
    async def alerts(
        self,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        acknowledged: bool | None = strawberry.UNSET,  # noqa: FBT001 - callers name it
    ) -> AlertConnection:
        request = ALERTS.request(first, after)
        page = await resolvers.alerts.alerts(
            self.lookups.context, request, is_acknowledged=given(acknowledged)
        )
        return AlertConnection.of(Read(page, request, ALERTS), self.lookups)

    @strawberry.field(description="Who did what with an administrator's rights.")
    async def audit_log(
        self, first: int = FIRST, after: str | None = strawberry.UNSET
    ) -> AuditConnection:
        request = AUDIT.request(first, after)
        page = await resolvers.accounts.audit_log(self.lookups.context, request)
        return AuditConnection.of(Read(page, request, AUDIT), self.lookups)

    @strawberry.field
    def metrics(self, range: TimeRange) -> Metrics:
        return metrics(range, self.lookups)
