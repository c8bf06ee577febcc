"""Paystack's messages: believed by their signature, and read for which payment they are about."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b, sha512
from typing import Final

from adapters.payments.reading import fields, text
from domain.charging import Heard, NotAuthentic
from domain.offering import PaymentProvider
from domain.payments import PaymentMode

_CLAIMS: Final = "charge.success"


def heard(body: bytes, headers: Mapping[str, str], now: datetime, *, secret: str) -> Heard | None:
    """What a message is about, or None when it is of no interest. Raises NotAuthentic.

    The signature is over the bytes as they came and holds no time, so a message may be replayed
    for ever: nothing follows from one but that Paystack is asked.
    """
    del now
    signature = headers.get("x-paystack-signature", "")
    expected = hmac.digest(secret.encode(), body, sha512).hex()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise NotAuthentic("The secret key did not sign this.")
    try:
        message = fields(json.loads(body))
    except ValueError:
        raise NotAuthentic("Signed, but not JSON.") from None
    kind = text(message.get("event"))
    about = fields(message.get("data"))
    reference = _reference(kind or "", about)
    if kind is None or reference is None:
        return None
    return Heard(
        provider=PaymentProvider.PAYSTACK,
        # Messages have no number of their own: two with the same bytes are one.
        key=blake2b(body, digest_size=16).hexdigest(),
        kind=kind,
        mode=mode_of(about.get("domain") or fields(about.get("transaction")).get("domain")),
        reference=reference,
        checkout_reference=reference,
        claims_paid=kind == _CLAIMS,
    )


def mode_of(domain: object) -> PaymentMode:
    return PaymentMode.LIVE if domain == "live" else PaymentMode.TEST


def _reference(kind: str, about: Mapping[str, object]) -> str | None:
    """The transaction's reference, which lies in another place in each kind of message."""
    if kind == _CLAIMS:
        return text(about.get("reference"))
    if kind.startswith("refund."):
        return text(about.get("transaction_reference"))
    if kind.startswith("charge.dispute."):
        transaction = fields(about.get("transaction"))
        return text(transaction.get("reference")) or text(about.get("transaction_reference"))
    return None
