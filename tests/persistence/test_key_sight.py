"""What a request with an API key sees of each table: the rows of that key, while it is in force."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.keys import KeyChange, KeyFunding
from domain.ledger import Entry, EntryKind, Once
from domain.reporting import EntryFilter, PageRequest, Reader, Span, UsageFilter
from domain.running import time_of
from domain.units import AnswerId, EntryId, Microcredits, UsageId
from persistence.roles import Login
from tests.persistence.bank import ANSWERED, GIVEN_UP, SUSPEND, Bank, Customer
from tests.persistence.intruder import DENIED, Intruder, intruding
from tests.persistence.programs import Program, make_program

AT_THE_SECOND_TRY = replace(
    ANSWERED,
    attempts=(
        GIVEN_UP.attempts[0],
        replace(ANSWERED.attempts[0], attempt=2),
    ),
)
BY_ASKING = ("holds", "usage_records", "usage_hours", "usage_folds", "answers")
"""Tables and views whose rows say with which key something was asked."""

SEEN = {
    **dict.fromkeys(BY_ASKING, "SELECT DISTINCT api_key_number FROM tallystick.{}"),
    "answer_texts": "SELECT DISTINCT text FROM tallystick.{}",
    "entries": "SELECT DISTINCT amount FROM tallystick.{}",
    "balances": "SELECT key_number FROM tallystick.{}",
    "lots": "SELECT DISTINCT key_number FROM tallystick.{}",
    "api_keys": "SELECT key_number FROM tallystick.{}",
    "key_budgets": "SELECT key_number FROM tallystick.{}",
    "account_contacts": "SELECT email FROM tallystick.{}",
    "accounts": "SELECT display_name FROM tallystick.{}",
}


async def seen(intruder: Intruder) -> Mapping[str, set[object]]:
    """What of each table somebody reads."""
    return {
        table: {row[0] for row in await intruder.connection.fetch(query.format(table))}
        for table, query in SEEN.items()
    }


async def test_a_key_that_spends_the_accounts_credits_sees_its_own_rows(bank: Bank) -> None:
    customer, spending, own = await _customer_with_programs(bank)

    async with intruding(bank, Login.USER, spending.context_id) as intruder:
        sees = await seen(intruder)

    assert sees == {
        **{table: {spending.id.number} for table in BY_ASKING},
        "answer_texts": {"an answer"},
        "entries": {-20},
        "balances": {0},
        "lots": {0},
        "api_keys": {spending.id.number},
        "key_budgets": {spending.id.number},
        "account_contacts": set(),
        "accounts": {"A customer"},
    }
    assert customer.account_id == own.id.account_id


async def test_a_key_with_its_own_credits_sees_those_and_the_accounts_balance(bank: Bank) -> None:
    _, _, own = await _customer_with_programs(bank)

    async with intruding(bank, Login.USER, own.context_id) as intruder:
        sees = await seen(intruder)

    assert sees == {
        **{table: {own.id.number} for table in BY_ASKING},
        "answer_texts": {"an answer"},
        "entries": {200, -30},
        "balances": {0, own.id.number},
        "lots": {0, own.id.number},
        "api_keys": {own.id.number},
        "key_budgets": set(),
        "account_contacts": set(),
        "accounts": {"A customer"},
    }


async def test_a_person_sees_everything_of_the_account(bank: Bank) -> None:
    customer, spending, own = await _customer_with_programs(bank)
    numbers = {0, spending.id.number, own.id.number}

    async with intruding(bank, Login.USER, customer.session_id) as intruder:
        sees = await seen(intruder)

    assert sees == {
        **dict.fromkeys(BY_ASKING, numbers),
        "answer_texts": {"an answer"},
        "entries": {1_000, -200, 200, -10, -20, -30},
        "balances": {0, own.id.number},
        "lots": {0, own.id.number},
        "api_keys": numbers - {0},
        "key_budgets": {spending.id.number},
        "account_contacts": {customer.email},
        "accounts": {"A customer"},
    }


async def test_pages_and_look_ups_of_a_key_are_its_own(bank: Bank) -> None:
    customer, spending, own = await _customer_with_programs(bank)
    books = bank.books
    everything = await books.usage_page(customer.reader, UsageFilter(), PageRequest())
    entries = await books.entry_page(customer.reader, EntryFilter(), PageRequest())
    usage_ids = [record.id for record in everything.items]
    answer_ids = [record.answer_id for record in everything.items if record.answer_id]

    usage = await books.usage_page(spending.reader, UsageFilter(), PageRequest())
    found = await books.usage_records(spending.reader, usage_ids)
    answers = await books.answers(spending.reader, answer_ids)
    lines = await books.entries(spending.reader, [entry.id for entry in entries.items])
    keys = await books.api_keys(spending.reader, [spending.id, own.id])
    others = await books.usage_page(spending.reader, UsageFilter(api_key=own.id), PageRequest())

    (record,) = usage.items
    assert record.api_key_number == spending.id.number
    assert set(found) == {UsageId(customer.purse, record.id.moment)}
    assert record.answer_id is not None
    assert set(answers) == {AnswerId(customer.purse, record.answer_id.moment)}
    assert [entry.amount for entry in lines.values()] == [-20]
    assert all(isinstance(name, EntryId) for name in lines)
    assert set(keys) == {spending.id}
    assert others.items == []


@pytest.mark.parametrize("funding", KeyFunding)
async def test_the_ledger_of_a_key_is_what_it_may_see_of_its_accounts(
    bank: Bank, funding: KeyFunding
) -> None:
    customer = await bank.customer(5_000)
    program = await make_program(bank, customer, funding=funding)
    if funding is KeyFunding.OWN:
        once = Once.of("fundApiKey", "1")
        await bank.key_ring.fund(customer.session_id, program.id, Microcredits(900), once)
    for end in (ANSWERED, AT_THE_SECOND_TRY, GIVEN_UP, ANSWERED, AT_THE_SECOND_TRY):
        await bank.answer(customer.purse, 10, 10)
        taken = await bank.ask(program.purse, 70, key=program.id.number)
        await bank.ledger.capture(taken.hold_id, Microcredits(0 if end is GIVEN_UP else 50), end)
    by_policy = program.reader
    as_key = replace(by_policy, api_key=program.id, has_own_credits=funding is KeyFunding.OWN)
    everything = (await bank.books.entry_page(by_policy, EntryFilter(), PageRequest())).items
    moments = [time_of(entry.id.moment) for entry in everything]
    filters = [
        EntryFilter(),
        EntryFilter(account_id=customer.account_id, kinds=frozenset({EntryKind.CHARGE})),
        EntryFilter(kinds=frozenset({EntryKind.ADJUSTMENT})),
        EntryFilter(api_key=program.id),
        *(EntryFilter(span=Span(moments[old], moments[new])) for old in (-1, 2) for new in (0, 1)),
        EntryFilter(span=Span(moments[2] + timedelta(microseconds=1))),
    ]

    for wanted in filters:
        assert await paged(bank, as_key, wanted) == await paged(bank, by_policy, wanted), wanted

    assert len(everything) == (5 if funding is KeyFunding.OWN else 4)


async def paged(bank: Bank, reader: Reader, wanted: EntryFilter) -> list[Entry]:
    """All entries that somebody sees, two at a time."""
    found: list[Entry] = []
    after: tuple[int, ...] | None = None
    while True:
        page = await bank.books.entry_page(reader, wanted, PageRequest(2, after))
        found += page.items
        if not page.has_next:
            return found
        after = page.places[-1]


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE tallystick.api_keys SET revoked_at = now() WHERE account_id = $1",
        "UPDATE tallystick.api_keys SET is_enabled = false WHERE account_id = $1",
        "UPDATE tallystick.api_keys SET expires_at = now() WHERE account_id = $1",
        SUSPEND,
    ],
    ids=["revoked", "switched off", "ran out", "suspended"],
)
async def test_a_key_that_is_not_in_force_sees_nothing(bank: Bank, end: str) -> None:
    customer, spending, own = await _customer_with_programs(bank)
    await bank.owner.execute(end, customer.account_id)

    for program in (spending, own):
        async with intruding(bank, Login.USER, program.context_id) as intruder:
            assert set().union(*(await seen(intruder)).values()) == set()


async def test_an_edit_holds_in_the_next_transaction(bank: Bank) -> None:
    customer, spending, _ = await _customer_with_programs(bank)

    await bank.key_ring.update(customer.session_id, spending.id.number, KeyChange(is_enabled=False))
    while_off = await bank.books.usage_page(spending.reader, UsageFilter(), PageRequest())
    await bank.key_ring.update(customer.session_id, spending.id.number, KeyChange(is_enabled=True))
    when_on = await bank.books.usage_page(spending.reader, UsageFilter(), PageRequest())

    assert (len(while_off.items), len(when_on.items)) == (0, 1)


async def test_an_administrators_key_sees_nothing_by_the_administrators_login(bank: Bank) -> None:
    await _customer_with_programs(bank)
    admin = await bank.administrator()
    program = await make_program(bank, admin)

    async with intruding(bank, Login.ADMIN, program.context_id) as intruder:
        numbers = {
            table: await intruder.connection.fetchval(f"SELECT count(*) FROM tallystick.{table}")  # noqa: S608 - names of ours
            for table in SEEN
        }

    assert numbers == dict.fromkeys(SEEN, 0)


@pytest.mark.parametrize("login", [Login.USER, Login.ADMIN])
@pytest.mark.parametrize("column", ["secret_hash", "context_id"])
async def test_nobody_reads_what_a_key_is_checked_by(bank: Bank, login: Login, column: str) -> None:
    admin = await bank.administrator()
    await make_program(bank, admin)

    async with intruding(bank, login, admin.session_id) as intruder:
        outcomes = [
            await intruder.attempt(f"SELECT {column} FROM tallystick.api_keys"),  # noqa: S608 - a name of ours
            await intruder.attempt(
                f"SELECT 1 FROM tallystick.api_keys ORDER BY {column}"  # noqa: S608 - the same
            ),
            await intruder.attempt("SELECT tallystick.api_keys_in_force('{1}', '{1}')"),
        ]

    assert outcomes == [DENIED] * 3


async def test_the_number_of_a_key_is_no_context(bank: Bank) -> None:
    _, spending, _ = await _customer_with_programs(bank)

    async with intruding(bank, Login.USER) as intruder:
        for context in (
            f"00000000-0000-0000-0000-{spending.id.number:012}",
            f"00000000-0000-0000-0000-{spending.id.account_id % 10**12:012}",
        ):
            await intruder.enter(context)
            assert set().union(*(await seen(intruder)).values()) == set()


async def _customer_with_programs(bank: Bank) -> tuple[Customer, Program, Program]:
    """Three answers of one account: by its owner, by a key under a budget, by a key of means."""
    customer = await bank.customer(1_000)
    spending = await make_program(bank, customer, budget=500)
    own = await make_program(bank, customer, funding=KeyFunding.OWN)
    once = Once.of("fundApiKey", "1")
    await bank.key_ring.fund(customer.session_id, own.id, Microcredits(200), once)
    await bank.answer(customer.purse, 100, 10)
    await bank.answer(spending.purse, 100, 20, key=spending.id.number)
    await bank.answer(own.purse, 100, 30, key=own.id.number)
    await bank.folding.fold()
    return customer, spending, own
