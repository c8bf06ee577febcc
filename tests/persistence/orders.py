"""Orders, and what providers say of them, for trying payments without any provider."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from domain.charging import Heard, Order, Settled
from domain.ledger import Once
from domain.money import Currency, Money
from domain.offering import PaymentProvider
from domain.packs import CreditPack, PackOffer, PackPrice
from domain.payments import (
    Payment,
    PaymentMode,
    Progress,
    Reversal,
    ReversalKind,
    ReversalState,
    Standing,
    judged,
)
from domain.units import Microcredits, PackId
from tests.persistence.bank import Bank, Customer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FIVE_DOLLARS = Money(500, Currency.USD)
PACK = CreditPack(
    id=PackId("starter"),
    name="Starter",
    credits=Microcredits(1_000),
    bonus=Microcredits(100),
    prices={Currency.USD: PackPrice(FIVE_DOLLARS)},
)
OFFER = PackOffer(PaymentProvider.STRIPE, PackPrice(FIVE_DOLLARS))
ORDER = Order(pack=PACK, offer=OFFER, mode=PaymentMode.TEST)


def once(key: str, *given: object) -> Once:
    return Once.of("startCheckout", key, *given)


def standing(
    payment: Payment, *reversals: Reversal, progress: Progress = Progress.PAID
) -> Standing:
    """What its provider says of a payment that was paid as it was asked."""
    return Standing(
        progress=progress,
        mode=payment.mode,
        reference=payment.reference,
        minor=payment.price.minor,
        currency=payment.price.currency,
        charge_reference=f"charge of {payment.reference}",
        customer_reference="cus_1",
        receipt_url="https://receipts.test/1",
        paid_at=NOW,
        reversals=reversals,
    )


def refund(
    minor: int, state: ReversalState = ReversalState.SUCCEEDED, reference: str = "re_1"
) -> Reversal:
    return Reversal(kind=ReversalKind.REFUND, reference=reference, minor=minor, state=state)


def dispute(
    minor: int, state: ReversalState = ReversalState.OPEN, reference: str = "dp_1"
) -> Reversal:
    return Reversal(kind=ReversalKind.DISPUTE, reference=reference, minor=minor, state=state)


def message(key: str, kind: str = "checkout.session.completed") -> Heard:
    return Heard(
        provider=PaymentProvider.STRIPE,
        key=key,
        kind=kind,
        mode=PaymentMode.TEST,
        reference=None,
    )


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer with one order, and ways to settle it."""

    bank: Bank
    customer: Customer
    payment: Payment

    async def now(self) -> Payment:
        found = await self.bank.payments.find(self.payment.id)
        assert found is not None
        return found

    async def is_told(
        self,
        *reversals: Reversal,
        progress: Progress = Progress.PAID,
        heard: Heard | None = None,
        suspends: bool = False,
    ) -> Settled:
        """Settle what follows from what the provider says."""
        payment = await self.now()
        settlement = judged(payment, standing(payment, *reversals, progress=progress), now=NOW)
        return await self.bank.payments.settle(payment, settlement, heard, suspends=suspends)

    async def lines(self) -> Sequence[tuple[str, int]]:
        """Kind and amount of every line of the ledger, oldest first."""
        rows = await self.bank.owner.fetch(
            "SELECT kind, amount FROM tallystick.entries WHERE account_id = $1 ORDER BY moment",
            self.customer.account_id,
        )
        return [(row["kind"], row["amount"]) for row in rows]

    async def balance(self) -> tuple[int, int]:
        """The total, and what is owed."""
        purse = self.customer.purse
        found = (await self.bank.books.balances(self.customer.reader, [purse]))[purse]
        return found.total, found.owed


async def buyer(
    bank: Bank,
    *,
    pack: CreditPack = PACK,
    given: int = 0,
    mode: PaymentMode = PaymentMode.TEST,
) -> Buyer:
    """Somebody who has just begun to buy a pack."""
    customer = await bank.customer(given)
    order = replace(ORDER, pack=pack, mode=mode)
    begun = await bank.payments.begin(customer.session_id, order, once(str(uuid4())))
    payment = await bank.payments.attach(begun.payment.id, f"cs_{uuid4()}", "https://pay.test/1")
    return Buyer(bank, customer, payment)
