"""Stripe's events: believed by their signature, and read for which payment they are about."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import stripe

from adapters.payments.reading import fields, text, whole
from domain.charging import Heard, NotAuthentic
from domain.offering import PaymentProvider
from domain.payments import PaymentMode

TOLERANCE_SECONDS: Final = 300
METADATA: Final = "tallystick_payment"
"""Under which our own name of a payment is kept at Stripe."""

_CLAIMS: Final = frozenset(
    {"checkout.session.completed", "checkout.session.async_payment_succeeded"}
)
_OF_SESSIONS: Final = _CLAIMS | {
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
}
_FRAUD_WARNINGS: Final = frozenset(
    {"radar.early_fraud_warning.created", "radar.early_fraud_warning.updated"}
)
_OF_CHARGES: Final = _FRAUD_WARNINGS | {
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
}
"""Of refunds, disputes and warnings, which carry no metadata of ours, only a payment intent."""


def heard(
    body: bytes, headers: Mapping[str, str], now: datetime, *, secrets: Sequence[str]
) -> Heard | None:
    """What an event is about, or None when it is of no interest. Raises NotAuthentic."""
    _authenticate(body, headers.get("stripe-signature", ""), now, secrets)
    try:
        event = fields(json.loads(body))
    except ValueError:
        raise NotAuthentic("Signed, but not JSON.") from None
    key, kind = text(event.get("id")), text(event.get("type"))
    if key is None or kind is None or event.get("account") is not None:
        return None  # events of connected accounts are not about payments of ours
    about = fields(fields(event.get("data")).get("object"))
    mode = mode_of(event.get("livemode"))
    if kind in _OF_SESSIONS:
        return Heard(
            provider=PaymentProvider.STRIPE,
            key=key,
            kind=kind,
            mode=mode,
            reference=reference_of(about),
            checkout_reference=text(about.get("id")),
            claims_paid=kind in _CLAIMS and about.get("payment_status") == "paid",
        )
    if kind in _OF_CHARGES:
        return Heard(
            provider=PaymentProvider.STRIPE,
            key=key,
            kind=kind,
            mode=mode,
            reference=None,
            charge_reference=id_of(about.get("payment_intent")),
            warns_of_fraud=kind in _FRAUD_WARNINGS,
        )
    return None


def mode_of(livemode: object) -> PaymentMode:
    return PaymentMode.LIVE if livemode is True else PaymentMode.TEST


def reference_of(about: Mapping[str, object]) -> str | None:
    """Our own name of the payment, as a session or a payment intent has it."""
    named = text(fields(about.get("metadata")).get(METADATA))
    return named or text(about.get("client_reference_id"))


def id_of(value: object) -> str | None:
    """An object's id, whether the object was sent along or not."""
    return text(value) or text(fields(value).get("id"))


def _authenticate(body: bytes, header: str, now: datetime, secrets: Sequence[str]) -> None:
    """Raise NotAuthentic unless some secret signed this, within the tolerance before or after."""
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        signed_at = next(
            (whole(part[2:]) for part in header.split(",") if part.startswith("t=")), None
        )
        # Of the tolerance, the SDK checks the past only.
        if signed_at is None or abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
            raise NotAuthentic("Signed, but not at this time.")
        return
    raise NotAuthentic("None of the signing secrets signed this.")
