"""Lots: which credits are spent first, when they lapse, and what holds them back."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.errors import InsufficientCredits
from domain.ledger import Credit, Debit, EntryKind, HoldEnded, Once, Posted
from domain.sweeping import Sweeping
from domain.units import EntryId, HoldId, Microcredits, Moment, PurseId
from persistence.answers import PostgresAnswers
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, Bank
from tests.persistence.programs import make_program

NEXT_YEAR = datetime(2200, 1, 1, tzinfo=UTC)
THE_YEAR_AFTER = datetime(2201, 1, 1, tzinfo=UTC)


async def test_credits_that_lapse_first_are_spent_first(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10)
    await grant(bank, purse, 20, lapses=THE_YEAR_AFTER)
    await grant(bank, purse, 30, lapses=NEXT_YEAR)

    await spend(bank, purse, 35)

    assert await left(bank, purse) == [10, 15, 0]


async def test_free_credits_are_spent_before_paid_ones(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10, is_paid=True, lapses=NEXT_YEAR)
    await grant(bank, purse, 10, lapses=NEXT_YEAR)
    await grant(bank, purse, 10, is_paid=True)
    await grant(bank, purse, 10)

    await spend(bank, purse, 15)
    after_lapsing_ones = await left(bank, purse)
    await spend(bank, purse, 10)

    assert after_lapsing_ones == [5, 0, 10, 10]
    assert await left(bank, purse) == [0, 0, 10, 5]


async def test_old_credits_are_spent_before_new_ones(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10)
    await grant(bank, purse, 10)

    await spend(bank, purse, 4)

    assert await left(bank, purse) == [6, 10]


async def test_credits_are_gone_once_their_time_is_over_without_any_sweep(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    await grant(bank, purse, 10)
    await lapse(bank, lapsing.entry_id)

    with pytest.raises(InsufficientCredits) as refusal:
        await hold(bank, purse, 11)

    assert refusal.value.available == 10
    assert await kinds(bank, purse) == [("RECHARGE", 30), ("RECHARGE", 10), ("EXPIRY", -30)]


async def test_once_what_lapsed_is_booked_holds_are_taken_the_quick_way_again(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    await grant(bank, purse, 10)
    await lapse(bank, lapsing.entry_id)
    await hold(bank, purse, 4)

    await hold(bank, purse, 6)

    assert bank.ledger.detours.read() == {("repeat",): (1,)}


async def test_credits_under_a_hold_do_not_lapse_until_it_ends(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    taken = await bank.ask(purse, 20)
    await lapse(bank, lapsing.entry_id)

    while_held = await settled(bank, purse)
    captured = await bank.ledger.capture(taken.hold_id, Microcredits(5))
    afterwards = await settled(bank, purse)

    assert while_held == 20
    assert captured.charged == 5
    assert afterwards == 0
    assert await kinds(bank, purse) == [
        ("RECHARGE", 30),
        ("EXPIRY", -10),
        ("CHARGE", -5),
        ("EXPIRY", -15),
    ]


async def test_a_hold_keeps_no_more_from_lapsing_than_it_is_for(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    first = await grant(bank, purse, 10, lapses=NEXT_YEAR)
    second = await grant(bank, purse, 10, lapses=THE_YEAR_AFTER)
    await hold(bank, purse, 10)
    await lapse(bank, first.entry_id)
    await lapse(bank, second.entry_id)

    assert await left(bank, purse) == [10, 0]
    assert await settled(bank, purse) == 10


async def test_a_hold_keeps_from_lapsing_what_it_will_spend(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    paid = await grant(bank, purse, 10, is_paid=True, lapses=NEXT_YEAR)
    free = await grant(bank, purse, 10, lapses=NEXT_YEAR)
    await hold(bank, purse, 10)
    await lapse(bank, paid.entry_id, free.entry_id)

    assert await left(bank, purse) == [0, 10]


async def test_what_is_held_does_not_lapse_though_the_clock_was_set_back(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 10, lapses=NEXT_YEAR)
    in_an_hour = lapsing.entry_id.moment + 3_600_000_000
    await bank.owner.execute("UPDATE tallystick.balances SET moment = $1", in_an_hour)
    taken = await bank.ask(purse, 10)
    await lapse(bank, lapsing.entry_id)

    while_held = await settled(bank, purse)
    await bank.ledger.release(taken.hold_id)

    assert while_held == 10
    assert await settled(bank, purse) == 0


async def test_a_hold_taken_later_does_not_keep_credits_from_lapsing(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    await grant(bank, purse, 10)
    await lapse(bank, lapsing.entry_id)

    await hold(bank, purse, 10)

    assert await settled(bank, purse) == 10


async def test_what_a_hold_kept_from_lapsing_lapses_with_its_end_whoever_holds_the_rest(
    bank: Bank,
) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 10, lapses=NEXT_YEAR)
    await grant(bank, purse, 10)
    earlier = await bank.ask(purse, 10)
    await lapse(bank, lapsing.entry_id)
    await hold(bank, purse, 10)

    while_held = await settled(bank, purse)
    await bank.ledger.release(earlier.hold_id)

    assert while_held == 20
    assert await settled(bank, purse) == 10


async def test_what_lapsed_under_a_hold_is_not_held_anew_by_who_comes_with_its_end(
    bank: Bank,
) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    await grant(bank, purse, 4)
    taken = await bank.ask(purse, 30)
    await lapse(bank, lapsing.entry_id)

    refused, fitting = await in_the_batch_of_its_end(bank, taken.hold_id, 5, 4)

    assert isinstance(refused, InsufficientCredits)
    assert refused.available == 4
    assert fitting is None
    assert await kinds(bank, purse) == [
        ("RECHARGE", 30),
        ("RECHARGE", 4),
        ("CHARGE", -10),
        ("EXPIRY", -20),
    ]
    assert (await verify(bank.url)).is_clean


async def test_what_is_owed_is_repaid_from_the_next_credits(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10)
    owing = await debit(bank, purse, 25, may_owe=True)

    repaying = await grant(bank, purse, 40)

    assert (owing.balance.total, owing.balance.owed) == (0, 15)
    assert (repaying.balance.total, repaying.balance.owed) == (25, 0)
    assert await left(bank, purse) == [0, 25]


async def test_what_is_owed_for_one_payment_adds_to_what_is_owed_for_another(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10)

    await debit(bank, purse, 25, may_owe=True)
    owing = await debit(bank, purse, 5, may_owe=True)

    assert (owing.balance.total, owing.balance.owed) == (0, 20)


async def test_credits_that_lapsed_are_not_there_to_be_taken_back(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    await grant(bank, purse, 10)
    await lapse(bank, lapsing.entry_id)

    with pytest.raises(InsufficientCredits) as refusal:
        await debit(bank, purse, 11)
    owing = await debit(bank, purse, 15, may_owe=True)

    assert refusal.value.available == 10
    assert (owing.balance.total, owing.balance.owed) == (0, 5)


async def test_what_is_owed_is_collected_from_what_a_hold_gives_back(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 30)
    taken = await bank.ask(purse, 30)
    owing = await debit(bank, purse, 25, may_owe=True)

    await bank.ledger.release(taken.hold_id)

    assert (owing.balance.total, owing.balance.owed) == (30, 25)
    assert await settled(bank, purse) == 5


async def test_credits_that_lapsed_repay_nothing_that_is_owed(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    lapsing = await grant(bank, purse, 30, lapses=NEXT_YEAR)
    taken = await bank.ask(purse, 30)
    await debit(bank, purse, 25, may_owe=True)
    await lapse(bank, lapsing.entry_id)

    await bank.ledger.release(taken.hold_id)

    assert await settled(bank, purse) == 0
    assert await kinds(bank, purse) == [("RECHARGE", 30), ("EXPIRY", -30)]
    assert await owed(bank, purse) == 25


async def test_what_is_owed_is_not_held_anew_by_who_comes_with_the_end_of_a_hold(
    bank: Bank,
) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 40)
    taken = await bank.ask(purse, 40)
    await debit(bank, purse, 25, may_owe=True)

    refused, fitting = await in_the_batch_of_its_end(bank, taken.hold_id, 6, 5)

    assert isinstance(refused, InsufficientCredits)
    assert refused.available == 5
    assert fitting is None
    assert await kinds(bank, purse) == [("RECHARGE", 40), ("CHARGE", -10), ("CHARGEBACK", -25)]
    assert (await verify(bank.url)).is_clean


async def test_credits_taken_back_come_from_their_own_lot_first(bank: Bank) -> None:
    purse = (await bank.customer()).purse
    await grant(bank, purse, 10)
    payment = await grant(bank, purse, 20, is_paid=True)

    await debit(bank, purse, 25, reverses=payment.entry_id)

    assert await left(bank, purse) == [5, 0]


async def test_credits_taken_back_come_from_every_lot_their_entry_brought(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    await grant(bank, customer.purse, 10, lapses=NEXT_YEAR)
    await grant(bank, customer.purse, 10)
    await transfer(bank, customer.purse, key_purse, 20)
    await grant(bank, key_purse, 10, lapses=NEXT_YEAR)
    moved = await last_moment(bank, key_purse, "TRANSFER")

    await debit(bank, key_purse, 15, reverses=EntryId(key_purse, moved))

    assert await left(bank, key_purse) == [0, 5, 10]
    assert (await verify(bank.url)).is_clean


async def test_of_what_an_entry_brought_free_credits_are_taken_back_before_paid_ones(
    bank: Bank,
) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    await grant(bank, customer.purse, 10, is_paid=True)
    await grant(bank, customer.purse, 10)
    await transfer(bank, customer.purse, key_purse, 20)
    moved = await last_moment(bank, key_purse, "TRANSFER")

    await debit(bank, key_purse, 15, reverses=EntryId(key_purse, moved))

    assert await lots(bank, key_purse) == [(0, False, None), (5, True, None)]


async def test_credits_stay_what_they_are_when_they_move_to_a_key(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    await grant(bank, customer.purse, 10, is_paid=True)
    await grant(bank, customer.purse, 20, lapses=NEXT_YEAR)

    moving = await transfer(bank, customer.purse, key_purse, 25)

    assert moving.balance.total == 5
    assert await left(bank, customer.purse) == [5, 0]
    assert await lots(bank, key_purse) == [(20, False, NEXT_YEAR), (5, True, None)]


async def test_credits_that_move_to_a_key_lapse_there_and_repay_what_it_owes(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    await debit(bank, key_purse, 4, may_owe=True)
    await grant(bank, customer.purse, 10, lapses=NEXT_YEAR)

    await transfer(bank, customer.purse, key_purse, 10)

    assert await kinds(bank, key_purse) == [("TRANSFER", 10), ("CHARGEBACK", -4)]
    assert await next_expiry(bank, key_purse) == NEXT_YEAR
    assert await next_expiry(bank, customer.purse) is None


async def test_credits_that_lapsed_move_to_no_key(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    lapsing = await grant(bank, customer.purse, 30, lapses=NEXT_YEAR)
    await grant(bank, customer.purse, 10)
    await lapse(bank, lapsing.entry_id)

    with pytest.raises(InsufficientCredits) as refusal:
        await transfer(bank, customer.purse, key_purse, 11)

    assert refusal.value.available == 10


async def test_what_was_spent_before_credits_came_was_not_spent_of_them(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    await grant(bank, customer.purse, 20)
    await transfer(bank, customer.purse, key_purse, 10)
    await spend(bank, customer.purse, 4)
    await spend(bank, key_purse, 3)
    await grant(bank, customer.purse, 5, lapses=NEXT_YEAR)

    await transfer(bank, customer.purse, key_purse, 6)

    assert await left(bank, customer.purse) == [5, 0]
    assert await lots(bank, key_purse) == [
        (7, False, None),
        (5, False, NEXT_YEAR),
        (1, False, None),
    ]


async def test_what_a_hold_keeps_from_lapsing_is_not_what_moves_to_a_key(bank: Bank) -> None:
    customer = await bank.customer()
    key_purse = await bank.postings.open(customer.account_id, customer.key_purse.key_number)
    lapsing = await grant(bank, customer.purse, 10, lapses=NEXT_YEAR)
    await grant(bank, customer.purse, 10)
    await hold(bank, customer.purse, 10)
    await lapse(bank, lapsing.entry_id)

    await transfer(bank, customer.purse, key_purse, 10)

    assert await settled(bank, customer.purse) == 10
    assert await settled(bank, key_purse) == 10


async def test_what_lapsed_is_booked_once_by_many_who_look_at_the_same_time(bank: Bank) -> None:
    customer = await bank.customer()
    for _ in range(5):
        lapsing = await grant(bank, customer.purse, 30, lapses=NEXT_YEAR)
        await lapse(bank, lapsing.entry_id)

        found = await asyncio.gather(
            *(bank.books.balances(customer.reader, [customer.purse]) for _ in range(8))
        )

        assert {balances[customer.purse].total for balances in found} == {0}
    assert await kinds(bank, customer.purse) == [("RECHARGE", 30), ("EXPIRY", -30)] * 5


async def test_the_sweep_books_what_has_lapsed(bank: Bank, deployment_secret: str) -> None:
    lapsed = (await bank.customer()).purse
    lasting = (await bank.customer(7)).purse
    credit = await grant(bank, lapsed, 30, lapses=NEXT_YEAR)
    await grant(bank, lapsed, 5, is_paid=True)
    await lapse(bank, credit.entry_id)

    first = await sweep(bank, deployment_secret)
    second = await sweep(bank, deployment_secret)

    assert (first, second) == (1, 0)
    assert await kinds(bank, lapsed) == [("RECHARGE", 30), ("RECHARGE", 5), ("EXPIRY", -30)]
    assert await kinds(bank, lasting) == [("SIGN_UP_GRANT", 7)]


async def test_the_sweep_ends_holds_whose_time_is_over(bank: Bank, deployment_secret: str) -> None:
    purse = (await bank.customer(30)).purse
    over = await bank.ask(purse, 10, lasts_seconds=0)
    in_time = await bank.ask(purse, 5)

    await sweep(bank, deployment_secret)

    captured = await bank.ledger.capture(in_time.hold_id, Microcredits(5))
    expired = await bank.ledger.expire(over.hold_id)
    assert expired.replayed
    assert (captured.balance.total, captured.balance.held) == (25, 0)


async def test_a_hold_that_cannot_be_ended_keeps_no_other_from_its_end(
    bank: Bank, deployment_secret: str
) -> None:
    customer, other = await bank.customer(30), await bank.customer(30)
    program = await make_program(bank, customer, budget=20)
    await bank.ask(customer.purse, 10, lasts_seconds=0, key=program.id.number)
    ended = await bank.ask(other.purse, 10, lasts_seconds=0)
    lapsing = await grant(bank, other.purse, 5, lapses=NEXT_YEAR)
    await lapse(bank, lapsing.entry_id)
    # Its end would make this negative, which the database refuses.
    await bank.owner.execute("UPDATE tallystick.key_budgets SET held = 0")

    swept = await sweep(bank, deployment_secret)

    assert swept == 2
    assert (await bank.ledger.expire(ended.hold_id)).replayed
    assert await kinds(bank, other.purse) == [
        ("SIGN_UP_GRANT", 30),
        ("RECHARGE", 5),
        ("EXPIRY", -5),
    ]


async def test_holds_taken_since_the_clock_was_set_back_are_swept_too(
    bank: Bank, deployment_secret: str
) -> None:
    purse = (await bank.customer(30)).purse
    in_an_hour = (await bank.ask(purse, 10)).hold_id.moment + 3_600_000_000
    await bank.owner.execute("UPDATE tallystick.sweep_mark SET moment = $1", in_an_hour)
    over = await bank.ask(purse, 10, lasts_seconds=0)

    swept = await sweep(bank, deployment_secret)

    assert swept == 1
    assert (await bank.ledger.expire(over.hold_id)).replayed
    assert (await verify(bank.url)).is_clean


async def in_the_batch_of_its_end(bank: Bank, ending: HoldId, *wanted: int) -> Sequence[object]:
    """Capture 10 of a hold and take others, all in one batch: it gathers while a first is sent."""
    first = hold(bank, (await bank.customer(1)).purse, 1)
    capture = bank.ledger.capture(ending, Microcredits(10), ANSWERED)
    holds = (hold(bank, ending.purse, amount) for amount in wanted)
    _, ended, *held = await asyncio.gather(first, capture, *holds, return_exceptions=True)
    assert isinstance(ended, HoldEnded)
    return held


async def grant(
    bank: Bank,
    purse: PurseId,
    amount: int,
    *,
    is_paid: bool = False,
    lapses: datetime | None = None,
) -> Posted:
    credit = Credit(
        kind=EntryKind.RECHARGE, amount=Microcredits(amount), is_paid=is_paid, expires_at=lapses
    )
    return await bank.postings.grant(purse, credit, once())


async def debit(
    bank: Bank,
    purse: PurseId,
    amount: int,
    *,
    reverses: EntryId | None = None,
    may_owe: bool = False,
) -> Posted:
    taking = Debit(
        kind=EntryKind.CHARGEBACK, amount=Microcredits(amount), reverses=reverses, may_owe=may_owe
    )
    return await bank.postings.debit(purse, taking, once())


async def transfer(bank: Bank, source: PurseId, target: PurseId, amount: int) -> Posted:
    return await bank.postings.transfer(
        source=source, target=target, amount=Microcredits(amount), once=once()
    )


async def hold(bank: Bank, purse: PurseId, amount: int) -> None:
    await bank.ledger.hold(purse, Microcredits(amount), once(), lasts_seconds=60)


async def spend(bank: Bank, purse: PurseId, amount: int) -> None:
    await bank.answer(purse, amount, amount)


async def lapse(bank: Bank, *entry_ids: EntryId) -> None:
    """Make the time of these credits of one purse be over, as of now."""
    purse = entry_ids[0].purse
    async with bank.owner.acquire() as connection, connection.transaction():
        over = await connection.fetchval(
            "UPDATE tallystick.lots SET expires_at = now() WHERE account_id = $1"
            " AND key_number = $2 AND entry_moment = ANY ($3) RETURNING expires_at",
            purse.account_id,
            purse.key_number,
            [entry_id.moment for entry_id in entry_ids],
        )
        await connection.execute(
            "UPDATE tallystick.balances SET next_expiry = $3"
            " WHERE account_id = $1 AND key_number = $2",
            purse.account_id,
            purse.key_number,
            over,
        )


async def settled(bank: Bank, purse: PurseId) -> int:
    """The total after what is due has been booked."""
    await bank.owner.execute(
        "SELECT tallystick.settle_purse($1, $2)", purse.account_id, purse.key_number
    )
    total: int = await bank.owner.fetchval(
        "SELECT total FROM tallystick.balances WHERE account_id = $1 AND key_number = $2",
        purse.account_id,
        purse.key_number,
    )
    return total


async def owed(bank: Bank, purse: PurseId) -> int:
    amount: int = await bank.owner.fetchval(
        "SELECT owed FROM tallystick.balances WHERE account_id = $1 AND key_number = $2",
        purse.account_id,
        purse.key_number,
    )
    return amount


async def next_expiry(bank: Bank, purse: PurseId) -> datetime | None:
    """When spending has to look at the lots again."""
    time: datetime | None = await bank.owner.fetchval(
        "SELECT next_expiry FROM tallystick.balances WHERE account_id = $1 AND key_number = $2",
        purse.account_id,
        purse.key_number,
    )
    return time


async def lots(bank: Bank, purse: PurseId) -> list[tuple[int, bool, datetime | None]]:
    """What is left in each lot, whether it was paid for, and when it lapses; oldest first."""
    await settled(bank, purse)
    rows = await bank.owner.fetch(
        "SELECT remaining, is_paid, expires_at FROM tallystick.lots"
        " WHERE account_id = $1 AND key_number = $2 ORDER BY moment",
        purse.account_id,
        purse.key_number,
    )
    return [(row["remaining"], row["is_paid"], row["expires_at"]) for row in rows]


async def left(bank: Bank, purse: PurseId) -> list[int]:
    """What is left in each lot, oldest first."""
    return [remaining for remaining, _, _ in await lots(bank, purse)]


async def kinds(bank: Bank, purse: PurseId) -> list[tuple[str, int]]:
    """Every entry's kind and amount, oldest first."""
    rows = await bank.owner.fetch(
        "SELECT kind, amount FROM tallystick.entries"
        " WHERE account_id = $1 AND key_number = $2 ORDER BY moment",
        purse.account_id,
        purse.key_number,
    )
    return [(row["kind"], row["amount"]) for row in rows]


async def last_moment(bank: Bank, purse: PurseId, kind: str) -> Moment:
    moment: int = await bank.owner.fetchval(
        "SELECT max(moment) FROM tallystick.entries"
        " WHERE account_id = $1 AND key_number = $2 AND kind = $3",
        purse.account_id,
        purse.key_number,
        kind,
    )
    return Moment(moment)


async def sweep(bank: Bank, secret: str) -> int:
    url = url_of(Login.WORKER, bank.url, secret=secret)
    async with pool_of(Login.WORKER, url, connections_max=1) as pool:
        sweeping = Sweeping(ledger=bank.ledger, overdue=PostgresAnswers(pool), lost=NothingIsLost())
        return await sweeping.sweep()


class NothingIsLost:
    """Every runner lives."""

    async def give_up_lost(self) -> int:
        return 0


def once() -> Once:
    return Once.of("a test", str(uuid4()))
