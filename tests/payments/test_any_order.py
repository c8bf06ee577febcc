"""Whatever happens at a provider, and however its messages come: credits in are the money kept.

Hypothesis makes up what happens (payments, refunds, disputes, spending, credits moved to a key), in
which order messages arrive, which of them twice or at once, and where this process crashes: before
it has settled, after it has settled but before it could say so, or while its connection is killed.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.charging import Heard, Settled
from domain.errors import InsufficientCredits, Unavailable
from domain.keys import KeyFunding
from domain.ledger import Once
from domain.payments import Payment, Settlement
from domain.units import Microcredits
from persistence.payments import PostgresPayments
from tests.payments.sides import PaystackSide, Side, StripeSide, Truth
from tests.payments.store import PACK, PAYSTACK, STRIPE, Sale, Store, open_store
from tests.persistence.bank import Bank, open_bank
from tests.persistence.programs import make_program

KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'tallystick-payments'
"""
EXAMPLES = 40


class Crash(StrEnum):
    """Where a process may die."""

    BEFORE = "before"
    AFTER = "after"
    MEANWHILE = "meanwhile"


class Step(StrEnum):
    """What may happen next."""

    PAY = "pay"
    REFUND = "refund"
    REFUND_SUCCEEDS = "refund succeeds"
    REFUND_FAILS = "refund fails"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute won"
    DISPUTE_LOST = "dispute lost"
    SPEND = "spend"
    MOVE = "move to a key"
    DELIVER = "deliver"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class CrashingPayments(PostgresPayments):
    """Books whose process dies at planned places, as its callers see it."""

    plan: list[Crash] = field(default_factory=list)
    bank: list[Bank] = field(default_factory=list)

    async def settle(
        self,
        payment: Payment,
        settlement: Settlement,
        heard: Heard | None = None,
        *,
        suspends: bool = False,
    ) -> Settled:
        crash = self.plan.pop() if self.plan else None
        if crash is Crash.BEFORE:
            raise Unavailable("crashed before")
        settling = asyncio.ensure_future(
            PostgresPayments.settle(self, payment, settlement, heard, suspends=suspends)
        )
        if crash is Crash.MEANWHILE:
            await asyncio.gather(settling, self.bank[0].owner.execute(KILL))
        settled = await settling
        if crash is Crash.AFTER:
            raise Unavailable("crashed after")
        return settled


class World:
    """A store, the loop it lives on, and where it is to crash next; nothing to print in full."""

    def __init__(self, runner: asyncio.Runner, store: Store, plan: list[Crash]) -> None:
        self.runner = runner
        self.store = store
        self.plan = plan


@pytest.fixture
def world(database_url: str, deployment_secret: str) -> Iterator[World]:
    """One store for all examples; each has a customer of its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_world() -> World:
            bank = await stack.enter_async_context(open_bank(database_url, deployment_secret))
            plan: list[Crash] = []
            crashing = CrashingPayments(bank.payments.pool, bank.payments.engines, plan, [bank])
            store = await stack.enter_async_context(open_store(replace(bank, payments=crashing)))
            return World(runner, store, plan)

        yield runner.run(open_world())
        # Closing the store verifies the books.
        runner.run(stack.aclose())


steps = st.lists(
    st.tuples(st.sampled_from(Step), st.integers(1, 600)), min_size=3, max_size=14
).map(lambda given: [(Step.PAY, 0), *given])
orders = st.lists(st.integers(0, 100), min_size=1, max_size=8)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    is_stripe=st.booleans(),
    steps=steps,
    pay_at=st.integers(0, 3),
    order=orders,
    crashes=st.lists(st.sampled_from(Crash), max_size=4),
)
def test_credits_in_are_the_money_kept(
    world: World,
    is_stripe: bool,  # noqa: FBT001 - the same
    steps: list[tuple[Step, int]],
    pay_at: int,
    order: list[int],
    crashes: list[Crash],
) -> None:
    first, *others = steps
    others.insert(pay_at, first)
    world.plan[:] = crashes

    world.runner.run(_play(world, others, order, is_stripe=is_stripe))


async def _play(
    world: World, steps: list[tuple[Step, int]], order: list[int], *, is_stripe: bool
) -> None:
    store = world.store
    sale = await _sale(store, is_stripe=is_stripe)
    program = await make_program(store.bank, sale.customer, funding=KeyFunding.OWN)
    truth = Truth(sale.payment.price.minor)
    side: Side = (StripeSide if is_stripe else PaystackSide)(store, sale, truth)
    waiting: list[bytes] = []
    spent = 0
    for number, (step, size) in enumerate(steps):
        if step is Step.DELIVER:
            await _deliver(side, waiting, order[number % len(order)])
        elif step is Step.SPEND:
            spent += await _spend(sale, size)
        elif step is Step.MOVE:
            with suppress(InsufficientCredits):
                await store.bank.key_ring.fund(
                    sale.customer.session_id,
                    program.id,
                    Microcredits(size),
                    Once.of("f", str(number)),
                )
        elif step is Step.POLL:
            # Whoever looks may meet a connection that was killed, as anybody may.
            with suppress(Unavailable):
                await store.paying.look(sale.payment.id)
        elif step is Step.PAY or truth.is_paid:
            told = _happen(side, step, size)
            waiting += [told] if told else []
    while waiting:
        await _deliver(side, waiting, order[len(waiting) % len(order)])

    total, owed = await sale.balance()
    moved = (await store.bank.books.balances(sale.customer.reader, [program.purse]))[program.purse]
    assert total + moved.total - owed + spent == truth.credits_due(PACK.total), (truth, steps)
    assert not (owed and moved.total), "a key keeps credits that are owed"


async def _sale(store: Store, *, is_stripe: bool) -> Sale:
    """A sale, begun anew where it meets a connection that was killed."""
    while True:
        with suppress(Unavailable):
            return await store.sale(STRIPE if is_stripe else PAYSTACK)


def _happen(side: Side, step: Step, size: int) -> bytes | None:
    """Something happens at the provider; returns the message it sends."""
    match step:
        case Step.PAY:
            return None if side.truth.is_paid else side.pay()
        case Step.REFUND:
            return side.refund(max(1, side.truth.price * size // 600))
        case Step.REFUND_SUCCEEDS | Step.REFUND_FAILS:
            return side.end_refund(succeeds=step is Step.REFUND_SUCCEEDS)
        case Step.DISPUTE:
            return None if side.truth.disputes else side.dispute()
        case Step.DISPUTE_WON | Step.DISPUTE_LOST:
            return side.end_dispute(won=step is Step.DISPUTE_WON)
        case _:
            return None


async def _deliver(side: Side, waiting: list[bytes], choice: int) -> None:
    """Deliver some messages at once, one of them twice; what was refused waits on."""
    if not waiting:
        return
    start = choice % len(waiting)
    chosen = (waiting[start:] + waiting[:start])[: 1 + choice % 3]
    answers = await asyncio.gather(*(side.hears(body) for body in [chosen[0], *chosen]))
    assert set(answers) <= {200, 503}
    done = {body for body, answer in zip(chosen, answers[1:], strict=True) if answer == 200}
    waiting[:] = [body for body in waiting if body not in done]


async def _spend(sale: Sale, size: int) -> int:
    """Spend some of what is there, if it is."""
    try:
        ended = await sale.store.bank.answer(sale.customer.purse, held=size, charged=size)
    except InsufficientCredits:
        return 0
    return ended.charged
