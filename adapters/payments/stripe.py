"""Stripe, by its official SDK: hosted checkout, refunds and disputes, the customer portal."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, Self

import aiohttp
import stripe
from stripe.params.checkout import SessionCreateParams

from adapters.payments import stripe_events
from adapters.payments.reading import text
from adapters.payments.stripe_events import METADATA, mode_of, reference_of
from domain.charging import Checkout, CheckoutRequest, Heard, ProcessorFailed
from domain.offering import PaymentProvider
from domain.payments import (
    Payment,
    PaymentMode,
    Progress,
    Reversal,
    ReversalKind,
    ReversalState,
    Standing,
)

SECONDS_MAX: Final = 20
RETRIES: Final = 2
PAGE: Final = 100
_EXPAND: Final = "payment_intent.latest_charge"
_NOT_FOUND: Final = 404
_REFUNDS: Final[Mapping[str, ReversalState]] = {
    "pending": ReversalState.PENDING,
    "requires_action": ReversalState.PENDING,
    "succeeded": ReversalState.SUCCEEDED,
    "failed": ReversalState.FAILED,
    "canceled": ReversalState.FAILED,
}
_DISPUTES: Final[Mapping[str, ReversalState]] = {
    "needs_response": ReversalState.OPEN,
    "under_review": ReversalState.OPEN,
    "won": ReversalState.WON,
    "lost": ReversalState.LOST,
    # Inquiries, and disputes that were headed off: no money moves, or a refund says how much.
    "warning_needs_response": ReversalState.WARNING,
    "warning_under_review": ReversalState.WARNING,
    "warning_closed": ReversalState.WARNING,
    "prevented": ReversalState.WON,
    "charge_refunded": ReversalState.WON,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeProcessor:
    """Takes payments through Stripe, as `domain.charging.PaymentProcessor` promises it."""

    client: stripe.StripeClient = field(repr=False)
    http: stripe.AIOHTTPClient = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    mode: PaymentMode
    provider: PaymentProvider = PaymentProvider.STRIPE

    @classmethod
    def connecting(cls, *, secret_key: str, webhook_secrets: tuple[str, ...], url: str) -> Self:
        """A processor that connects when it is needed; close it with `aclose`."""
        http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=SECONDS_MAX))
        client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": url},
            http_client=http,
            max_network_retries=RETRIES,
        )
        mode = mode_of(secret_key.startswith(("sk_live_", "rk_live_")))
        return cls(client=client, http=http, webhook_secrets=webhook_secrets, mode=mode)

    async def aclose(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call] # the SDK says no types here

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        reference = request.payment.reference
        params = _checkout(request)
        sessions = self.client.v1.checkout.sessions
        with _telling():
            try:
                session = await sessions.create_async(params, {"idempotency_key": reference})
            except stripe.IdempotencyError:
                # The first try was answered to nobody, and something about the buyer has changed.
                again = f"{reference}.{_digest(params)}"
                session = await sessions.create_async(params, {"idempotency_key": again})
        if session.url is None:
            raise ProcessorFailed("Stripe opened a checkout without a page.")
        return Checkout(session.id, session.url)

    async def standing(self, payment: Payment) -> Standing | None:
        with _telling():
            try:
                session = await self.client.v1.checkout.sessions.retrieve_async(
                    payment.checkout_reference or "", {"expand": [_EXPAND]}
                )
            except stripe.InvalidRequestError as error:
                if error.http_status == _NOT_FOUND:
                    return None
                raise
            return await self._standing(session)

    def hear(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Heard | None:
        return stripe_events.heard(body, headers, now, secrets=self.webhook_secrets)

    async def reference_of_charge(self, charge_reference: str) -> str | None:
        with _telling():
            try:
                intent = await self.client.v1.payment_intents.retrieve_async(charge_reference)
            except stripe.InvalidRequestError as error:
                if error.http_status == _NOT_FOUND:
                    return None
                raise
        return reference_of(intent.to_dict())

    async def open_portal(self, customer_reference: str, return_url: str) -> str | None:
        with _telling():
            session = await self.client.v1.billing_portal.sessions.create_async(
                {"customer": customer_reference, "return_url": return_url}
            )
        return session.url

    async def charged_since(self, since: datetime) -> AsyncIterator[Standing]:
        """Sessions begun since then, and those of older ones that went back since then."""
        created = int(since.timestamp())
        seen: set[str] = set()
        with _telling():
            pages = await self.client.v1.checkout.sessions.list_async(
                {"created": {"gte": created}, "limit": PAGE, "expand": [f"data.{_EXPAND}"]}
            )
            async for session in pages.auto_paging_iter():
                if reference_of(session.to_dict()) is not None:
                    standing = await self._standing(session)
                    seen.add(standing.charge_reference or "")
                    yield standing
            async for intent in self._went_back_since(created):
                if intent not in seen:
                    seen.add(intent)
                    found = await self.client.v1.checkout.sessions.list_async(
                        {"payment_intent": intent, "expand": [f"data.{_EXPAND}"]}
                    )
                    for session in found.data:
                        yield await self._standing(session)

    async def _went_back_since(self, created: int) -> AsyncIterator[str]:
        refunds = await self.client.v1.refunds.list_async(
            {"created": {"gte": created}, "limit": PAGE}
        )
        async for refund in refunds.auto_paging_iter():
            intent = _id_of(refund.payment_intent)
            if intent is not None:
                yield intent
        disputes = await self.client.v1.disputes.list_async(
            {"created": {"gte": created}, "limit": PAGE}
        )
        async for dispute in disputes.auto_paging_iter():
            intent = _id_of(dispute.payment_intent)
            if intent is not None:
                yield intent

    async def _standing(self, session: stripe.checkout.Session) -> Standing:
        intent = session.payment_intent
        charge = intent.latest_charge if isinstance(intent, stripe.PaymentIntent) else None
        whole_charge = charge if isinstance(charge, stripe.Charge) else None
        progress = _progress(session)
        reference = _id_of(intent)
        reversals = []
        if progress is Progress.PAID and reference is not None:
            reversals = [each async for each in self._reversals(reference, session)]
        return Standing(
            progress=progress,
            mode=mode_of(session.livemode),
            reference=reference_of(session.to_dict()),
            minor=session.amount_total or 0,
            currency=(session.currency or "").upper(),
            charge_reference=reference,
            customer_reference=_id_of(session.customer),
            receipt_url=whole_charge.receipt_url if whole_charge else None,
            paid_at=datetime.fromtimestamp(whole_charge.created, UTC) if whole_charge else None,
            reversals=reversals,
        )

    async def _reversals(
        self, intent: str, session: stripe.checkout.Session
    ) -> AsyncIterator[Reversal]:
        refunds = await self.client.v1.refunds.list_async({"payment_intent": intent, "limit": PAGE})
        async for refund in refunds.auto_paging_iter():
            yield Reversal(
                kind=ReversalKind.REFUND,
                reference=refund.id,
                minor=refund.amount,
                state=_REFUNDS.get(refund.status or "", ReversalState.PENDING),
            )
        disputes = await self.client.v1.disputes.list_async(
            {"payment_intent": intent, "limit": PAGE}
        )
        async for dispute in disputes.auto_paging_iter():
            # What a bank disputes in a currency of its own is disputed in full.
            is_ours = dispute.currency == session.currency
            yield Reversal(
                kind=ReversalKind.DISPUTE,
                reference=dispute.id,
                minor=dispute.amount if is_ours else session.amount_total or 0,
                state=_DISPUTES.get(dispute.status, ReversalState.OPEN),
            )


def _checkout(request: CheckoutRequest) -> SessionCreateParams:
    payment = request.payment
    reference = payment.reference
    params: SessionCreateParams = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": payment.price.currency.lower(),
                    "unit_amount": payment.price.minor,
                    "product_data": {"name": payment.pack_name},
                },
            }
        ],
        "client_reference_id": reference,
        "metadata": {METADATA: reference},
        "payment_intent_data": {"metadata": {METADATA: reference}},
        "success_url": request.return_url,
        "cancel_url": request.return_url,
    }
    if request.customer_reference is not None:
        params["customer"] = request.customer_reference
    else:
        # Without a customer there would be no portal.
        params["customer_creation"] = "always"
        if request.email is not None:
            params["customer_email"] = request.email
    return params


def _progress(session: stripe.checkout.Session) -> Progress:
    """A completed session is not paid by that: some ways to pay take days, and may fail."""
    if session.payment_status == "paid":
        return Progress.PAID
    if session.status == "complete":
        intent = session.payment_intent
        if session.payment_status == "no_payment_required":
            return Progress.PAID
        has_failed = isinstance(intent, stripe.PaymentIntent) and intent.status in {
            "requires_payment_method",
            "canceled",
        }
        return Progress.FAILED if has_failed else Progress.OPEN
    return Progress.EXPIRED if session.status == "expired" else Progress.OPEN


def _id_of(value: str | stripe.StripeObject | None) -> str | None:
    """An object's id, whether the object was sent along or not."""
    return text(value.to_dict().get("id")) if isinstance(value, stripe.StripeObject) else value


def _digest(params: SessionCreateParams) -> str:
    return blake2b(repr(params).encode(), digest_size=8).hexdigest()


@contextmanager
def _telling() -> Iterator[None]:
    """Tell every failure of Stripe's as one of ours, without its words."""
    try:
        yield
    except (stripe.StripeError, aiohttp.ClientError, OSError) as error:
        raise ProcessorFailed(f"Stripe: {type(error).__name__}.") from error
