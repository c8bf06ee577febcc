"""Credits come in, are taken back and move between purses, each once."""

import asyncio
from dataclasses import replace

import pytest

from domain.errors import IdempotencyKeyReused, InsufficientCredits, InvalidInput, NotFound
from domain.ledger import Credit, Debit, EntryKind, Lot, Once
from domain.units import MICROCREDITS_MAX, AccountId, KeyNumber, Microcredits, PurseId
from persistence.verifying import verify
from tests.persistence.bank import Bank, Customer

PURCHASE = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(50), is_paid=True)
CHARGEBACK = Debit(kind=EntryKind.CHARGEBACK, amount=Microcredits(50), may_owe=True)
ONCE = Once.of("a test", "1", "input")
NOBODYS = PurseId(AccountId(7))
LOCK = """
SELECT FROM tallystick.balances WHERE account_id = $1 AND key_number = $2 FOR NO KEY UPDATE
"""
SOMEBODY_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                WHERE NOT l.granted AND a.datname = current_database())
"""


async def test_a_grant_adds_credits_once(bank: Bank) -> None:
    alice = await bank.customer()

    first = await bank.postings.grant(alice.purse, PURCHASE, ONCE)
    second = await bank.postings.grant(alice.purse, PURCHASE, ONCE)

    assert (first.balance.total, first.replayed) == (50, False)
    assert (second.balance, second.entry_id, second.replayed) == (
        first.balance,
        first.entry_id,
        True,
    )


async def test_grants_with_one_key_at_once_have_one_effect(bank: Bank) -> None:
    alice = await bank.customer()

    posted = await asyncio.gather(
        *(bank.postings.grant(alice.purse, PURCHASE, ONCE) for _ in range(20))
    )

    assert [result.replayed for result in posted].count(False) == 1
    assert {result.balance.total for result in posted} == {50}


async def test_a_key_used_with_other_input_is_refused(bank: Bank) -> None:
    alice = await bank.customer()
    await bank.postings.grant(alice.purse, PURCHASE, ONCE)

    with pytest.raises(IdempotencyKeyReused):
        await bank.postings.grant(alice.purse, PURCHASE, Once.of("a test", "1", "other input"))


async def test_accounts_and_operations_keep_keys_of_their_own(bank: Bank) -> None:
    alice, bob = await bank.customer(), await bank.customer()

    posted = [
        await bank.postings.grant(alice.purse, PURCHASE, Once.of("buying", "1")),
        await bank.postings.grant(alice.purse, PURCHASE, Once.of("giving", "1")),
        await bank.postings.grant(bob.purse, PURCHASE, Once.of("buying", "1")),
    ]

    assert [result.replayed for result in posted] == [False, False, False]


async def test_a_debit_takes_from_the_lot_of_the_payment_it_takes_back(bank: Bank) -> None:
    alice = await bank.customer(100)
    bought = await bank.postings.grant(alice.purse, PURCHASE, ONCE)

    taken = await bank.postings.debit(
        alice.purse, replace(CHARGEBACK, reverses=bought.entry_id), Once.of("a test", "2")
    )

    assert [lot.amount for lot in await _lots(bank, alice, alice.purse)] == [100]
    entries = await bank.books.entries(alice.reader, [taken.entry_id])
    assert entries[taken.entry_id].reverses == bought.entry_id


async def test_a_debit_is_refused_beyond_what_is_available(bank: Bank) -> None:
    alice = await bank.customer(100)
    await bank.ask(alice.purse, 60)
    debit = Debit(kind=EntryKind.ADJUSTMENT, amount=Microcredits(41))

    with pytest.raises(InsufficientCredits) as refused:
        await bank.postings.debit(alice.purse, debit, ONCE)

    assert (refused.value.required, refused.value.available) == (41, 40)


async def test_a_refused_debit_does_not_use_up_its_key(bank: Bank) -> None:
    alice = await bank.customer(10)
    debit = Debit(kind=EntryKind.ADJUSTMENT, amount=Microcredits(41))
    with pytest.raises(InsufficientCredits):
        await bank.postings.debit(alice.purse, debit, ONCE)
    await bank.postings.grant(alice.purse, PURCHASE, Once.of("a test", "2"))

    posted = await bank.postings.debit(alice.purse, debit, ONCE)

    assert (posted.balance.total, posted.replayed) == (19, False)


async def test_what_a_payment_taken_back_leaves_uncovered_is_owed_and_repaid_first(
    bank: Bank,
) -> None:
    alice = await bank.customer(30)

    owing = await bank.postings.debit(alice.purse, CHARGEBACK, ONCE)
    repaid = await bank.postings.grant(alice.purse, PURCHASE, Once.of("a test", "2"))

    assert (owing.balance.total, owing.balance.owed) == (0, 20)
    assert (repaid.balance.total, repaid.balance.owed) == (30, 0)


async def test_a_transfer_keeps_lots_as_they_are(bank: Bank) -> None:
    alice = await bank.customer(10)
    expires_at = await bank.owner.fetchval("SELECT now() + interval '1 day'")
    await bank.postings.grant(alice.purse, replace(PURCHASE, expires_at=expires_at), ONCE)
    await bank.postings.open(alice.account_id, KeyNumber(1))

    posted = await bank.postings.transfer(
        source=alice.purse,
        target=alice.key_purse,
        amount=Microcredits(55),
        once=Once.of("a test", "2"),
    )

    moved = await _lots(bank, alice, alice.key_purse)
    left = await _lots(bank, alice, alice.purse)
    assert posted.balance.total == 5
    assert [(lot.remaining, lot.expires_at) for lot in moved] == [(50, expires_at), (5, None)]
    assert [(lot.remaining, lot.expires_at) for lot in left] == [(5, None)]


async def test_a_transfer_repeated_moves_nothing_again(bank: Bank) -> None:
    alice = await bank.customer(100)
    await bank.postings.open(alice.account_id, KeyNumber(1))

    first, second = [
        await bank.postings.transfer(
            source=alice.purse, target=alice.key_purse, amount=Microcredits(30), once=ONCE
        )
        for _ in range(2)
    ]

    assert (first.replayed, second.replayed) == (False, True)
    balances = await bank.books.balances(alice.reader, [alice.purse, alice.key_purse])
    assert [balance.total for balance in balances.values()] == [70, 30]


async def test_transfers_there_and_back_at_once_neither_block_nor_lose(bank: Bank) -> None:
    alice = await bank.customer(100)
    await bank.postings.open(alice.account_id, KeyNumber(1))
    await bank.postings.transfer(
        source=alice.purse, target=alice.key_purse, amount=Microcredits(50), once=ONCE
    )
    ways = [(alice.purse, alice.key_purse), (alice.key_purse, alice.purse)] * 10

    await asyncio.gather(
        *(
            bank.postings.transfer(
                source=source,
                target=target,
                amount=Microcredits(5),
                once=Once.of("a test", f"way {number}"),
            )
            for number, (source, target) in enumerate(ways)
        )
    )

    balances = await bank.books.balances(alice.reader, [alice.purse, alice.key_purse])
    assert sum(balance.total for balance in balances.values()) == 100
    assert (await verify(bank.url)).is_clean


async def test_a_transfer_waits_for_the_account_before_it_takes_the_key(bank: Bank) -> None:
    alice = await bank.customer(100)
    await bank.postings.open(alice.account_id, KeyNumber(1))
    await bank.postings.transfer(
        source=alice.purse, target=alice.key_purse, amount=Microcredits(50), once=ONCE
    )

    async with bank.owner.acquire() as busy, bank.owner.acquire() as other:
        async with busy.transaction(), other.transaction():
            await busy.execute(LOCK, alice.account_id, 0)
            moving = asyncio.create_task(
                bank.postings.transfer(
                    source=alice.key_purse,
                    target=alice.purse,
                    amount=Microcredits(50),
                    once=Once.of("a test", "2"),
                )
            )
            while not await busy.fetchval(SOMEBODY_WAITS):  # noqa: ASYNC110 - the server knows
                await asyncio.sleep(0.01)

            await other.execute(LOCK + " NOWAIT", alice.account_id, 1)
        assert (await moving).balance.total == 0


async def test_transfers_follow_each_other_though_the_clock_was_set_back(bank: Bank) -> None:
    alice = await bank.customer(10)
    await bank.postings.grant(alice.purse, PURCHASE, ONCE)
    await bank.postings.open(alice.account_id, KeyNumber(1))
    await bank.owner.execute("UPDATE tallystick.balances SET moment = moment + 3600000000")

    for number, amount in enumerate((30, 20, 10)):
        await bank.postings.transfer(
            source=alice.purse,
            target=alice.key_purse,
            amount=Microcredits(amount),
            once=Once.of("a test", f"transfer {number}"),
        )

    moved = await _lots(bank, alice, alice.key_purse)
    assert [lot.remaining for lot in moved] == [10, 20, 20, 10]
    assert (await verify(bank.url)).is_clean


async def test_a_transfer_beyond_what_is_available_is_refused(bank: Bank) -> None:
    alice = await bank.customer(10)
    await bank.postings.open(alice.account_id, KeyNumber(1))

    with pytest.raises(InsufficientCredits):
        await bank.postings.transfer(
            source=alice.purse, target=alice.key_purse, amount=Microcredits(11), once=ONCE
        )


async def test_a_transfer_never_moves_what_is_held(bank: Bank) -> None:
    alice = await bank.customer(10)
    await bank.postings.open(alice.account_id, KeyNumber(1))
    await bank.ask(alice.purse, 8)

    with pytest.raises(InsufficientCredits) as refused:
        await bank.postings.transfer(
            source=alice.purse, target=alice.key_purse, amount=Microcredits(3), once=ONCE
        )

    assert refused.value.available == 2


async def test_credits_never_move_between_accounts(bank: Bank) -> None:
    alice, bob = await bank.customer(10), await bank.customer()

    with pytest.raises(ValueError, match="one account only"):
        await bank.postings.transfer(
            source=alice.purse, target=bob.purse, amount=Microcredits(1), once=ONCE
        )


async def test_what_there_is_no_purse_for_is_refused(bank: Bank) -> None:
    alice = await bank.customer(10)

    with pytest.raises(NotFound):
        await bank.postings.grant(NOBODYS, PURCHASE, ONCE)
    with pytest.raises(NotFound):
        await bank.postings.debit(NOBODYS, CHARGEBACK, ONCE)
    with pytest.raises(NotFound):
        await bank.postings.open(NOBODYS.account_id)
    with pytest.raises(NotFound):
        await bank.postings.transfer(
            source=alice.purse, target=alice.key_purse, amount=Microcredits(1), once=ONCE
        )


async def test_opening_a_purse_again_leaves_it_as_it_is(bank: Bank) -> None:
    alice = await bank.customer(10)

    assert await bank.postings.open(alice.account_id) == alice.purse

    assert (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse].total == 10


async def test_a_total_larger_than_can_be_kept_is_refused(bank: Bank) -> None:
    alice = await bank.customer()
    much = replace(PURCHASE, amount=MICROCREDITS_MAX)
    await bank.postings.grant(alice.purse, much, ONCE)

    with pytest.raises(InvalidInput, match="larger than can be kept"):
        await bank.postings.grant(alice.purse, much, Once.of("a test", "2"))


async def _lots(bank: Bank, customer: Customer, purse: PurseId) -> list[Lot]:
    return (await bank.books.lots(customer.reader, [purse]))[purse]
