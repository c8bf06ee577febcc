"""The sandbox in a provider's place; its pages are served by this process itself."""

import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.charging import Checkout, CheckoutRequest, Heard, NotAuthentic
from domain.offering import PaymentProvider
from domain.payments import Payment, PaymentMode, Standing
from domain.sandbox import SandboxCharge, SandboxTill

PATH: Final = "/sandbox/checkout"
_REFERENCE_BYTES: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProcessor:
    """Takes payments without money, as `domain.charging.PaymentProcessor` promises it."""

    provider: PaymentProvider
    till: SandboxTill
    origin: str
    """Where this process's own pages are."""
    secret: str = field(repr=False)
    mode: PaymentMode = PaymentMode.SANDBOX

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        payment = request.payment
        # One payment always leads to one page, and nobody else can guess where that is.
        digest = hmac.digest(
            self.secret.encode(), f"sandbox:{payment.reference}".encode(), "sha256"
        )
        reference = f"sandbox{digest[:_REFERENCE_BYTES].hex()}"
        await self.till.keep(
            SandboxCharge(
                reference=reference,
                payment=payment.reference,
                provider=payment.provider,
                pack_name=payment.pack_name,
                price=payment.price,
                return_url=request.return_url,
            ),
            before=None,
        )
        return Checkout(reference, f"{self.origin}{PATH}/{reference}")

    async def standing(self, payment: Payment) -> Standing | None:
        charge = await self.till.charge(payment.checkout_reference or "")
        return charge.standing() if charge else None

    def hear(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Heard | None:
        """The sandbox sends no messages: whoever claims to be it is not."""
        del body, headers, now
        raise NotAuthentic("The sandbox sends no messages.")

    async def reference_of_charge(self, charge_reference: str) -> str | None:
        del charge_reference
        return None

    async def open_portal(self, customer_reference: str, return_url: str) -> str | None:
        del customer_reference, return_url
        return None

    async def charged_since(self, since: datetime) -> AsyncIterator[Standing]:
        for charge in await self.till.changed_since(since):
            if charge.provider is self.provider:
                yield charge.standing()
