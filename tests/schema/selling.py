"""A shop window in memory: two packs, and payments that are paid when somebody looks."""

from dataclasses import dataclass, field, replace
from typing import Final

from domain.errors import NotFound, Unavailable
from domain.identity import Viewer
from domain.ledger import Entry, EntryKind
from domain.money import Currency, Money
from domain.offering import PaymentProvider
from domain.packs import Assortment, CreditPack, PackPrice
from domain.paying import Started, Wanted
from domain.payments import Payment, PaymentMode, PaymentStatus
from domain.units import EntryId, Microcredits, Moment, PackId, PaymentId
from tests.schema.books import FakeBooks
from tests.schema.office import MOMENT, NOON

STARTER: Final = CreditPack(
    id=PackId("starter"),
    name="Starter",
    credits=Microcredits(100_000_000),
    bonus=Microcredits(5_000_000),
    valid_days=30,
    prices={
        Currency.USD: PackPrice(Money(500, Currency.USD)),
        Currency.KES: PackPrice(Money(65_000, Currency.KES)),
    },
)
ASSORTMENT: Final = Assortment(
    [STARTER],
    {
        PaymentProvider.STRIPE: [Currency.USD],
        PaymentProvider.PAYSTACK: [Currency.KES, Currency.USD],
    },
)


@dataclass(slots=True)
class FakeSelling:
    """Begins payments, and lets a provider have been paid as soon as somebody looks."""

    books: FakeBooks
    assortment: Assortment = ASSORTMENT
    looks: list[PaymentId] = field(default_factory=list)

    async def start(self, viewer: Viewer, wanted: Wanted, key: str) -> Started:
        pack = self.assortment.find(wanted.pack_id)
        if pack is None:
            raise NotFound("credit pack")
        moment = Moment(MOMENT + len(self.books.kept_payments) + 1)
        payment = Payment(
            id=PaymentId(viewer.purse, moment),
            status=PaymentStatus.PENDING,
            provider=wanted.provider,
            mode=PaymentMode.TEST,
            pack_id=pack.id,
            pack_name=pack.name,
            price=pack.prices[wanted.currency].money,
            credits=pack.credits,
            bonus=pack.bonus,
            charge_reference="pi_secret",
        )
        self.books.kept_payments[payment.id] = payment
        return Started(payment, f"https://pay.test/{key}", replayed=False)

    async def open_portal(self, viewer: Viewer, return_path: str | None) -> str:
        if not self.books.kept_payments:
            raise NotFound("payment by Stripe yet")
        if return_path == "/nowhere":
            raise Unavailable("The portal cannot be opened now.")
        return "https://portal.test/1"

    async def look(self, payment_id: PaymentId) -> None:
        self.looks.append(payment_id)
        payment = self.books.kept_payments[payment_id]
        entry_id = EntryId(payment_id.purse, Moment(payment_id.moment + 1_000))
        self.books.kept_entries[entry_id] = Entry(
            id=entry_id,
            kind=EntryKind.PURCHASE,
            amount=payment.total,
            total_after=payment.total,
            answer_id=None,
            reverses=None,
            reason=payment.pack_name,
            actor_id=None,
        )
        self.books.kept_payments[payment_id] = replace(
            payment,
            status=PaymentStatus.SUCCEEDED,
            paid_at=NOON,
            entry_id=entry_id,
            revision=payment.revision + 1,
        )
