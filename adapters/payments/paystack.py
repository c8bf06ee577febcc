"""Paystack, over its HTTP API: hosted checkout by card and M-Pesa, refunds and disputes.

There is no idempotency key: a transaction's reference is one. It is ours, so that whatever Paystack
says names our payment.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

import httpx2

from adapters.payments import paystack_events
from adapters.payments.paystack_events import mode_of
from adapters.payments.reading import fields, items, text, time, whole
from domain.charging import AddressNeeded, Checkout, CheckoutRequest, Heard, ProcessorFailed
from domain.money import Currency
from domain.offering import PaymentProvider
from domain.payments import (
    Payment,
    PaymentMode,
    Progress,
    Reversal,
    ReversalKind,
    ReversalState,
    Standing,
    payment_named,
)

SECONDS_MAX: Final = 30.0
PAGE: Final = 100
PAGES_MAX: Final = 1_000
ATTEMPTS_MAX: Final = 5
_OK: Final = 200
_NOT_FOUND: Final = 404
_CHANNELS: Final[Mapping[Currency, tuple[str, ...]]] = {
    Currency.KES: ("card", "mobile_money"),  # mobile money in shillings is M-Pesa
    Currency.USD: ("card",),
}
_PROGRESS: Final[Mapping[str, Progress]] = {
    "success": Progress.PAID,
    "reversed": Progress.PAID,
    "failed": Progress.FAILED,
}
"""Of a transaction. All other words (abandoned, ongoing, pending, queued …) leave it open: whoever
closed the page may come back to it, and M-Pesa may be confirmed a while later."""
_REFUNDS: Final[Mapping[str, ReversalState]] = {
    "pending": ReversalState.PENDING,
    "processing": ReversalState.PENDING,
    "needs-attention": ReversalState.PENDING,
    "processed": ReversalState.SUCCEEDED,
    "failed": ReversalState.FAILED,
}
_LOST: Final = frozenset({"merchant-accepted", "auto-accepted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PaystackProcessor:
    """Takes payments through Paystack, as `domain.charging.PaymentProcessor` promises it."""

    http: httpx2.AsyncClient = field(repr=False)
    secret_key: str = field(repr=False)
    mode: PaymentMode
    provider: PaymentProvider = PaymentProvider.PAYSTACK

    @classmethod
    def connecting(cls, *, secret_key: str, url: str) -> Self:
        """A processor that connects when it is needed; close it with `aclose`."""
        http = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {secret_key}"},
            timeout=SECONDS_MAX,
            follow_redirects=False,
        )
        mode = PaymentMode.LIVE if secret_key.startswith("sk_live_") else PaymentMode.TEST
        return cls(http=http, secret_key=secret_key, mode=mode)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        payment = request.payment
        if request.email is None:
            raise AddressNeeded("Paystack asks for every buyer's address.")
        status = 0
        for attempt in range(1, ATTEMPTS_MAX + 1):
            # A reference that was used leads to a page nobody was shown: the next one is free.
            reference = payment.reference if attempt == 1 else f"{payment.reference}.{attempt}"
            status, answer = await self._ask(
                "POST",
                "/transaction/initialize",
                json={
                    "email": request.email,
                    "amount": payment.price.minor,
                    "currency": payment.price.currency,
                    "reference": reference,
                    "callback_url": request.return_url,
                    "channels": list(_CHANNELS[payment.price.currency]),
                    "metadata": {"tallystick_payment": payment.reference},
                },
            )
            url = text(fields(answer.get("data")).get("authorization_url"))
            if status == _OK and answer.get("status") is True and url is not None:
                return Checkout(reference, url)
            if answer.get("code") != "duplicate_reference":
                break
        raise ProcessorFailed(f"Paystack did not open a checkout: status {status}.")

    async def standing(self, payment: Payment) -> Standing | None:
        reference = payment.checkout_reference or ""
        status, answer = await self._ask("GET", f"/transaction/verify/{reference}")
        if status == _NOT_FOUND or answer.get("code") == "transaction_not_found":
            return None
        transaction = _data(status, answer)
        if text(transaction.get("reference")) != reference:
            raise ProcessorFailed("Paystack told of another transaction.")
        return await self._standing(transaction)

    def hear(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Heard | None:
        return paystack_events.heard(body, headers, now, secret=self.secret_key)

    async def reference_of_charge(self, charge_reference: str) -> str | None:
        del charge_reference  # every message names the transaction by our reference
        return None

    async def open_portal(self, customer_reference: str, return_url: str) -> str | None:
        del customer_reference, return_url
        return None

    async def charged_since(self, since: datetime) -> AsyncIterator[Standing]:
        """Transactions since then, and those of older ones that went back since then."""
        seen = set()
        start = since.isoformat()
        async for transaction in self._all("/transaction", {"from": start}):
            reference = text(transaction.get("reference"))
            if reference is not None and payment_named(reference) is not None:
                seen.add(whole(transaction.get("id")))
                yield await self._standing(transaction)
        for path in ("/refund", "/dispute"):
            async for back in self._all(path, {"from": start}):
                known = back.get("transaction")
                number = whole(known) or whole(fields(known).get("id"))
                if number is None or number in seen:
                    continue
                seen.add(number)
                transaction = _data(*await self._ask("GET", f"/transaction/{number}"))
                reference = text(transaction.get("reference"))
                if reference is not None and payment_named(reference) is not None:
                    yield await self._standing(transaction)

    async def _standing(self, transaction: Mapping[str, object]) -> Standing:
        progress = _PROGRESS.get(text(transaction.get("status")) or "", Progress.OPEN)
        number = whole(transaction.get("id"))
        paid = whole(transaction.get("amount")) or 0
        reversals: list[Reversal] = []
        if progress is Progress.PAID and number is not None:
            reversals = await self._reversals(number, paid)
            if transaction.get("status") == "reversed":
                reversals = [*reversals, *_rest(reversals, paid)]
        return Standing(
            progress=progress,
            mode=mode_of(transaction.get("domain")),
            reference=text(transaction.get("reference")),
            minor=paid,
            currency=(text(transaction.get("currency")) or "").upper(),
            charge_reference=str(number) if number is not None and paid else None,
            customer_reference=text(fields(transaction.get("customer")).get("customer_code")),
            paid_at=time(transaction.get("paid_at") or transaction.get("paidAt")),
            reversals=reversals,
        )

    async def _reversals(self, number: int, paid: int) -> list[Reversal]:
        disputes = [
            _dispute(each, paid)
            async for each in self._all("/dispute", {"transaction": number})
            if _is_of(each, number)
        ]
        counted = {each.reference for each in disputes if each.state.takes_money}
        refunds = [
            _refund(each)
            async for each in self._all("/refund", {"transaction": number})
            # An accepted dispute is paid back by a refund that names it, and counts once.
            if _is_of(each, number) and _number(each.get("dispute")) not in counted
        ]
        return [*refunds, *disputes]

    async def _all(
        self, path: str, wanted: Mapping[str, str | int]
    ) -> AsyncIterator[Mapping[str, object]]:
        """Every item of a list, page by page."""
        for page in range(1, PAGES_MAX + 1):
            status, answer = await self._ask(
                "GET", path, params={**wanted, "perPage": PAGE, "page": page}
            )
            if status == _NOT_FOUND:
                return  # how an empty list of disputes may be told
            if status != _OK or answer.get("status") is not True:
                raise ProcessorFailed(f"Paystack did not answer {path}: status {status}.")
            found = list(items(answer.get("data")))
            for each in found:
                yield each
            if len(found) < PAGE:
                return

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> tuple[int, Mapping[str, object]]:
        try:
            response = await self.http.request(method, path, json=json, params=params)
            return response.status_code, fields(response.json())
        except (httpx2.HTTPError, ValueError) as error:
            raise ProcessorFailed(f"Paystack: {type(error).__name__}.") from error


def _data(status: int, answer: Mapping[str, object]) -> Mapping[str, object]:
    """What was asked for. Its own status is another thing than that of the answer."""
    if status != _OK or answer.get("status") is not True:
        raise ProcessorFailed(f"Paystack did not answer: status {status}.")
    return fields(answer.get("data"))


def _is_of(back: Mapping[str, object], number: int) -> bool:
    """Whether a refund or dispute is of this transaction, in case the list was not narrowed."""
    known = back.get("transaction")
    return number in {whole(known), whole(fields(known).get("id"))}


def _number(value: object) -> str:
    number = whole(value) or whole(fields(value).get("id"))
    return "" if number is None else str(number)


def _refund(refund: Mapping[str, object]) -> Reversal:
    return Reversal(
        kind=ReversalKind.REFUND,
        reference=_number(refund.get("id")),
        minor=whole(refund.get("amount")) or 0,
        state=_REFUNDS.get(text(refund.get("status")) or "", ReversalState.PENDING),
    )


def _dispute(dispute: Mapping[str, object], paid: int) -> Reversal:
    """Open until it is resolved; without an amount of its own it is about all that was paid."""
    amount = whole(dispute.get("refund_amount"))
    if dispute.get("status") != "resolved":
        state = ReversalState.OPEN
    else:
        is_lost = text(dispute.get("resolution")) in _LOST
        state = ReversalState.LOST if is_lost else ReversalState.WON
    return Reversal(
        kind=ReversalKind.DISPUTE,
        reference=_number(dispute.get("id")),
        minor=amount or paid,
        state=state,
    )


def _rest(reversals: list[Reversal], paid: int) -> list[Reversal]:
    """What went back of a transaction that was reversed as a whole, beside what is told of."""
    rest = paid - sum(each.minor for each in reversals if each.state.takes_money)
    if rest <= 0:
        return []
    return [
        Reversal(
            kind=ReversalKind.REFUND,
            reference="reversed",
            minor=rest,
            state=ReversalState.SUCCEEDED,
        )
    ]
