"""Payments in the books: what comes in comes in once, and what goes back goes back exactly."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from asyncpg import RestrictViolationError

from domain.alerting import Alert, AlertKind, AlertSeverity
from domain.charging import Settled
from domain.errors import IdempotencyKeyReused, RateLimited
from domain.ledger import Credit, EntryKind, Once
from domain.offering import PaymentProvider
from domain.payments import PaymentMode, PaymentStatus, Progress, ReversalState, judged
from domain.units import Microcredits
from persistence.payments import UNFINISHED_MAX
from persistence.verifying import verify
from tests.persistence.bank import Bank
from tests.persistence.orders import (
    NOW,
    ORDER,
    PACK,
    buyer,
    dispute,
    message,
    once,
    refund,
    standing,
)

PURCHASE = ("PURCHASE", 1_100)
TAKEN_TOO_LATE = "UPDATE tallystick.payments SET taken_at = taken_at + interval '31 days'"
"""As if what is taken back had been bought a month before that."""


async def test_an_order_is_kept_once(bank: Bank) -> None:
    customer = await bank.customer()

    first = await bank.payments.begin(customer.session_id, ORDER, once("k", 1))
    again = await bank.payments.begin(customer.session_id, ORDER, once("k", 1))
    with pytest.raises(IdempotencyKeyReused):
        await bank.payments.begin(customer.session_id, ORDER, once("k", 2))

    assert (first.replayed, again.replayed) == (False, True)
    assert first.payment == again.payment
    assert first.payment.status is PaymentStatus.PENDING


async def test_of_an_account_only_so_many_checkouts_may_be_unfinished(bank: Bank) -> None:
    customer = await bank.customer()
    for _ in range(UNFINISHED_MAX):
        await bank.payments.begin(customer.session_id, ORDER, once(str(uuid4())))

    with pytest.raises(RateLimited):
        await bank.payments.begin(customer.session_id, ORDER, once("one more"))


async def test_a_paid_payment_brings_its_credits_with_a_free_lot_for_the_bonus(bank: Bank) -> None:
    pack = replace(PACK, valid_days=30, bonus_valid_days=7)
    ada = await buyer(bank, pack=pack)

    assert await ada.is_told() is Settled.CHANGED

    payment = await ada.now()
    lots = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    assert payment.status is PaymentStatus.SUCCEEDED
    assert payment.paid_at == NOW
    assert await ada.lines() == [PURCHASE]
    assert [lot.amount for lot in lots] == [100, 1_000]
    assert {lot.entry_id for lot in lots} == {payment.entry_id}
    lasts = [
        round((lot.expires_at - NOW).total_seconds() / 86_400) if lot.expires_at else None
        for lot in lots
    ]
    days = (await bank.owner.fetchval("SELECT now()") - NOW).total_seconds() / 86_400
    assert lasts == [round(7 + days), round(30 + days)]


async def test_told_again_it_brings_nothing_more(bank: Bank) -> None:
    ada = await buyer(bank)

    told = [await ada.is_told() for _ in range(3)]

    assert told == [Settled.CHANGED, Settled.UNCHANGED, Settled.UNCHANGED]
    assert await ada.lines() == [PURCHASE]


async def test_of_twenty_that_settle_at_once_one_brings_the_credits(bank: Bank) -> None:
    ada = await buyer(bank)
    payment = await ada.now()
    settlement = judged(payment, standing(payment), now=NOW)

    told = await asyncio.gather(
        *(bank.payments.settle(payment, settlement, message(f"evt_{n}")) for n in range(20))
    )

    assert sorted(told) == [Settled.CHANGED, *[Settled.STALE] * 19]
    assert await ada.lines() == [PURCHASE]
    assert (await verify(bank.url)).is_clean


async def test_what_was_judged_before_a_change_is_not_applied_after_it(bank: Bank) -> None:
    ada = await buyer(bank)
    before = await ada.now()
    await ada.is_told(refund(500))

    late = await bank.payments.settle(before, judged(before, standing(before), now=NOW))

    assert late is Settled.STALE
    assert await ada.balance() == (0, 0)


async def test_refunds_take_back_the_difference_only(bank: Bank) -> None:
    ada = await buyer(bank)

    await ada.is_told()
    await ada.is_told(refund(100))
    await ada.is_told(refund(100), refund(100, reference="re_2"))
    await ada.is_told(refund(100), refund(100, reference="re_2"))
    await ada.is_told(refund(100), refund(400, reference="re_2"))

    assert await ada.lines() == [
        PURCHASE,
        ("CHARGEBACK", -220),
        ("CHARGEBACK", -220),
        ("CHARGEBACK", -660),
    ]
    assert (await ada.now()).status is PaymentStatus.REVERSED
    assert (await verify(bank.url)).is_clean


async def test_what_a_payment_brought_is_taken_back_before_other_credits(bank: Bank) -> None:
    ada = await buyer(bank, given=500)
    await ada.is_told()

    await ada.is_told(refund(500))

    (lot,) = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    assert (lot.amount, lot.remaining) == (500, 500)


async def test_a_refund_that_is_listed_twice_counts_once(bank: Bank) -> None:
    ada = await buyer(bank)

    await ada.is_told(refund(100), refund(100))

    assert await ada.balance() == (880, 0)
    assert (await verify(bank.url)).is_clean


async def test_a_refund_that_its_provider_does_not_list_any_more_is_gone(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told(refund(100), refund(200, reference="re_2"))

    await ada.is_told(refund(200, reference="re_2"))

    rows = await bank.owner.fetch("SELECT reference, state FROM tallystick.payment_reversals")
    assert {tuple(row) for row in rows} == {("re_1", "GONE"), ("re_2", "SUCCEEDED")}
    assert await ada.balance() == (660, 0)
    assert (await verify(bank.url)).is_clean


async def test_finished_checkouts_do_not_count_as_unfinished(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    for _ in range(UNFINISHED_MAX):
        await bank.payments.begin(ada.customer.session_id, ORDER, once(str(uuid4())))

    with pytest.raises(RateLimited):
        await bank.payments.begin(ada.customer.session_id, ORDER, once("one more"))


async def test_a_refund_that_fails_gives_the_credits_back(bank: Bank) -> None:
    ada = await buyer(bank)

    await ada.is_told(refund(500, ReversalState.PENDING))
    taken = await ada.balance()
    await ada.is_told(refund(500, ReversalState.FAILED))

    assert taken == (0, 0)
    assert await ada.balance() == (1_100, 0)
    assert (await ada.now()).status is PaymentStatus.SUCCEEDED
    assert (await verify(bank.url)).is_clean


async def test_what_was_spent_already_is_owed_and_repaid_first(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    await bank.answer(ada.customer.purse, held=1_000, charged=900)

    await ada.is_told(dispute(500))
    disputed = await ada.balance()
    await ada.is_told(dispute(500, ReversalState.WON))
    won = await ada.balance()
    await ada.is_told(dispute(500, ReversalState.WON), refund(500))
    refunded = await ada.balance()

    assert disputed == (0, 900)
    assert won == (200, 0)
    assert refunded == (0, 900)
    assert (await verify(bank.url)).is_clean


async def test_what_was_spent_is_owed_no_more_once_a_dispute_is_won_however_late(
    bank: Bank,
) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    await ada.is_told()
    await bank.answer(ada.customer.purse, held=1_100, charged=1_100)
    await ada.is_told(dispute(500))
    await bank.owner.execute(TAKEN_TOO_LATE)

    await ada.is_told(dispute(500, ReversalState.WON))

    assert await ada.balance() == (0, 0)
    assert (await ada.lines())[2:] == [("CHARGEBACK", 1_100), ("CHARGEBACK", -1_100)]
    assert (await verify(bank.url)).is_clean


async def test_what_was_taken_of_other_credits_does_not_lapse_when_it_is_restored(
    bank: Bank,
) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    await ada.is_told()
    await bank.answer(ada.customer.purse, held=1_100, charged=1_100)
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(700))
    await bank.postings.grant(ada.customer.purse, credit, Once.of("grant", "1"))
    await ada.is_told(dispute(500))
    disputed = await ada.balance()
    await bank.owner.execute(TAKEN_TOO_LATE)

    await ada.is_told(dispute(500, ReversalState.WON))

    (lot,) = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    assert disputed == (0, 400)
    assert await ada.balance() == (700, 0)
    assert lot.expires_at is None
    assert (await verify(bank.url)).is_clean


async def test_nothing_to_take_is_all_owed_and_writes_no_line(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    await bank.answer(ada.customer.purse, held=1_100, charged=1_100)

    await ada.is_told(refund(250))
    await ada.is_told(refund(500))

    assert await ada.balance() == (0, 1_100)
    assert [kind for kind, _ in await ada.lines()] == ["PURCHASE", "CHARGE"]
    assert (await verify(bank.url)).is_clean


async def test_what_was_repaid_last_is_no_line_of_a_payment_that_takes_nothing(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    await bank.answer(ada.customer.purse, held=1_100, charged=1_100)
    await ada.is_told(refund(250))
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(100))
    await bank.postings.grant(ada.customer.purse, credit, Once.of("grant", "1"))

    await ada.is_told(refund(500))

    assert await ada.balance() == (0, 1_000)
    assert (await ada.lines())[-2:] == [("RECHARGE", 100), ("CHARGEBACK", -100)]
    assert (await verify(bank.url)).is_clean


async def test_credits_under_an_open_hold_are_owed_until_it_ends(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    taken = await bank.ask(ada.customer.purse, 600)

    await ada.is_told(refund(500))
    during = await ada.balance()
    await bank.ledger.capture(taken.hold_id, Microcredits(0))

    assert during == (600, 600)
    assert await ada.balance() == (0, 0)


async def test_restored_credits_last_as_long_as_they_would_have(bank: Bank) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    await ada.is_told(dispute(500))
    await bank.owner.execute(
        "UPDATE tallystick.payments SET taken_at = taken_at - interval '10 days'"
    )

    await ada.is_told(dispute(500, ReversalState.WON))

    (lot,) = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    left = await bank.owner.fetchval("SELECT $1::timestamptz - now()", lot.expires_at)
    assert 39.9 < left.total_seconds() / 86_400 < 40.1


async def test_a_dispute_that_is_lost_won_and_lost_again_takes_once_and_restores_all_its_time(
    bank: Bank,
) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    await ada.is_told()
    seen = []
    for state in (ReversalState.LOST, ReversalState.WON) * 2:
        await ada.is_told(dispute(500, state))
        await bank.owner.execute(
            "UPDATE tallystick.payments SET taken_at = taken_at - interval '10 days'"
        )
        seen.append(await ada.balance())

    (lot,) = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    left = await bank.owner.fetchval("SELECT $1::timestamptz - now()", lot.expires_at)
    assert seen == [(0, 0), (1_100, 0)] * 2
    assert 49.9 < left.total_seconds() / 86_400 < 50.1
    assert (await verify(bank.url)).is_clean


async def test_credits_taken_back_by_and_by_were_away_since_the_first(bank: Bank) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    await ada.is_told(dispute(250))
    await bank.owner.execute(
        "UPDATE tallystick.payments SET taken_at = taken_at - interval '10 days'"
    )

    await ada.is_told(dispute(250), refund(250, ReversalState.PENDING))
    await ada.is_told(dispute(250, ReversalState.WON), refund(250, ReversalState.FAILED))

    (lot,) = (await bank.books.lots(ada.customer.reader, [ada.customer.purse]))[ada.customer.purse]
    left = await bank.owner.fetchval("SELECT $1::timestamptz - now()", lot.expires_at)
    assert 39.9 < left.total_seconds() / 86_400 < 40.1


async def test_a_refund_that_is_known_before_the_purchase_leaves_nothing(bank: Bank) -> None:
    ada = await buyer(bank, given=7)

    await ada.is_told(refund(500))

    assert await ada.balance() == (7, 0)
    assert (await ada.now()).status is PaymentStatus.REVERSED


async def test_one_charge_pays_for_one_payment(bank: Bank) -> None:
    ada, bob = await buyer(bank), await buyer(bank)
    await ada.is_told()
    theirs = replace(standing(bob.payment), charge_reference=(await ada.now()).charge_reference)

    settlement = judged(bob.payment, theirs, now=NOW)

    assert await bank.payments.settle(bob.payment, settlement) is Settled.TAKEN
    assert await bob.lines() == []


async def test_a_message_is_dealt_with_by_the_commit_that_did_what_it_says(bank: Bank) -> None:
    ada = await buyer(bank)
    before = await bank.payments.has_heard(ada.payment.id, message("evt_1"))

    await ada.is_told(heard=message("evt_1"))

    assert before is False
    assert await bank.payments.has_heard(ada.payment.id, message("evt_1")) is True
    assert await bank.payments.has_heard(ada.payment.id, message("evt_2")) is False


async def test_an_account_is_suspended_while_a_payment_of_it_is_disputed(bank: Bank) -> None:
    ada = await buyer(bank)
    status = "SELECT status FROM tallystick.accounts WHERE id = $1"

    await ada.is_told(dispute(500), suspends=True)
    during = await bank.owner.fetchval(status, ada.customer.account_id)
    await ada.is_told(dispute(500, ReversalState.WON), suspends=True)

    assert during == "SUSPENDED"
    assert await bank.owner.fetchval(status, ada.customer.account_id) == "ACTIVE"
    actions = await bank.owner.fetch(
        "SELECT action FROM tallystick.audit_entries WHERE target_id = $1 ORDER BY id",
        str(ada.customer.account_id),
    )
    assert [row["action"] for row in actions] == ["suspendAccount", "reinstateAccount"]


async def test_an_unfinished_payment_is_looked_at_now_and_then(bank: Bank) -> None:
    ada = await buyer(bank)
    older = "UPDATE tallystick.payments SET moment = moment - 61000000, looked_at = NULL"

    early = await bank.payments.due(10)
    async with bank.owner.acquire() as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(older)
        await connection.execute("RESET session_replication_role")
    due = await bank.payments.due(10)
    again = await bank.payments.due(10)

    assert [len(early), len(due), len(again)] == [0, 1, 0]
    assert due[0].purse == ada.payment.id.purse


async def test_a_provider_is_asked_once_however_many_want_to_know(bank: Bank) -> None:
    ada = await buyer(bank)

    may = await asyncio.gather(
        *(bank.payments.may_look(ada.payment.id, pause_seconds=60) for _ in range(10))
    )
    await ada.is_told()

    assert sorted(may) == [False] * 9 + [True]
    assert await bank.payments.may_look(ada.payment.id, pause_seconds=0) is False


async def test_the_first_page_that_is_kept_stays(bank: Bank) -> None:
    ada = await buyer(bank)

    other = await bank.payments.attach(ada.payment.id, "cs_other", "https://pay.test/other")

    assert other.checkout_url == "https://pay.test/1"
    assert other.checkout_reference == ada.payment.checkout_reference


async def test_a_customer_is_known_by_the_provider_and_mode_it_paid_in(bank: Bank) -> None:
    ada = await buyer(bank)
    await ada.is_told()
    account_id = ada.customer.account_id

    found = [
        await bank.payments.customer(account_id, provider, mode)
        for provider, mode in (
            (PaymentProvider.STRIPE, PaymentMode.TEST),
            (PaymentProvider.STRIPE, PaymentMode.LIVE),
            (PaymentProvider.PAYSTACK, PaymentMode.TEST),
        )
    ]

    assert found == ["cus_1", None, None]


async def test_an_order_is_never_changed_or_removed(bank: Bank) -> None:
    await buyer(bank)

    for change in ("UPDATE tallystick.payments SET price = 1", "DELETE FROM tallystick.payments"):
        with pytest.raises(RestrictViolationError):
            await bank.owner.execute(change)


async def test_customers_see_their_own_payments_and_not_what_is_the_operators(bank: Bank) -> None:
    ada, bob = await buyer(bank), await buyer(bank)
    await ada.is_told()
    await bob.is_told()
    ids = [ada.payment.id, bob.payment.id]

    seen = await bank.books.payments(ada.customer.reader, ids)
    line = (await ada.now()).entry_id
    assert line is not None

    assert list(seen) == [ada.payment.id]
    assert seen[ada.payment.id].charge_reference is None
    assert seen[ada.payment.id].receipt_url == "https://receipts.test/1"
    assert await bank.books.payments_of_entries(ada.customer.reader, [line]) == {
        line: ada.payment.id
    }
    assert await bank.books.payments_of_entries(bob.customer.reader, [line]) == {}


async def test_alerts_of_one_subject_are_counted(bank: Bank) -> None:
    alert = Alert(
        kind=AlertKind.PAYMENT_MISMATCH,
        severity=AlertSeverity.CRITICAL,
        subject="ts-1-1",
        message="something",
    )

    for _ in range(3):
        await bank.payments.raise_alert(alert)
    await bank.payments.raise_alert(replace(alert, subject="ts-1-2"))

    rows = await bank.owner.fetch("SELECT subject, count FROM tallystick.alerts ORDER BY id")
    assert [tuple(row) for row in rows] == [("ts-1-1", 3), ("ts-1-2", 1)]


async def test_an_unpaid_payment_ends_without_a_line(bank: Bank) -> None:
    ada = await buyer(bank)

    await ada.is_told(progress=Progress.FAILED)

    assert (await ada.now()).status is PaymentStatus.FAILED
    assert await ada.lines() == []
