"""Beginning to buy: the inputs and their outcome."""

from typing import Annotated, Self, TypeAlias

import strawberry

from domain.paying import Started, Wanted
from domain.units import PackId
from schema.enums import Currency, PaymentProvider
from schema.inputs import given
from schema.lookups import Lookups
from schema.payments import Payment
from schema.problems import Conflict, InvalidInput, NotFound, RateLimited, Unavailable


@strawberry.input(description="For startCheckout.")
class StartCheckoutInput:
    pack_id: strawberry.ID
    provider: PaymentProvider
    currency: Currency = Currency.USD
    return_path: str | None = strawberry.field(
        default=strawberry.UNSET,
        description='Path of the web app to come back to; must begin with a single "/".',
    )
    idempotency_key: str

    def wanted(self) -> Wanted:
        return Wanted(
            pack_id=PackId(self.pack_id),
            provider=self.provider,
            currency=self.currency,
            return_path=given(self.return_path),
        )


@strawberry.input(description="For openBillingPortal.")
class OpenBillingPortalInput:
    return_path: str | None = strawberry.UNSET


@strawberry.type(description="A checkout was opened.")
class StartCheckoutSuccess:
    payment: Payment
    url: str = strawberry.field(description="The provider's checkout page.")
    replayed: bool

    @classmethod
    def of(cls, started: Started, lookups: Lookups) -> Self:
        return cls(
            payment=Payment.of(started.payment, lookups),
            url=started.url,
            replayed=started.replayed,
        )


@strawberry.type(description="A portal session was opened.")
class OpenBillingPortalSuccess:
    url: str


StartCheckoutResult: TypeAlias = Annotated[
    StartCheckoutSuccess | InvalidInput | NotFound | Conflict | RateLimited | Unavailable,
    strawberry.union("StartCheckoutResult", description="Outcome of startCheckout."),
]

OpenBillingPortalResult: TypeAlias = Annotated[
    OpenBillingPortalSuccess | InvalidInput | NotFound | Unavailable,
    strawberry.union(
        "OpenBillingPortalResult",
        description="Outcome of openBillingPortal; NotFound before the first Stripe payment.",
    ),
]
