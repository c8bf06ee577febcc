"""What this deployment offers, and how much of it is left to a caller."""

from datetime import datetime
from typing import Self

import strawberry

from domain.allowing import Allowance
from domain.offering import Offer
from domain.questions import MESSAGES_MAX, PAYLOAD_BYTES_MAX
from domain.units import Microcredits
from schema.enums import PaymentProvider, SignInMethod


@strawberry.type(
    description="Public facts about this deployment, so that one web app fits every configuration."
)
class ServiceInfo:
    version: str
    demo_mode: bool = strawberry.field(
        description=(
            "True when answers come from a built-in simulated model and no provider key is needed."
        )
    )
    sign_up_open: bool
    email_confirmation: bool = strawberry.field(
        description="True when an address must be confirmed before the sign-up credits are granted."
    )
    sign_up_credits: Microcredits = strawberry.field(description="Credits a new account receives.")
    sign_in_methods: list[SignInMethod]
    payment_providers: list[PaymentProvider]
    max_messages: int = strawberry.field(description="Most messages one askAI call may carry.")
    max_payload_bytes: int = strawberry.field(
        description="Most bytes (UTF-8) those messages may add up to."
    )

    @classmethod
    def of(cls, offer: Offer) -> Self:
        return cls(
            version=offer.version,
            demo_mode=offer.demo_mode,
            sign_up_open=offer.sign_up_open,
            email_confirmation=offer.email_confirmation,
            sign_up_credits=offer.sign_up_credits,
            sign_in_methods=list(offer.sign_in_methods),
            payment_providers=list(offer.payment_providers),
            max_messages=MESSAGES_MAX,
            max_payload_bytes=PAYLOAD_BYTES_MAX,
        )


@strawberry.type(description="The caller's allowance of query points.")
class RateLimit:
    cost: int = strawberry.field(description="Points charged for this request.")
    limit: int
    remaining: int
    reset_at: datetime

    @classmethod
    def of(cls, allowance: Allowance) -> Self:
        return cls(
            cost=allowance.cost,
            limit=allowance.limit,
            remaining=allowance.remaining,
            reset_at=allowance.reset_at,
        )
