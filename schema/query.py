"""Everything that can be read."""

from typing import Annotated

import strawberry

import resolvers.answers
import resolvers.keys
import resolvers.ledger
import resolvers.models
import resolvers.payments
import resolvers.service
import resolvers.usage
import resolvers.usage_summaries
from schema.administration import Admin
from schema.answers import Answer, AnswerConnection
from schema.balances import Balance
from schema.enums import AnswerStatus, HoldStatus, TimeBucket
from schema.filters import LedgerFilter, TimeRange, UsageFilter, wanted_answers, wanted_holds
from schema.finding import find
from schema.holds import HoldConnection
from schema.ids import answer_named, payment_named
from schema.info import Info
from schema.keys import ApiKey
from schema.ledger import LedgerConnection
from schema.lookups import Lookups
from schema.models import Model
from schema.nodes import Node
from schema.pages import ANSWERS, ENTRIES, FIRST, HOLDS, PAYMENTS, USAGE, Read
from schema.payments import CreditPack, Payment, PaymentConnection
from schema.permissions import CanRead, IsAdmin, IsPublic, IsUser
from schema.service import RateLimit, ServiceInfo
from schema.sessions import Viewer
from schema.usage import UsageConnection
from schema.usage_summary import UsageSummary, series_of, summary


@strawberry.type(description="Reads. Nothing here changes anything.")
class Query:
    @strawberry.field(
        description=(
            "What this deployment offers: limits, sign-in methods, payment providers, demo mode."
        ),
        permission_classes=[IsPublic],
    )
    def service(self, info: Info) -> ServiceInfo | None:
        return ServiceInfo.of(resolvers.service.offer(info.context))

    @strawberry.field(
        description="The caller, or null when anonymous. Safe to ask first on page load.",
        permission_classes=[IsPublic],
    )
    def viewer(self, info: Info) -> Viewer | None:
        viewer = info.context.viewer
        return None if viewer is None else Viewer.of(viewer, Lookups(info.context))

    @strawberry.field(
        description=(
            "What the calling credential can spend from: the account, or the API key's own credits."
        ),
        permission_classes=[CanRead],
    )
    async def balance(self, info: Info) -> Balance | None:
        return await Balance.of_purse(info.context.signed_in.purse, Lookups(info.context))

    @strawberry.field(
        description=(
            "Every attempt to answer, successful or not. An API key sees its own attempts only."
        ),
        permission_classes=[CanRead],
    )
    async def usage(
        self,
        info: Info,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> UsageConnection | None:
        request = USAGE.request(first, after)
        page = await resolvers.usage.own(info.context, UsageFilter.of(filter), request)
        return UsageConnection.of(Read(page, request, USAGE), Lookups(info.context))

    @strawberry.field(
        description="Totals, a time series and breakdowns over the same records as `usage`.",
        permission_classes=[CanRead],
    )
    def usage_summary(
        self,
        info: Info,
        range: TimeRange,
        bucket: TimeBucket = TimeBucket.DAY,
        time_zone: Annotated[
            str, strawberry.argument(description="IANA zone in which days and months begin.")
        ] = "UTC",
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> UsageSummary | None:
        series, wanted = series_of(range, bucket, time_zone), UsageFilter.of(filter)
        return summary(
            lambda context: resolvers.usage_summaries.own(context, series, wanted),
            Lookups(info.context),
        )

    @strawberry.field(
        description="The ledger: every change of a balance, never edited or deleted.",
        permission_classes=[CanRead],
    )
    async def ledger(
        self,
        info: Info,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        filter: LedgerFilter | None = strawberry.UNSET,
    ) -> LedgerConnection | None:
        request = ENTRIES.request(first, after)
        page = await resolvers.ledger.own_entries(info.context, LedgerFilter.of(filter), request)
        return LedgerConnection.of(Read(page, request, ENTRIES), Lookups(info.context))

    @strawberry.field(
        description="Credits set aside for answers in progress, and how earlier holds ended.",
        permission_classes=[CanRead],
    )
    async def holds(
        self,
        info: Info,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        status: HoldStatus | None = strawberry.UNSET,
    ) -> HoldConnection | None:
        request = HOLDS.request(first, after)
        page = await resolvers.ledger.own_holds(info.context, wanted_holds(status), request)
        return HoldConnection.of(Read(page, request, HOLDS), Lookups(info.context))

    @strawberry.field(
        description="One answer, or null when it does not exist or is not yours.",
        permission_classes=[CanRead],
    )
    async def answer(self, info: Info, id: strawberry.ID) -> Answer | None:
        answer_id = answer_named(id)
        if answer_id is None:
            return None
        answer = await resolvers.answers.own_answer(info.context, answer_id)
        return None if answer is None else Answer.of(answer, Lookups(info.context))

    @strawberry.field(
        description="Answers, including those still queued or running in the background.",
        permission_classes=[CanRead],
    )
    async def answers(
        self,
        info: Info,
        first: int = FIRST,
        after: str | None = strawberry.UNSET,
        status: list[AnswerStatus] | None = strawberry.UNSET,
    ) -> AnswerConnection | None:
        request = ANSWERS.request(first, after)
        page = await resolvers.answers.own(info.context, wanted_answers(status), request)
        return AnswerConnection.of(Read(page, request, ANSWERS), Lookups(info.context))

    @strawberry.field(
        description="The price book: models that can be asked now.", permission_classes=[IsPublic]
    )
    async def models(self, info: Info) -> list[Model] | None:
        models = await resolvers.models.askable(info.context)
        lookups = Lookups(info.context)
        return [Model.of(model, lookups) for model in models]

    @strawberry.field(description="What can be bought.", permission_classes=[IsPublic])
    def credit_packs(self, info: Info) -> list[CreditPack] | None:
        assortment = info.context.services.paying.assortment
        return [CreditPack.of(pack, assortment) for pack in resolvers.payments.packs(info.context)]

    @strawberry.field(
        description=(
            "One payment, or null. Asking about a pending payment checks it with the provider."
        ),
        permission_classes=[IsUser],
    )
    async def payment(self, info: Info, id: strawberry.ID) -> Payment | None:
        payment_id = payment_named(id)
        if payment_id is None:
            return None
        payment = await resolvers.payments.own_payment(info.context, payment_id)
        return None if payment is None else Payment.of(payment, Lookups(info.context))

    @strawberry.field(description="Your purchases.", permission_classes=[IsUser])
    async def payments(
        self, info: Info, first: int = FIRST, after: str | None = strawberry.UNSET
    ) -> PaymentConnection | None:
        request = PAYMENTS.request(first, after)
        page = await resolvers.payments.own(info.context, request)
        return PaymentConnection.of(Read(page, request, PAYMENTS), Lookups(info.context))

    @strawberry.field(
        description="Your API keys, newest first (at most 100).", permission_classes=[IsUser]
    )
    async def api_keys(self, info: Info) -> list[ApiKey] | None:
        keys = await resolvers.keys.own(info.context)
        lookups = Lookups(info.context)
        return [ApiKey.of(key, lookups) for key in keys]

    @strawberry.field(
        description="What this request cost and what is left in the window.",
        permission_classes=[IsPublic],
    )
    async def rate_limit(self, info: Info) -> RateLimit | None:
        return RateLimit.of(await resolvers.service.allowance(info.context))

    @strawberry.field(
        description="Any object that has a global id and that you may see; otherwise null.",
        permission_classes=[CanRead],
    )
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await find(id, Lookups(info.context))

    @strawberry.field(
        description="Everything administrators can read, behind one gate.",
        permission_classes=[IsAdmin],
    )
    def admin(self, info: Info) -> Admin | None:
        return Admin(lookups=Lookups(info.context))
