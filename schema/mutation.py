"""Everything that changes something."""

import strawberry

import resolvers.answers
import resolvers.credits
import resolvers.models
import resolvers.payments
from domain.errors import NotFound
from domain.units import AccountId, ModelId
from schema.alerts import AlertMutation
from schema.asking import AskAIInput, AskAIResult, AskAISuccess
from schema.canceling import CancelAnswerInput, CancelAnswerResult, CancelAnswerSuccess
from schema.checkout import (
    OpenBillingPortalInput,
    OpenBillingPortalResult,
    OpenBillingPortalSuccess,
    StartCheckoutInput,
    StartCheckoutResult,
    StartCheckoutSuccess,
)
from schema.credits import (
    AdjustCreditsInput,
    PostCreditsResult,
    PostCreditsSuccess,
    RechargeCreditsInput,
    RefundChargeInput,
)
from schema.identity import IdentityMutation
from schema.ids import account_named, answer_named, entry_named
from schema.info import Info
from schema.inputs import given
from schema.key_mutations import KeyMutation
from schema.lookups import Lookups
from schema.models import (
    Model,
    SaveModelInput,
    SaveModelResult,
    SaveModelSuccess,
    SetModelPriceInput,
    SetModelPriceResult,
    SetModelPriceSuccess,
)
from schema.permissions import CanAsk, IsAdmin, IsUser
from schema.status import StatusMutation


@strawberry.type(
    description="Changes. Each takes one `input` and returns a success type or a Problem."
)
class Mutation(IdentityMutation, KeyMutation, StatusMutation, AlertMutation):
    @strawberry.mutation(
        name="askAI",
        description=(
            "Ask a model. Credits are held first, charged by what the answer really used, and "
            "given back in\nfull when it fails. Waits for the answer up to `waitSeconds`; with 0 "
            "it returns at once and the\nanswer is followed with `subscription answer` or read "
            "later with `query answer`."
        ),
        permission_classes=[CanAsk],
    )
    async def ask_ai(self, info: Info, input: AskAIInput) -> AskAIResult | None:
        asked = await resolvers.answers.ask(
            info.context,
            input.question(),
            key=input.idempotency_key,
            wait_seconds=input.wait_seconds,
        )
        return AskAISuccess.of(asked, Lookups(info.context))

    @strawberry.mutation(
        description="Begin buying a credit pack; send the browser to the returned url.",
        permission_classes=[IsUser],
    )
    async def start_checkout(
        self, info: Info, input: StartCheckoutInput
    ) -> StartCheckoutResult | None:
        started = await resolvers.payments.start_checkout(
            info.context, input.wanted(), input.idempotency_key
        )
        return StartCheckoutSuccess.of(started, Lookups(info.context))

    @strawberry.mutation(
        description="A link to Stripe's customer portal (receipts, cards).",
        permission_classes=[IsUser],
    )
    async def open_billing_portal(
        self, info: Info, input: OpenBillingPortalInput
    ) -> OpenBillingPortalResult | None:
        url = await resolvers.payments.open_billing_portal(info.context, given(input.return_path))
        return OpenBillingPortalSuccess(url=url)

    @strawberry.mutation(
        description=(
            "Stop an answer. What was already produced is charged, the rest of the hold goes back."
        ),
        permission_classes=[CanAsk],
    )
    async def cancel_answer(
        self, info: Info, input: CancelAnswerInput
    ) -> CancelAnswerResult | None:
        answer_id = answer_named(input.answer_id)
        canceled = await resolvers.answers.cancel(info.context, answer_id)
        return CancelAnswerSuccess.of(canceled, Lookups(info.context))

    @strawberry.mutation(description="Add credits to an account.", permission_classes=[IsAdmin])
    async def recharge_credits(
        self, info: Info, input: RechargeCreditsInput
    ) -> PostCreditsResult | None:
        posted = await resolvers.credits.recharge(
            info.context,
            _account(input.account_id),
            input.amount,
            expires_at=given(input.expires_at),
            reason=input.reason,
            key=input.idempotency_key,
        )
        return await PostCreditsSuccess.of(posted, Lookups(info.context))

    @strawberry.mutation(
        description="Correct a balance in either direction; it can never fall below zero.",
        permission_classes=[IsAdmin],
    )
    async def adjust_credits(
        self, info: Info, input: AdjustCreditsInput
    ) -> PostCreditsResult | None:
        posted = await resolvers.credits.adjust(
            info.context,
            _account(input.account_id),
            input.amount,
            reason=input.reason,
            key=input.idempotency_key,
        )
        return await PostCreditsSuccess.of(posted, Lookups(info.context))

    @strawberry.mutation(
        description="Give back a charge, in full or in part, at most once in total.",
        permission_classes=[IsAdmin],
    )
    async def refund_charge(self, info: Info, input: RefundChargeInput) -> PostCreditsResult | None:
        charge = entry_named(input.entry_id)
        if charge is None:
            raise NotFound("charge")
        posted = await resolvers.credits.refund(
            info.context,
            charge,
            given(input.amount),
            reason=input.reason,
            key=input.idempotency_key,
        )
        return await PostCreditsSuccess.of(posted, Lookups(info.context))

    @strawberry.mutation(
        description=(
            "Add a model or change its settings. Endpoints and provider keys are configuration, "
            "not data."
        ),
        permission_classes=[IsAdmin],
    )
    async def save_model(self, info: Info, input: SaveModelInput) -> SaveModelResult | None:
        change = input.change()
        await resolvers.models.save(info.context, change)
        return SaveModelSuccess(model=await Model.of_id(change.id, Lookups(info.context)))

    @strawberry.mutation(
        description=(
            "Replace a model's price from now on. Answers in progress keep the price they began "
            "with."
        ),
        permission_classes=[IsAdmin],
    )
    async def set_model_price(
        self, info: Info, input: SetModelPriceInput
    ) -> SetModelPriceResult | None:
        model_id = ModelId(input.model_id)
        await resolvers.models.set_price(info.context, model_id, input.price.rates())
        return SetModelPriceSuccess(model=await Model.of_id(model_id, Lookups(info.context)))


def _account(name: str) -> AccountId:
    account_id = account_named(name)
    if account_id is None:
        raise NotFound("account")
    return account_id
