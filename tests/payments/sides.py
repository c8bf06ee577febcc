"""Both providers, told in the same words: what happens there, what they say of it, what is true."""

from dataclasses import dataclass, field
from typing import Protocol

from domain.payments import ReversalState
from tests.payments.fake_paystack import FakePaystack
from tests.payments.fake_paystack import Object as PaystackObject
from tests.payments.fake_stripe import FakeStripe
from tests.payments.fake_stripe import Object as StripeObject
from tests.payments.store import Sale, Store


@dataclass(slots=True)
class Truth:
    """What the money has done, whatever anybody was told of it."""

    price: int
    is_paid: bool = False
    refunds: list[tuple[int, ReversalState]] = field(default_factory=list)
    disputes: list[ReversalState] = field(default_factory=list)

    @property
    def back(self) -> int:
        """How much of it is not ours any more."""
        refunded = sum(minor for minor, state in self.refunds if state.takes_money)
        disputed = self.price * sum(state.takes_money for state in self.disputes)
        return min(self.price, refunded + disputed)

    def credits_due(self, total: int) -> int:
        if not self.is_paid:
            return 0
        return total - -(-total * self.back // self.price)


class Side(Protocol):
    """A provider at which one sale is paid."""

    truth: Truth

    def pay(self) -> bytes: ...
    def refund(self, minor: int) -> bytes: ...
    def end_refund(self, *, succeeds: bool) -> bytes | None: ...
    def dispute(self) -> bytes: ...
    def end_dispute(self, *, won: bool) -> bytes | None: ...
    async def hears(self, body: bytes) -> int: ...


@dataclass(slots=True)
class StripeSide:
    """Stripe's."""

    store: Store
    sale: Sale
    truth: Truth
    refunds: list[StripeObject] = field(default_factory=list)
    disputes: list[StripeObject] = field(default_factory=list)

    @property
    def fake(self) -> FakeStripe:
        return self.store.stripe

    def pay(self) -> bytes:
        self.truth.is_paid = True
        return self.fake.event("checkout.session.completed", self.fake.pay(self.sale.reference))

    def refund(self, minor: int) -> bytes:
        self.truth.refunds.append((minor, ReversalState.PENDING))
        self.refunds.append(self.fake.refund(self.sale.reference, minor, "pending"))
        return self.fake.event("charge.refunded", self.fake.charge(self.sale.reference))

    def end_refund(self, *, succeeds: bool) -> bytes | None:
        if not self.refunds:
            return None
        state = ReversalState.SUCCEEDED if succeeds else ReversalState.FAILED
        self.truth.refunds[-1] = (self.truth.refunds[-1][0], state)
        self.refunds[-1]["status"] = "succeeded" if succeeds else "failed"
        return self.fake.event("refund.updated", dict(self.refunds[-1]))

    def dispute(self) -> bytes:
        self.truth.disputes.append(ReversalState.OPEN)
        self.disputes.append(self.fake.dispute(self.sale.reference, self.truth.price))
        return self.fake.event("charge.dispute.created", dict(self.disputes[-1]))

    def end_dispute(self, *, won: bool) -> bytes | None:
        if not self.disputes:
            return None
        self.truth.disputes[-1] = ReversalState.WON if won else ReversalState.LOST
        self.disputes[-1]["status"] = "won" if won else "lost"
        return self.fake.event("charge.dispute.closed", dict(self.disputes[-1]))

    async def hears(self, body: bytes) -> int:
        return await self.store.hears_stripe(body)


@dataclass(slots=True)
class PaystackSide:
    """Paystack's."""

    store: Store
    sale: Sale
    truth: Truth
    refunds: list[PaystackObject] = field(default_factory=list)
    disputes: list[PaystackObject] = field(default_factory=list)

    @property
    def fake(self) -> FakePaystack:
        return self.store.paystack

    def pay(self) -> bytes:
        self.truth.is_paid = True
        return self.fake.message("charge.success", self.fake.pay(self.sale.reference))

    def refund(self, minor: int) -> bytes:
        self.truth.refunds.append((minor, ReversalState.PENDING))
        self.refunds.append(self.fake.refund(self.sale.reference, minor))
        return self.fake.refund_message(self.refunds[-1])

    def end_refund(self, *, succeeds: bool) -> bytes | None:
        if not self.refunds:
            return None
        state = ReversalState.SUCCEEDED if succeeds else ReversalState.FAILED
        self.truth.refunds[-1] = (self.truth.refunds[-1][0], state)
        self.refunds[-1]["status"] = "processed" if succeeds else "failed"
        return self.fake.refund_message(self.refunds[-1])

    def dispute(self) -> bytes:
        self.truth.disputes.append(ReversalState.OPEN)
        self.disputes.append(self.fake.dispute(self.sale.reference, None))
        return self.fake.message("charge.dispute.create", self.disputes[-1])

    def end_dispute(self, *, won: bool) -> bytes | None:
        if not self.disputes:
            return None
        self.truth.disputes[-1] = ReversalState.WON if won else ReversalState.LOST
        self.fake.resolve(self.disputes[-1], "declined" if won else "auto-accepted")
        return self.fake.message("charge.dispute.resolve", self.disputes[-1])

    async def hears(self, body: bytes) -> int:
        return await self.store.hears_paystack(body)
