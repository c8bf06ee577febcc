"""A payment that is taken back is taken from the credits that were moved to API keys, too."""

import asyncio

from domain.errors import InsufficientCredits
from domain.keys import KeyFunding
from domain.ledger import Once
from domain.units import Microcredits
from tests.payments.store import STRIPE, Sale, Store
from tests.persistence.bank import ANSWERED
from tests.persistence.programs import Program, make_program

SWEEP = "SELECT tallystick.collect_owed(100)"


async def _sold(store: Store, *, moved: int) -> tuple[Sale, Program]:
    """Credits bought (1,100 of them), some of which were moved to a key of their own."""
    sale = await store.sale(STRIPE)
    store.stripe.pay(sale.reference)
    await store.paying.catch_up(sale.payment.id)
    program = await make_program(store.bank, sale.customer, funding=KeyFunding.OWN)
    await store.bank.key_ring.fund(
        sale.customer.session_id, program.id, Microcredits(moved), Once.of("fundApiKey", "1")
    )
    return sale, program


async def _left(sale: Sale, program: Program) -> tuple[int, int]:
    """What the key has in all, and of that held."""
    found = await sale.store.bank.books.balances(sale.customer.reader, [program.purse])
    return found[program.purse].total, found[program.purse].held


async def _take_back(sale: Sale, minor: int = 500) -> None:
    sale.store.stripe.refund(sale.reference, minor)
    await sale.store.paying.catch_up(sale.payment.id)


async def test_credits_at_a_key_go_back_in_the_commit_of_the_refund(store: Store) -> None:
    sale, program = await _sold(store, moved=900)

    await _take_back(sale)

    assert await sale.balance() == (0, 0)
    assert await _left(sale, program) == (0, 0)
    assert await sale.lines() == [
        ("PURCHASE", 1_100),
        ("TRANSFER", -900), ("TRANSFER", 900),
        ("CHARGEBACK", -200),
        ("TRANSFER", -900), ("TRANSFER", 900),
        ("CHARGEBACK", -900),
    ]  # fmt: skip


async def test_no_more_is_collected_than_is_owed(store: Store) -> None:
    sale, program = await _sold(store, moved=900)

    await _take_back(sale, 250)

    assert await sale.balance() == (0, 0)
    assert await _left(sale, program) == (550, 0)


async def test_keys_pay_back_one_after_the_other_until_nothing_is_owed(store: Store) -> None:
    sale, first = await _sold(store, moved=400)
    second, third = [
        await make_program(store.bank, sale.customer, funding=KeyFunding.OWN) for _ in range(2)
    ]
    for program in (second, third):
        fund = Once.of("fundApiKey", str(program.id.number + 1))
        await store.bank.key_ring.fund(
            sale.customer.session_id, program.id, Microcredits(350), fund
        )

    await _take_back(sale, 250)

    assert await sale.balance() == (0, 0)
    left = [await _left(sale, program) for program in (first, second, third)]
    assert left == [(0, 0), (200, 0), (350, 0)]


async def test_what_a_key_holds_follows_when_it_comes_free(store: Store) -> None:
    sale, program = await _sold(store, moved=900)
    held = await store.bank.ask(program.purse, 300, key=program.id.number)

    await _take_back(sale)
    while_held = (await sale.balance(), await _left(sale, program))
    nothing_free = await store.bank.owner.fetchval(SWEEP)
    await store.bank.ledger.capture(held.hold_id, Microcredits(100), ANSWERED)
    swept, swept_again = (
        await store.bank.owner.fetchval(SWEEP),
        await store.bank.owner.fetchval(SWEEP),
    )

    assert while_held == ((0, 300), (300, 300))
    assert (nothing_free, swept, swept_again) == (0, 1, 0)
    assert await sale.balance() == (0, 100)
    assert await _left(sale, program) == (0, 0)


async def test_a_key_of_somebody_who_owes_cannot_outrun_the_sweeps(store: Store) -> None:
    sale, program = await _sold(store, moved=1_000)

    async def spend() -> int:
        try:
            ended = await store.bank.answer(program.purse, 20, 20, key=program.id.number)
        except InsufficientCredits:
            return 0
        return ended.charged

    charged, _, *_ = await asyncio.gather(
        asyncio.gather(*(spend() for _ in range(60))),
        _take_back(sale),
        *(store.bank.owner.fetchval(SWEEP) for _ in range(5)),
    )
    await store.bank.owner.fetchval(SWEEP)

    assert await _left(sale, program) == (0, 0)
    assert await sale.balance() == (0, sum(charged))
