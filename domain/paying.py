"""Buying credits: from an order to a provider's checkout page, and from there to the ledger."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.alerting import Alert, AlertKind, Alerts, AlertSeverity
from domain.charging import (
    AddressNeeded,
    Checkout,
    CheckoutRequest,
    Heard,
    NotAuthentic,
    Order,
    PaymentBooks,
    PaymentProcessor,
    ProcessorFailed,
    Settled,
)
from domain.checking import issues_of_key, issues_of_return_path, raise_issues
from domain.errors import InvalidInput, NotFound, Unavailable
from domain.identity import Account, Viewer
from domain.ledger import Once
from domain.money import Currency
from domain.offering import PaymentProvider
from domain.outside import Clock
from domain.packs import Assortment, CreditPack, PackOffer
from domain.payments import Payment, PaymentStatus, judged, payment_named
from domain.reporting import Reader
from domain.units import AccountId, PackId, PaymentId

TRIES: Final = 10
"""How often a payment is judged anew because it changed meanwhile. Each failure means that another
process has settled it, and all of them say the same in the end."""

LOOK_PAUSE_SECONDS: Final = 2.0
BATCH: Final = 50


class Contacts(Protocol):
    """Where addresses are found."""

    async def accounts(
        self, reader: Reader, ids: Sequence[AccountId]
    ) -> dict[AccountId, Account]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller wants to buy, and where to come back to."""

    pack_id: PackId
    provider: PaymentProvider
    currency: Currency
    return_path: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A checkout page, opened now or by an earlier call with the same key."""

    payment: Payment
    url: str
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """Sells credits and keeps every payment as its provider says it is."""

    books: PaymentBooks
    processors: Mapping[PaymentProvider, PaymentProcessor]
    assortment: Assortment
    alerts: Alerts
    contacts: Contacts
    clock: Clock
    origin: str
    """Of the web app: the only place a checkout page ever leads back to."""
    name_of: Callable[[PaymentId], str]
    """How the API calls a payment."""
    suspends_while_disputed: bool = False

    async def start(self, viewer: Viewer, wanted: Wanted, key: str) -> Started:
        """Open a checkout page for a pack.

        Raises InvalidInput, NotFound, IdempotencyKeyReused, RateLimited, and Unavailable when the
        provider is not offered or cannot be reached: then the same key may be tried again.
        """
        raise_issues(issues_of_key(key), issues_of_return_path(wanted.return_path))
        processor = self._offered(wanted.provider)
        pack = self.assortment.find(wanted.pack_id)
        if pack is None:
            raise NotFound("credit pack")
        order = Order(pack=pack, offer=self._offer(pack, wanted), mode=processor.mode)
        once = Once.of(
            "startCheckout", key, pack.id, wanted.provider, wanted.currency, wanted.return_path
        )
        begun = await self.books.begin(viewer.session_id, order, once)
        payment = begun.payment
        if payment.checkout_url is None:
            checkout = await self._checkout(processor, viewer, payment, wanted.return_path)
            payment = await self.books.attach(payment.id, checkout.reference, checkout.url)
        if payment.checkout_url is None:
            raise AssertionError("an attached payment knows its page")
        return Started(payment, payment.checkout_url, begun.replayed)

    async def open_portal(self, viewer: Viewer, return_path: str | None) -> str:
        """A page of Stripe's where the caller's receipts and cards are.

        Raises InvalidInput, Unavailable, and NotFound before the first payment there.
        """
        raise_issues(issues_of_return_path(return_path))
        processor = self._offered(PaymentProvider.STRIPE)
        customer = await self.books.customer(viewer.account_id, processor.provider, processor.mode)
        if customer is None:
            raise NotFound("portal before the first payment by Stripe")
        try:
            url = await processor.open_portal(customer, self.origin + (return_path or "/"))
        except ProcessorFailed as error:
            raise Unavailable("The portal cannot be opened now. Try again shortly.") from error
        if url is None:
            raise Unavailable("This deployment has no billing portal.")
        return url

    async def look(self, payment_id: PaymentId) -> None:
        """See how a pending payment stands at its provider, unless somebody has just done so.

        A provider that cannot be asked leaves it as it is: whoever polls will ask again.
        """
        if await self.books.may_look(payment_id, pause_seconds=LOOK_PAUSE_SECONDS):
            try:
                await self.catch_up(payment_id)
            except (ProcessorFailed, Unavailable):
                return

    async def poll(self) -> int:
        """Catch up with pending payments whose time has come; returns how many were asked about."""
        due = await self.books.due(BATCH)
        for payment_id in due:
            try:
                await self.catch_up(payment_id)
            except (ProcessorFailed, Unavailable):
                continue  # it is asked about again, later each time
        return len(due)

    def hear(
        self, provider: PaymentProvider, body: bytes, headers: Mapping[str, str]
    ) -> Heard | None:
        """What a provider's message says, or None when it is of no interest.

        Raises NotAuthentic for one that must not be believed.
        """
        processor = self.processors.get(provider)
        if processor is None:
            raise NotAuthentic(f"This deployment takes no payments by {provider}.")
        return processor.hear(body, headers, self.clock.now())

    async def deal_with(self, heard: Heard) -> None:
        """Deal with a message that is believed to its end.

        Raises ProcessorFailed or Unavailable for one that has to be sent again.
        """
        provider = heard.provider
        processor = self._offered(provider)
        payment = await self._meant(processor, heard)
        if payment is None:
            return
        if payment.provider is not provider or not heard.mode is payment.mode is processor.mode:
            await self._alert(
                payment, f"a message {heard.kind} by {provider} in mode {heard.mode} names it"
            )
            return
        if await self.books.has_heard(payment.id, heard):
            return
        if heard.warns_of_fraud:
            await self._warn(payment)
        settled = await self.catch_up(payment.id, heard)
        if heard.claims_paid and settled.status is PaymentStatus.PENDING:
            raise Unavailable("The provider does not say so itself yet.")

    async def catch_up(self, payment_id: PaymentId, heard: Heard | None = None) -> Payment:
        """Make true of a payment what follows from how it stands at its provider now.

        The provider is asked without any transaction, so the payment may change meanwhile; then it
        is asked again, and the last to settle has always asked after the others had settled.
        """
        for _ in range(TRIES):
            payment = await self.books.find(payment_id)
            if payment is None:
                raise NotFound("payment")
            processor = self._asked(payment)
            if payment.checkout_reference is None and heard and heard.checkout_reference:
                payment = await self.books.attach(payment_id, heard.checkout_reference, None)
            standing = None
            if processor is not None and payment.checkout_reference is not None:
                standing = await processor.standing(payment)
            settlement = judged(payment, standing, now=self.clock.now())
            if settlement.mismatch is not None:
                await self._alert(payment, settlement.mismatch)
            is_early = heard and heard.claims_paid and settlement.status is PaymentStatus.PENDING
            outcome = await self.books.settle(
                payment,
                settlement,
                None if is_early else heard,
                suspends=self.suspends_while_disputed,
            )
            if outcome is Settled.TAKEN:
                await self._alert(payment, "its charge already pays for another payment")
                return payment
            if outcome is not Settled.STALE:
                return await self.books.find(payment_id) or payment
        raise Unavailable("This payment changes too quickly. Try again shortly.")

    def _offered(self, provider: PaymentProvider) -> PaymentProcessor:
        processor = self.processors.get(provider)
        if processor is None:
            raise Unavailable(f"This deployment takes no payments by {provider}.")
        return processor

    def _asked(self, payment: Payment) -> PaymentProcessor | None:
        """Whom to ask about a payment: nobody, once it is not taken any more where it was begun."""
        processor = self.processors.get(payment.provider)
        return processor if processor and processor.mode is payment.mode else None

    def _offer(self, pack: CreditPack, wanted: Wanted) -> PackOffer:
        offers = self.assortment.offers(pack)
        for offer in offers:
            if (offer.provider, offer.price.money.currency) == (wanted.provider, wanted.currency):
                return offer
        told = ", ".join(f"{each.provider} in {each.price.money.currency}" for each in offers)
        raise InvalidInput.at(
            "currency", f"This pack can be bought by {told or 'nobody at present'}."
        )

    async def _checkout(
        self,
        processor: PaymentProcessor,
        viewer: Viewer,
        payment: Payment,
        return_path: str | None,
    ) -> Checkout:
        path = return_path or "/"
        mark = "&" if "?" in path else "?"
        account = (
            await self.contacts.accounts(Reader(viewer.session_id), [viewer.account_id])
        ).get(viewer.account_id)
        request = CheckoutRequest(
            payment=payment,
            return_url=f"{self.origin}{path}{mark}payment={self.name_of(payment.id)}",
            email=account.email if account else None,
            customer_reference=await self.books.customer(
                viewer.account_id, processor.provider, processor.mode
            ),
        )
        try:
            return await processor.open_checkout(request)
        except AddressNeeded as error:
            raise InvalidInput.at(
                "provider",
                f"{payment.provider} takes payments of accounts with a mail address only.",
            ) from error
        except ProcessorFailed as error:
            raise Unavailable(
                "The payment provider cannot be reached now. Try again with the same key."
            ) from error

    async def _meant(self, processor: PaymentProcessor, heard: Heard) -> Payment | None:
        """The payment a message is about; None when it is about somebody else's business."""
        payment_id = payment_named(heard.reference) if heard.reference else None
        if payment_id is None and heard.charge_reference is not None:
            payment_id = await self.books.find_charge(processor.provider, heard.charge_reference)
            if payment_id is None:
                reference = await processor.reference_of_charge(heard.charge_reference)
                payment_id = payment_named(reference) if reference else None
        return None if payment_id is None else await self.books.find(payment_id)

    async def _alert(self, payment: Payment, message: str) -> None:
        await self.alerts.raise_alert(
            Alert(
                kind=AlertKind.PAYMENT_MISMATCH,
                severity=AlertSeverity.CRITICAL,
                subject=payment.reference,
                message=(
                    f"Payment {self.name_of(payment.id)} ({payment.reference} at "
                    f"{payment.provider}): {message}."
                ),
            )
        )

    async def _warn(self, payment: Payment) -> None:
        await self.alerts.raise_alert(
            Alert(
                kind=AlertKind.UNUSUAL_SPENDING,
                severity=AlertSeverity.WARNING,
                subject=payment.reference,
                message=(
                    f"Payment {self.name_of(payment.id)} ({payment.reference} at "
                    f"{payment.provider}): the card's issuer suspects fraud. "
                    "A refund now avoids a dispute."
                ),
            )
        )
