"""A payment, what its provider says of it, and the one rule that follows from both.

Nothing here counts events. A provider's event only says that something may have changed; the
provider is then asked how the payment stands, and `judged` says what has to be true of it. So the
order of events, their repetition and their loss make no difference to where a payment ends.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from domain.money import Currency, Money, rounded_up
from domain.offering import PaymentProvider
from domain.running import time_of
from domain.units import (
    NO_CREDITS,
    AccountId,
    EntryId,
    Microcredits,
    Moment,
    PackId,
    PaymentId,
    PurseId,
)

OPEN_FOR: Final = timedelta(days=3)
"""How long an unfinished payment is waited for; providers end most of them after a day."""

_PREFIX: Final = "ts"
_REFERENCE: Final = re.compile(r"ts-([0-7]?[0-9a-f]{1,15})-([0-7]?[0-9a-f]{1,15})(?:\.[0-9]+)?")
"""Both numbers within PostgreSQL's bigint."""


class PaymentStatus(StrEnum):
    """Where a payment stands. Credits are added exactly once, on SUCCEEDED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    REVERSED = "REVERSED"
    """All of its money has gone back, or is disputed."""

    @property
    def brought_credits(self) -> bool:
        return self in {PaymentStatus.SUCCEEDED, PaymentStatus.REVERSED}


class PaymentMode(StrEnum):
    """Whether real money moves. A payment is only ever asked after where it was begun."""

    LIVE = "LIVE"
    TEST = "TEST"
    SANDBOX = "SANDBOX"


class ReversalKind(StrEnum):
    """How money goes back."""

    REFUND = "REFUND"
    DISPUTE = "DISPUTE"


class ReversalState(StrEnum):
    """How a refund or a dispute stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"
    WARNING = "WARNING"
    """An inquiry: no money has moved."""
    GONE = "GONE"
    """The provider does not know it any more."""

    @property
    def takes_money(self) -> bool:
        """Whether the money is gone or set aside.

        A refund counts from its beginning, so that what is being paid back cannot be spent
        meanwhile; one that fails later gives the credits back, as a dispute does that is won.
        """
        return self in _TAKING


