"""Two that look at a payment at different moments: the last to ask has the last word."""

import asyncio
from dataclasses import dataclass, field, replace

from domain.charging import Heard, Settled
from domain.payments import Payment, Settlement
from persistence.payments import PostgresPayments
from tests.payments.store import STRIPE, open_store
from tests.persistence.bank import open_bank


@dataclass(frozen=True, slots=True)
class HoldingPayments(PostgresPayments):
    """Books in which every settlement waits until it is let go, first come first."""

    waiting: list[asyncio.Event] = field(default_factory=list)
    has_come: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def settle(
        self,
        payment: Payment,
        settlement: Settlement,
        heard: Heard | None = None,
        *,
        suspends: bool = False,
    ) -> Settled:
        turn = asyncio.Event()
        self.waiting.append(turn)
        async with self.has_come:
            self.has_come.notify_all()
        await turn.wait()
        return await PostgresPayments.settle(self, payment, settlement, heard, suspends=suspends)

    async def until_waiting(self, count: int) -> None:
        async with self.has_come, asyncio.timeout(20):
            await self.has_come.wait_for(lambda: len(self.waiting) >= count)


async def test_what_was_asked_earlier_never_stands_over_what_was_asked_later(
    database_url: str, deployment_secret: str
) -> None:
    async with open_bank(database_url, deployment_secret) as bank:
        books = HoldingPayments(bank.payments.pool, bank.payments.engines)
        async with open_store(replace(bank, payments=books)) as store:
            sale = await store.sale(STRIPE)
            store.stripe.pay(sale.reference)
            early = asyncio.create_task(store.paying.catch_up(sale.payment.id))
            await books.until_waiting(1)
            store.stripe.refund(sale.reference, 250)
            late = asyncio.create_task(store.paying.catch_up(sale.payment.id))
            await books.until_waiting(2)

            books.waiting[0].set()
            before = await early
            books.waiting[1].set()
            await books.until_waiting(3)  # it was stale, and has asked again
            books.waiting[2].set()
            after = await late

            assert (before.money_back, after.money_back) == (0, 250)
            assert await sale.balance() == (550, 0)
            assert await sale.lines() == [("PURCHASE", 1_100), ("CHARGEBACK", -550)]


async def test_what_was_asked_later_stands_when_the_earlier_comes_after(
    database_url: str, deployment_secret: str
) -> None:
    async with open_bank(database_url, deployment_secret) as bank:
        books = HoldingPayments(bank.payments.pool, bank.payments.engines)
        async with open_store(replace(bank, payments=books)) as store:
            sale = await store.sale(STRIPE)
            store.stripe.pay(sale.reference)
            early = asyncio.create_task(store.paying.catch_up(sale.payment.id))
            await books.until_waiting(1)
            store.stripe.refund(sale.reference, 500)
            late = asyncio.create_task(store.paying.catch_up(sale.payment.id))
            await books.until_waiting(2)

            books.waiting[1].set()
            await late
            books.waiting[0].set()
            await books.until_waiting(3)
            books.waiting[2].set()
            await early

            assert await sale.balance() == (0, 0)
