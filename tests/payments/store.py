"""A store on real books that sells through Stripe's SDK and Paystack's API, both answered here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import httpx2
from starlette.applications import Starlette

from adapters.models.loopback import serve
from adapters.payments.paystack import PaystackProcessor
from adapters.payments.stripe import StripeProcessor
from app.webhooks import Webhooks
from domain.identity import Role, Viewer
from domain.money import Currency, Money
from domain.offering import PaymentProvider
from domain.packs import Assortment, CreditPack, PackPrice
from domain.paying import Paying, Wanted
from domain.payments import Payment, PaymentStatus
from domain.tallying import Tally
from domain.units import Microcredits, PackId
from persistence.verifying import verify
from schema.ids import payment_name
from tests.domain.tallies import KeptCounts
from tests.payments import fake_paystack, fake_stripe
from tests.payments.fake_paystack import FakePaystack
from tests.payments.fake_stripe import FakeStripe
from tests.persistence.bank import Bank, Customer

STRIPE, PAYSTACK = PaymentProvider.STRIPE, PaymentProvider.PAYSTACK
PACK: Final = CreditPack(
    id=PackId("starter"),
    name="Starter",
    credits=Microcredits(1_000),
    bonus=Microcredits(100),
    prices={
        Currency.USD: PackPrice(Money(500, Currency.USD)),
        Currency.KES: PackPrice(Money(365_000, Currency.KES)),
    },
)
TAKEN: Final[Mapping[PaymentProvider, Sequence[Currency]]] = {
    STRIPE: [Currency.USD],
    PAYSTACK: [Currency.KES, Currency.USD],
}


class WallClock:
    """The time it is, as providers' signatures need it."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the clock itself


@dataclass(frozen=True, slots=True)
class Sale:
    """Somebody who has just been sent to a checkout page."""

    store: "Store"
    customer: Customer
    payment: Payment

    @property
    def reference(self) -> str:
        """What the provider calls the checkout."""
        assert self.payment.checkout_reference is not None
        return self.payment.checkout_reference

    async def now(self) -> Payment:
        found = await self.store.bank.payments.find(self.payment.id)
        assert found is not None
        return found

    async def status(self) -> PaymentStatus:
        return (await self.now()).status

    async def balance(self) -> tuple[int, int]:
        """The total, and what is owed."""
        purse = self.customer.purse
        found = (await self.store.bank.books.balances(self.customer.reader, [purse]))[purse]
        return found.total, found.owed

    async def lines(self) -> list[tuple[str, int]]:
        rows = await self.store.bank.owner.fetch(
            "SELECT kind, amount FROM tallystick.entries WHERE account_id = $1 ORDER BY moment",
            self.customer.account_id,
        )
        return [(row["kind"], row["amount"]) for row in rows]


@dataclass(slots=True)
class Store:
    """Everything a sale passes through."""

    bank: Bank
    stripe: FakeStripe
    paystack: FakePaystack
    paying: Paying
    http: httpx2.AsyncClient
    viewers: dict[int, Viewer] = field(default_factory=dict)

    async def sale(
        self, provider: PaymentProvider = STRIPE, currency: Currency | None = None
    ) -> Sale:
        customer = await self.bank.customer()
        wanted = Wanted(
            pack_id=PACK.id,
            provider=provider,
            currency=currency or TAKEN[provider][0],
            return_path="/account",
        )
        started = await self.paying.start(viewer_of(customer), wanted, str(uuid4()))
        return Sale(self, customer, started.payment)

    async def hears_stripe(self, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Deliver one of Stripe's events; returns the status it is answered with."""
        if headers is None:
            headers = fake_stripe.signed(body)
        return (await self.http.post("/webhooks/stripe", content=body, headers=headers)).status_code

    async def hears_paystack(self, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        if headers is None:
            headers = fake_paystack.signed(body)
        answer = await self.http.post("/webhooks/paystack", content=body, headers=headers)
        return answer.status_code

    async def alerts(self) -> list[tuple[str, str]]:
        """Kind and message of every alert, oldest first."""
        rows = await self.bank.owner.fetch(
            "SELECT kind, message FROM tallystick.alerts ORDER BY id"
        )
        return [(row["kind"], row["message"]) for row in rows]


def viewer_of(customer: Customer) -> Viewer:
    return Viewer(account_id=customer.account_id, session_id=customer.session_id, role=Role.USER)


@asynccontextmanager
async def open_store(bank: Bank, *, suspends_while_disputed: bool = False) -> AsyncIterator[Store]:
    """A store, whose books are right when it closes."""
    by_stripe, by_paystack = FakeStripe(), FakePaystack()
    async with AsyncExitStack() as stack:
        stripe_url = await stack.enter_async_context(serve(by_stripe))
        paystack_url = await stack.enter_async_context(serve(by_paystack))
        striping = StripeProcessor.connecting(
            secret_key="sk_test_of_the_tests",
            webhook_secrets=("whsec_of_before", fake_stripe.SECRET),
            url=stripe_url.removesuffix("/v1"),
        )
        stack.push_async_callback(striping.aclose)
        stacking = PaystackProcessor.connecting(
            secret_key=fake_paystack.SECRET, url=paystack_url.removesuffix("/v1")
        )
        stack.push_async_callback(stacking.aclose)
        paying = Paying(
            books=bank.payments,
            processors={STRIPE: striping, PAYSTACK: stacking},
            assortment=Assortment([PACK], TAKEN),
            alerts=bank.payments,
            contacts=bank.books,
            clock=WallClock(),
            origin="https://app.test",
            name_of=payment_name,
            suspends_while_disputed=suspends_while_disputed,
        )
        app = Starlette(routes=Webhooks(paying, Tally(keeper=KeptCounts(), hidden=str)).routes())
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app), base_url="http://tallystick.test"
            )
        )
        yield Store(bank, by_stripe, by_paystack, paying, http)
        report = await verify(bank.url)
        assert report.is_clean, report.lines()