_TAKING: Final = frozenset(
    {ReversalState.PENDING, ReversalState.SUCCEEDED, ReversalState.OPEN, ReversalState.LOST}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """A refund or a dispute, by its provider's number, in subunits of the payment's currency."""

    kind: ReversalKind
    reference: str
    minor: int
    state: ReversalState


class Progress(StrEnum):
    """How far a checkout has come at its provider."""

    OPEN = "OPEN"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a payment stands at its provider, as the provider has just said."""

    progress: Progress
    mode: PaymentMode
    reference: str | None
    """Our own name of the payment, as the provider knows it."""
    minor: int
    currency: str
    """As the provider spells it, in upper case: it may be one we do not know."""
    charge_reference: str | None = None
    customer_reference: str | None = None
    receipt_url: str | None = None
    paid_at: datetime | None = None
    reversals: Sequence[Reversal] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One purchase, from checkout to credits, and back if it is refunded or disputed."""

    id: PaymentId
    status: PaymentStatus
    provider: PaymentProvider
    mode: PaymentMode
    pack_id: PackId
    pack_name: str
    price: Money
    credits: Microcredits
    """The paid ones."""
    bonus: Microcredits
    paid_at: datetime | None = None
    entry_id: EntryId | None = None
    receipt_url: str | None = None
    checkout_url: str | None = None
    checkout_reference: str | None = None
    """What follows is for the operator: the payment's names at its provider."""
    charge_reference: str | None = None
    customer_reference: str | None = None
    money_back: int = 0
    taken_back: Microcredits = NO_CREDITS
    revision: int = 0

    @property
    def total(self) -> Microcredits:
        return Microcredits(self.credits + self.bonus)

    @property
    def reference(self) -> str:
        """Our name for it at providers: letters, digits and dashes, which all of them take."""
        return f"{_PREFIX}-{self.id.purse.account_id:x}-{self.id.moment:x}"


def payment_named(reference: str) -> PaymentId | None:
    """The payment of one of our references, of any attempt; None when it is not one.

    Buyers can make some providers carry references of their own, so any text may come.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    account, moment = (int(number, 16) for number in match.groups())
    return PaymentId(PurseId(AccountId(account)), Moment(moment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What has to be true of a payment now; applying it again changes nothing."""

    status: PaymentStatus
    standing: Standing | None = None
    """None where nothing of what the provider said may be taken over."""
    money_back: int = 0
    taken_back: Microcredits = NO_CREDITS
    mismatch: str | None = None
    """In which way the provider's word and ours disagree, for the operator."""


def judged(payment: Payment, standing: Standing | None, *, now: datetime) -> Settlement:
    """What follows for a payment from how it stands at its provider (None: it is not known there).

    Money that does not match the order to the cent moves no credits. Money that comes late, after
    we had given the payment up, does: it was kept, so it is owed.
    """
    if standing is None:
        return _unknown(payment, now)
    mismatch = _mismatch(payment, standing)
    if mismatch is not None:
        refused = PaymentStatus.FAILED if standing.progress is Progress.PAID else payment.status
        return _as_it_was(payment, refused, mismatch)
    if standing.progress is Progress.PAID:
        return _paid(payment, standing)
    if payment.status.brought_credits:
        return _as_it_was(
            payment, payment.status, f"credits were given, and it is {standing.progress}"
        )
    return Settlement(status=_unpaid(payment, standing.progress, now), standing=standing)


def each_once(reversals: Sequence[Reversal]) -> Sequence[Reversal]:
    """Every refund and dispute once, as it was told last: a list that grows may repeat itself."""
    return tuple({(each.kind, each.reference): each for each in reversals}.values())


def money_taken_back(paid: int, reversals: Sequence[Reversal]) -> int:
    """How much of what was paid has gone back or is disputed: never more than was paid."""
    return min(paid, sum(each.minor for each in each_once(reversals) if each.state.takes_money))


def credits_taken_back(total: Microcredits, *, paid: int, back: int) -> Microcredits:
    """The part of a payment's credits that goes with this part of its money."""
    return Microcredits(rounded_up(total * back, denominator=paid))


def _paid(payment: Payment, standing: Standing) -> Settlement:
    paid = payment.price.minor
    back = money_taken_back(paid, standing.reversals)
    return Settlement(
        status=PaymentStatus.REVERSED if back == paid else PaymentStatus.SUCCEEDED,
        standing=standing,
        money_back=back,
        taken_back=credits_taken_back(payment.total, paid=paid, back=back),
    )


def _unpaid(payment: Payment, progress: Progress, now: datetime) -> PaymentStatus:
    match progress:
        case Progress.OPEN:
            is_over = now - time_of(payment.id.moment) > OPEN_FOR
            return PaymentStatus.EXPIRED if is_over else PaymentStatus.PENDING
        case Progress.FAILED:
            return PaymentStatus.FAILED
        case Progress.EXPIRED:
            return PaymentStatus.EXPIRED
        case Progress.PAID:
            raise AssertionError("what is paid is not unpaid")
        case _:
            assert_never(progress)


def _unknown(payment: Payment, now: datetime) -> Settlement:
    if payment.status.brought_credits:
        return _as_it_was(payment, payment.status, "its provider does not know it")
    return Settlement(status=_unpaid(payment, Progress.OPEN, now))


def _as_it_was(payment: Payment, status: PaymentStatus, mismatch: str) -> Settlement:
    """Nothing moves; a payment that brought credits keeps them until somebody has looked."""
    return Settlement(
        status=payment.status if payment.status.brought_credits else status,
        money_back=payment.money_back,
        taken_back=payment.taken_back,
        mismatch=mismatch,
    )


def _mismatch(payment: Payment, standing: Standing) -> str | None:
    if standing.mode is not payment.mode:
        return f"begun in mode {payment.mode}, but paid in mode {standing.mode}"
    if standing.reference is None or payment_named(standing.reference) != payment.id:
        return "its provider has it under the name of another payment"
    if standing.progress is not Progress.PAID:
        return None
    if standing.currency != payment.price.currency or standing.minor != payment.price.minor:
        return f"{payment.price} were asked, {_told(standing)} were paid"
    return None


def _told(standing: Standing) -> str:
    if standing.currency in set(Currency):
        return str(Money(standing.minor, Currency(standing.currency)))
    return f"{standing.minor} subunits of another currency"
