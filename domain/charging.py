"""What the rules of payments need from payment providers and from the books, as ports."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.errors import TallystickError
from domain.ledger import Once
from domain.money import Money
from domain.offering import PaymentProvider
from domain.packs import CreditPack, PackOffer
from domain.payments import Payment, PaymentMode, Settlement, Standing
from domain.units import AccountId, PaymentId


class NotAuthentic(TallystickError):
    """A message that claims to be a provider's and is not, or is too old to be believed."""


class ProcessorFailed(TallystickError):
    """A payment provider did not do what was asked of it. Our words, never the provider's."""


class AddressNeeded(ProcessorFailed):
    """The provider takes payments only of accounts that have a mail address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """What a provider's checkout page has to ask for, and where it leads back to."""

    payment: Payment
    return_url: str
    email: str | None
    customer_reference: str | None
    """The customer an earlier payment made there."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A provider's page where a payment is made."""

    reference: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an authentic message of a provider is about: something may have changed there."""

    provider: PaymentProvider
    key: str
    """What makes two deliveries the same message."""
    kind: str
    mode: PaymentMode
    reference: str | None
    """Our own name of the payment, if the message has it."""
    checkout_reference: str | None = None
    charge_reference: str | None = None
    """The provider's, where it does not."""
    claims_paid: bool = False
    warns_of_fraud: bool = False


class PaymentProcessor(Protocol):
    """Whoever takes payments. Every method that asks over the network may raise ProcessorFailed."""

    @property
    def provider(self) -> PaymentProvider: ...

    @property
    def mode(self) -> PaymentMode: ...

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """A page to pay at. Asking again for the same payment never asks for money twice.

        Raises AddressNeeded.
        """
        ...

    async def standing(self, payment: Payment) -> Standing | None:
        """How a payment stands; None when the provider does not know it."""
        ...

    def hear(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Heard | None:
        """What a message says, or None when it is of no interest. Raises NotAuthentic."""
        ...

    async def reference_of_charge(self, charge_reference: str) -> str | None:
        """Our own name of the payment a charge is for; None when it is none of ours."""
        ...

    async def open_portal(self, customer_reference: str, return_url: str) -> str | None:
        """A page where customers find receipts and cards; None where there is no such thing."""
        ...

    def charged_since(self, since: datetime) -> AsyncIterator[Standing]:
        """Everything charged since then that bears one of our names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a customer wants to buy."""

    pack: CreditPack
    offer: PackOffer
    mode: PaymentMode

    @property
    def price(self) -> Money:
        return self.offer.price.money


@dataclass(frozen=True, slots=True)
class Begun:
    """A payment was begun, now or by an earlier call with the same key."""

    payment: Payment
    replayed: bool


class Settled(StrEnum):
    """What became of a settlement."""

    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    STALE = "STALE"
    """The payment changed after it was read, so what follows from that has to be judged again."""
    TAKEN = "TAKEN"
    """The charge already pays for another payment."""


class PaymentBooks(Protocol):
    """Payments in the database. Everything raises Unavailable when it is away."""

    async def begin(self, session_id: UUID, order: Order, once: Once) -> Begun:
        """Keep a new order of the session's account.

        Raises IdempotencyKeyReused, and RateLimited when too many are unfinished.
        """
        ...

    async def attach(self, payment_id: PaymentId, reference: str, url: str | None) -> Payment:
        """Keep where it is paid; what is kept already stays."""
        ...

    async def find(self, payment_id: PaymentId) -> Payment | None: ...
    async def find_charge(
        self, provider: PaymentProvider, charge_reference: str
    ) -> PaymentId | None: ...

    async def has_heard(self, payment_id: PaymentId, heard: Heard) -> bool:
        """Whether a message has been dealt with, to its end."""
        ...

    async def settle(
        self,
        payment: Payment,
        settlement: Settlement,
        heard: Heard | None = None,
        *,
        suspends: bool = False,
    ) -> Settled:
        """Make a settlement true in one commit, with the credits that come in or go back.

        The message that led to it is dealt with by the same commit.
        """
        ...

    async def may_look(self, payment_id: PaymentId, *, pause_seconds: float) -> bool:
        """Whether its provider has not been asked for so long, by any process; now it is."""
        ...

    async def due(self, limit: int) -> Sequence[PaymentId]:
        """Pending payments whose provider should be asked again, which count as asked now."""
        ...

    async def customer(
        self, account_id: AccountId, provider: PaymentProvider, mode: PaymentMode
    ) -> str | None:
        """The customer of a provider that an account's last payment there made."""
        ...

    async def begun_since(self, since: datetime) -> Sequence[Payment]: ...
