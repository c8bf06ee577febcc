"""What readers are shown of balances, lots, answers, usage and the price book."""

import asyncio
from dataclasses import replace

import pytest

from domain.answers import AnswerStatus
from domain.errors import ProviderFailure
from domain.identity import AccountStatus, Role
from domain.ledger import Credit, Debit, EntryKind, HoldStatus, Once
from domain.pricing import ModelListing
from domain.recharging import ModelChange
from domain.reporting import EntryFilter, PageRequest
from domain.sweeping import ABANDONED
from domain.units import (
    AnswerId,
    EntryId,
    HoldId,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    UsageId,
)
from persistence.operating import load_models
from tests.persistence.bank import MODEL, RATES, SUSPEND, Bank, Customer

LONG_AGO = Moment(1)


async def test_a_balance_says_what_is_available_and_what_is_held(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    await bank.answer(alice.purse, charged=40)
    await bank.ask(alice.purse, 100)

    balance = (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse]

    assert (balance.total, balance.held, balance.available, balance.owed) == (960, 100, 860, 0)


async def test_looking_at_a_balance_and_its_lots_writes_nothing(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    await bank.answer(alice.purse, charged=40)
    version = "SELECT array_agg(xmin::text) FROM tallystick.balances"
    before = await bank.owner.fetchval(version)

    await bank.books.balances(alice.reader, [alice.purse])
    await bank.books.lots(alice.reader, [alice.purse])

    assert await bank.owner.fetchval(version) == before


@pytest.mark.parametrize("role", list(Role))
async def test_credits_that_lapsed_are_shown_to_nobody(bank: Bank, role: Role) -> None:
    alice = await bank.customer(10)
    reader = alice.reader if role is Role.USER else (await bank.administrator()).admin
    await _lapse(bank, alice, 5)

    balance = (await bank.books.balances(reader, [alice.purse]))[alice.purse]
    entries = await bank.books.entry_page(alice.reader, EntryFilter(), PageRequest())

    assert balance.total == 10
    assert [(entry.kind, entry.amount) for entry in entries.items] == [
        (EntryKind.EXPIRY, -5),
        (EntryKind.RECHARGE, 5),
        (EntryKind.SIGN_UP_GRANT, 10),
    ]


async def test_lots_that_lapsed_are_not_shown(bank: Bank) -> None:
    alice = await bank.customer(10)
    await _lapse(bank, alice, 5)

    lots = (await bank.books.lots(alice.reader, [alice.purse]))[alice.purse]

    assert [(lot.amount, lot.remaining) for lot in lots] == [(10, 10)]


async def test_credits_under_a_hold_stay_until_it_ends(bank: Bank) -> None:
    alice = await bank.customer()
    expires_at = await bank.owner.fetchval("SELECT now() + interval '300 ms'")
    await bank.postings.grant(
        alice.purse,
        Credit(kind=EntryKind.RECHARGE, amount=Microcredits(5), expires_at=expires_at),
        Once.of("a test", "1"),
    )
    taken = await bank.ask(alice.purse, 3)
    await asyncio.sleep(0.35)

    during = (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse]
    await bank.ledger.release(taken.hold_id, ABANDONED)
    after = (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse]

    assert (during.total, during.held) == (3, 3)
    assert (after.total, after.held) == (0, 0)


async def test_what_is_owed_is_collected_before_it_shows_as_available(bank: Bank) -> None:
    alice = await bank.customer(100)
    taken = await bank.ask(alice.purse, 100)
    taken_back = Debit(kind=EntryKind.CHARGEBACK, amount=Microcredits(30), may_owe=True)
    await bank.postings.debit(alice.purse, taken_back, Once.of("a test", "1"))
    await bank.ledger.release(taken.hold_id, ABANDONED)

    balance = (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse]

    assert (balance.available, balance.owed) == (70, 0)


async def test_lots_are_shown_in_burn_order_without_what_was_spent(bank: Bank) -> None:
    alice = await bank.customer(10)
    in_a_day = await bank.owner.fetchval("SELECT now() + interval '1 day'")
    in_a_week = await bank.owner.fetchval("SELECT now() + interval '7 days'")
    credits_in = (
        Credit(kind=EntryKind.PURCHASE, amount=Microcredits(20), is_paid=True, expires_at=in_a_day),
        Credit(kind=EntryKind.RECHARGE, amount=Microcredits(30), expires_at=in_a_day),
        Credit(kind=EntryKind.RECHARGE, amount=Microcredits(40), expires_at=in_a_week),
        Credit(kind=EntryKind.PURCHASE, amount=Microcredits(50), is_paid=True),
    )
    for number, credit in enumerate(credits_in):
        await bank.postings.grant(alice.purse, credit, Once.of("a test", str(number)))
    await bank.answer(alice.purse, held=100, charged=36)

    lots = (await bank.books.lots(alice.reader, [alice.purse]))[alice.purse]

    assert [(lot.amount, lot.remaining, lot.expires_at) for lot in lots] == [
        (20, 14, in_a_day),
        (40, 40, in_a_week),
        (10, 10, None),
        (50, 50, None),
    ]


async def test_lots_of_several_purses_are_kept_apart(bank: Bank) -> None:
    alice, bob = await bank.customer(10), await bank.customer(20)
    admin = await bank.administrator()
    await bank.answer(alice.purse, held=5, charged=4)
    await bank.answer(bob.purse, held=5, charged=3)

    lots = await bank.books.lots(admin.admin, [alice.purse, bob.purse, alice.purse])

    remaining = {purse: [lot.remaining for lot in found] for purse, found in lots.items()}
    assert remaining == {alice.purse: [6], bob.purse: [17]}


async def test_an_answer_in_progress_shows_its_hold(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    taken = await bank.ask(alice.purse, 100)
    answer_id = AnswerId(alice.purse, taken.hold_id.moment)

    answer = (await bank.books.answers(alice.reader, [answer_id]))[answer_id]
    hold = (await bank.books.holds(alice.reader, [taken.hold_id]))[taken.hold_id]

    assert (answer.status, answer.held, answer.charged) == (AnswerStatus.RUNNING, 100, 0)
    assert (answer.text, answer.usage_ids, answer.finished_at) == (None, (), None)
    assert (hold.status, hold.amount, hold.ended_at) == (HoldStatus.OPEN, 100, None)


async def test_a_finished_answer_leads_to_its_charge_and_its_usage(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    ended = await bank.answer(alice.purse, charged=40)
    charge_id = EntryId(alice.purse, ended.ended_at)

    charge = (await bank.books.entries(alice.reader, [charge_id]))[charge_id]
    assert charge.answer_id is not None
    answer = (await bank.books.answers(alice.reader, [charge.answer_id]))[charge.answer_id]
    usage = await bank.books.usage_records(alice.reader, answer.usage_ids)

    assert (answer.status, answer.text) == (AnswerStatus.SUCCEEDED, "an answer")
    assert (answer.charged, answer.held, charge.amount) == (40, 0, -40)
    assert [usage[id].charged for id in answer.usage_ids] == [40]
    assert [usage[id].answer_id for id in answer.usage_ids] == [answer.id]


async def test_a_failed_answer_says_why(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    taken = await bank.ask(alice.purse)
    await bank.ledger.release(taken.hold_id, ABANDONED)
    answer_id = AnswerId(alice.purse, taken.hold_id.moment)

    answer = (await bank.books.answers(alice.reader, [answer_id]))[answer_id]

    assert (answer.status, answer.failure) == (AnswerStatus.FAILED, ProviderFailure.ERROR)
    assert len(answer.usage_ids) == 1


async def test_a_text_is_null_once_it_was_forgotten(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    taken = await bank.answer(alice.purse)
    await bank.owner.execute("DELETE FROM tallystick.answer_texts")

    charge_id = EntryId(alice.purse, taken.ended_at)
    charge = (await bank.books.entries(alice.reader, [charge_id]))[charge_id]
    assert charge.answer_id is not None
    page = await bank.books.answers(alice.reader, [charge.answer_id])

    assert page[charge.answer_id].text is None
    assert page[charge.answer_id].charged == 40


async def test_administrators_see_what_an_answer_cost_us_and_customers_do_not(bank: Bank) -> None:
    alice, admin = await bank.customer(1_000), await bank.administrator()
    ended = await bank.answer(alice.purse)
    usage_id = UsageId(alice.purse, Moment(ended.ended_at + 1))

    to_alice = (await bank.books.usage_records(alice.reader, [usage_id]))[usage_id]
    to_admin = (await bank.books.usage_records(admin.admin, [usage_id]))[usage_id]

    assert (to_alice.provider_cost, to_admin.provider_cost) == (None, 17)


async def test_administrators_see_why_an_account_was_suspended(bank: Bank) -> None:
    alice, admin = await bank.customer(), await bank.administrator()
    await bank.owner.execute(SUSPEND, alice.account_id)

    account = (await bank.books.accounts(admin.admin, [alice.account_id]))[alice.account_id]

    assert (account.status, account.suspension_reason) == (AccountStatus.SUSPENDED, "a test")


async def test_customers_see_their_own_account(bank: Bank) -> None:
    alice, bob = await bank.customer(), await bank.customer()

    found = await bank.books.accounts(alice.reader, [alice.account_id, bob.account_id])

    assert list(found) == [alice.account_id]
    account = found[alice.account_id]
    assert (account.email, account.email_confirmed) == (alice.email, True)
    assert (account.role, account.suspension_reason) == (Role.USER, None)


async def test_what_is_not_there_is_left_out(bank: Bank) -> None:
    alice = await bank.customer(1)
    nobodys = alice.key_purse
    books, reader = bank.books, alice.reader

    assert await books.balances(reader, [nobodys]) == {}
    assert await books.lots(reader, [nobodys]) == {}
    assert await books.entries(reader, [EntryId(alice.purse, LONG_AGO)]) == {}
    assert await books.holds(reader, [HoldId(alice.purse, LONG_AGO)]) == {}
    assert await books.answers(reader, [AnswerId(alice.purse, LONG_AGO)]) == {}
    assert await books.usage_records(reader, [UsageId(alice.purse, LONG_AGO)]) == {}
    assert await books.prices([PriceId(99)]) == {}
    assert await books.price_history(reader, [ModelId("none")]) == {}


async def test_asking_for_nothing_gives_nothing(bank: Bank) -> None:
    reader = (await bank.customer(1)).reader
    books = bank.books

    assert await books.accounts(reader, []) == {}
    assert await books.balances(reader, []) == {}
    assert await books.lots(reader, []) == {}
    assert await books.entries(reader, []) == {}
    assert await books.holds(reader, []) == {}
    assert await books.answers(reader, []) == {}
    assert await books.usage_records(reader, []) == {}
    assert await books.prices([]) == {}


async def test_the_price_book_begins_with_the_default_and_has_current_prices(bank: Bank) -> None:
    admin = await bank.administrator()
    await load_models(bank.url, [_model("b", "Beta"), _model("a", "Alpha"), _model("c", "Gamma")])
    await bank.office.save_model(
        admin.session_id, ModelChange(id=ModelId("c"), is_enabled=False), summary="a test"
    )

    enabled = await bank.books.models(enabled_only=True)
    everything = await bank.books.models(enabled_only=False)

    assert [model.id for model in enabled] == ["small", "a", "b"]
    assert [model.id for model in everything] == ["small", "a", "b", "c"]


async def test_a_new_price_replaces_the_old_one_which_stays_known(bank: Bank) -> None:
    admin = await bank.administrator()
    first = (await bank.books.models(enabled_only=True))[0].price
    for output_per_1k in (5, 6):
        rates = replace(RATES, output_per_1k=Microcredits(output_per_1k))
        await bank.office.set_price(admin.session_id, MODEL.id, rates, summary="a test")

    current = (await bank.books.models(enabled_only=True))[0].price
    history = (await bank.books.price_history(admin.admin, [MODEL.id]))[MODEL.id]
    found = await bank.books.prices([first.id, current.id])

    assert current.output_per_1k == 6
    assert [price.output_per_1k for price in history] == [5, RATES.output_per_1k]
    assert found == {first.id: first, current.id: current}
    assert first.effective_from < history[0].effective_from < current.effective_from


async def test_a_new_price_keeps_what_the_provider_charges_us(bank: Bank) -> None:
    admin = await bank.administrator()
    rates = replace(RATES, output_per_1k=Microcredits(5), provider=None)

    await bank.office.set_price(admin.session_id, MODEL.id, rates, summary="a test")

    assert (await bank.books.models(enabled_only=True))[0].price.provider == RATES.provider


def _model(model_id: str, name: str) -> ModelListing:
    return replace(MODEL, id=ModelId(model_id), name=name, is_default=False)


async def _lapse(bank: Bank, customer: Customer, amount: int) -> None:
    """Credits come in, and their time is over."""
    soon = await bank.owner.fetchval("SELECT now() + interval '50 ms'")
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(amount), expires_at=soon)
    await bank.postings.grant(customer.purse, credit, Once.of("a test", "lapse"))
    await asyncio.sleep(0.1)
