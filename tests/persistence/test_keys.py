"""Keys of an account: made, found by who authenticates, changed, funded and ended."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from domain.budgets import BudgetPeriod, BudgetTerms
from domain.errors import (
    Forbidden,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    StateConflict,
)
from domain.identity import AccountStatus, Scope
from domain.key_texts import read
from domain.keys import KeyChange, KeyFunding, NewKey
from domain.ledger import Once
from domain.reporting import PageRequest
from domain.units import ApiKeyId, EntryId, KeyNumber, Microcredits, ModelId
from persistence.keys import PostgresKeysInForce
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.app.clocks import MovedClock
from tests.persistence.bank import MODEL, SUSPEND, Bank
from tests.persistence.programs import make_program

ALL = "SELECT * FROM tallystick.{table}"
TABLES = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind IN ('r', 'p')
"""
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def once(key: str) -> Once:
    return Once.of("fundApiKey", key, "a test")


async def test_a_key_is_found_with_the_hash_of_its_secret(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer, models=(MODEL.id,))

    found = await bank.keys.key_in_force(program.id)

    presented = read(program.text)
    assert found is not None
    assert presented is not None
    assert (presented.key_id, presented.secret_hash) == (found.id, found.secret_hash)
    assert found.scopes == set(Scope)
    assert found.allowed_models == {MODEL.id}
    assert found.context_id == program.context_id


async def test_numbers_of_keys_are_never_given_twice(bank: Bank) -> None:
    customer = await bank.customer()

    programs = await asyncio.gather(*(make_program(bank, customer) for _ in range(8)))
    await bank.key_ring.revoke(customer.session_id, programs[0].id)
    later = await make_program(bank, customer)

    assert sorted(program.id.number for program in programs) == list(range(1, 9))
    assert later.id.number == 9


async def test_an_account_has_a_hundred_keys_that_work_and_no_more(bank: Bank) -> None:
    customer = await bank.customer()
    first = await make_program(bank, customer)
    for _ in range(99):
        await make_program(bank, customer)

    with pytest.raises(StateConflict, match="at most 100"):
        await make_program(bank, customer)
    await bank.key_ring.revoke(customer.session_id, first.id)
    await make_program(bank, customer)


async def test_a_key_cannot_name_a_model_that_does_not_exist(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)
    unknown = (MODEL.id, ModelId("unknown"))

    with pytest.raises(NotFound, match="model"):
        await make_program(bank, customer, models=unknown)
    with pytest.raises(NotFound, match="model"):
        await bank.key_ring.update(
            customer.session_id, program.id.number, KeyChange(allowed_models=unknown)
        )


@pytest.mark.parametrize("change", [KeyChange(is_enabled=False), KeyChange(expires_at=PAST)])
async def test_a_key_that_is_switched_off_or_ran_out_is_not_in_force(
    bank: Bank, change: KeyChange
) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)

    await bank.key_ring.update(customer.session_id, program.id.number, change)

    assert await bank.keys.key_in_force(program.id) is None


async def test_what_a_change_leaves_out_stays_and_null_takes_away(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer, models=(MODEL.id,))
    number = program.id.number

    await bank.key_ring.update(
        customer.session_id, number, KeyChange(requests_per_minute=5, name="another")
    )
    first = await bank.keys.key_in_force(program.id)
    await bank.key_ring.update(
        customer.session_id, number, KeyChange(requests_per_minute=None, allowed_models=None)
    )
    second = await bank.keys.key_in_force(program.id)

    assert first is not None
    assert second is not None
    assert first.requests_per_minute == 5
    assert first.allowed_models == {MODEL.id}
    assert second == replace(first, requests_per_minute=None, allowed_models=frozenset())


async def test_a_suspended_accounts_key_is_told_as_that(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)
    await bank.owner.execute(SUSPEND, customer.account_id)

    found = await bank.keys.key_in_force(program.id)

    assert found is not None
    assert found.status is AccountStatus.SUSPENDED


async def test_a_revoked_key_stays_revoked(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)

    first = await bank.key_ring.revoke(customer.session_id, program.id)
    again = await bank.key_ring.revoke(customer.session_id, program.id)

    assert (first.returned, again.returned) == (0, 0)
    assert await bank.keys.key_in_force(program.id) is None
    with pytest.raises(StateConflict):
        await bank.key_ring.update(
            customer.session_id, program.id.number, KeyChange(is_enabled=True)
        )


async def test_another_persons_keys_do_not_exist(bank: Bank) -> None:
    alice, mallory = await bank.customer(), await bank.customer(100)
    program = await make_program(bank, alice, funding=KeyFunding.OWN)
    nobodys = ApiKeyId(mallory.account_id, KeyNumber(1))

    with pytest.raises(NotFound):
        await bank.key_ring.update(
            mallory.session_id, program.id.number, KeyChange(name="mine now")
        )
    with pytest.raises(NotFound):
        await bank.key_ring.revoke(mallory.session_id, nobodys)
    with pytest.raises(NotFound):
        await bank.key_ring.fund(mallory.session_id, nobodys, Microcredits(1), once("1"))
    assert await bank.keys.key_in_force(program.id) is not None


async def test_a_key_changes_no_keys(bank: Bank) -> None:
    customer = await bank.customer(100)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)
    as_key, number = program.context_id, program.id.number
    new = NewKey(name="mine", scopes=frozenset(Scope), funding=KeyFunding.ACCOUNT)

    for attempt in (
        bank.key_ring.create(as_key, new, secret_hash=b"h" * 32, secret_start="abcd"),
        bank.key_ring.update(as_key, number, KeyChange(budget=None)),
        bank.key_ring.revoke(as_key, program.id),
        bank.key_ring.fund(as_key, program.id, Microcredits(1), once("1")),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_an_ended_session_changes_no_keys(bank: Bank) -> None:
    customer = await bank.customer()
    await bank.owner.execute(
        "UPDATE tallystick.sessions SET ended_at = now() WHERE id = $1", customer.session_id
    )

    with pytest.raises(Forbidden):
        await make_program(bank, customer)


async def test_an_administrators_key_is_no_administrator(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    program = await make_program(bank, admin)

    with pytest.raises(Forbidden):
        await bank.office.adjust(
            program.context_id, alice.account_id, Microcredits(1), reason="mine", once=once("1")
        )


async def test_changes_of_an_administrators_keys_are_audited_and_customers_are_not(
    bank: Bank,
) -> None:
    admin, alice = await bank.administrator(), await bank.customer()
    program = await make_program(bank, admin, name="a robot")
    await make_program(bank, alice)
    await bank.key_ring.update(
        admin.session_id, program.id.number, KeyChange(name="robot 2", is_enabled=False)
    )
    await bank.key_ring.revoke(admin.session_id, program.id)
    await bank.key_ring.revoke(admin.session_id, program.id)

    page = await bank.books.audit_page(admin.admin, PageRequest())

    assert [
        (entry.actor_id, entry.action, entry.summary)
        for entry in page.items
        if entry.action.endswith("ApiKey")
    ] == [
        (admin.account_id, "revokeApiKey", "ended the API key for good"),
        (admin.account_id, "updateApiKey", "changed name, is_enabled"),
        (admin.account_id, "createApiKey", "made the API key a robot"),
    ]


async def test_a_key_with_its_own_credits_has_no_budget(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer, funding=KeyFunding.OWN)
    terms = BudgetTerms(Microcredits(5), BudgetPeriod.DAY)

    with pytest.raises(InvalidInput):
        await make_program(bank, customer, funding=KeyFunding.OWN, budget=5)
    with pytest.raises(InvalidInput):
        await bank.key_ring.update(customer.session_id, program.id.number, KeyChange(budget=terms))


async def test_credits_move_to_a_key_once(bank: Bank) -> None:
    customer = await bank.customer(100)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)

    first = await bank.key_ring.fund(customer.session_id, program.id, Microcredits(60), once("1"))
    again = await bank.key_ring.fund(customer.session_id, program.id, Microcredits(60), once("1"))
    balances = await bank.books.balances(customer.reader, [customer.purse, program.purse])

    assert (first.replayed, again.replayed) == (False, True)
    assert first.entry_id == again.entry_id
    assert first.entry_id.purse == customer.purse
    assert [balances[purse].available for purse in (customer.purse, program.purse)] == [40, 60]
    with pytest.raises(IdempotencyKeyReused):
        await bank.key_ring.fund(
            customer.session_id, program.id, Microcredits(1), Once.of("fundApiKey", "1", "other")
        )


async def test_an_account_cannot_give_a_key_more_than_it_has(bank: Bank) -> None:
    customer = await bank.customer(100)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)

    with pytest.raises(InsufficientCredits) as refused:
        await bank.key_ring.fund(customer.session_id, program.id, Microcredits(101), once("1"))

    assert (refused.value.required, refused.value.available) == (101, 100)


async def test_only_a_living_key_with_its_own_credits_takes_some(bank: Bank) -> None:
    customer = await bank.customer(100)
    spends_the_accounts = await make_program(bank, customer)
    revoked = await make_program(bank, customer, funding=KeyFunding.OWN)
    funded = await bank.key_ring.fund(customer.session_id, revoked.id, Microcredits(9), once("1"))
    await bank.key_ring.revoke(customer.session_id, revoked.id)

    for program in (spends_the_accounts, revoked):
        with pytest.raises(StateConflict):
            await bank.key_ring.fund(customer.session_id, program.id, Microcredits(1), once("2"))
    told_again = await bank.key_ring.fund(
        customer.session_id, revoked.id, Microcredits(9), once("1")
    )
    assert (told_again.entry_id, told_again.replayed) == (funded.entry_id, True)


async def test_a_revoked_keys_credits_go_back_and_what_is_held_follows(bank: Bank) -> None:
    customer = await bank.customer(100)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)
    await bank.key_ring.fund(customer.session_id, program.id, Microcredits(90), once("1"))
    held = await bank.ask(program.purse, 50, key=program.id.number)

    revoked = await bank.key_ring.revoke(customer.session_id, program.id)
    while_held = await _empty(bank)
    await bank.ledger.capture(held.hold_id, Microcredits(20))
    afterwards = await _empty(bank)
    again = await _empty(bank)

    assert (revoked.returned, revoked.balance.total) == (40, 50)
    assert (while_held, afterwards, again) == (0, 1, 0)
    balances = await bank.books.balances(customer.reader, [customer.purse, program.purse])
    assert [balances[purse].total for purse in (customer.purse, program.purse)] == [80, 0]


async def test_a_charge_given_back_to_a_revoked_key_goes_on_to_its_account(bank: Bank) -> None:
    admin, customer = await bank.administrator(), await bank.customer(100)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)
    await bank.key_ring.fund(customer.session_id, program.id, Microcredits(100), once("1"))
    charge = await bank.answer(program.purse, 100, 60, key=program.id.number)
    await bank.key_ring.revoke(customer.session_id, program.id)

    await bank.office.refund(
        admin.session_id,
        EntryId(program.purse, charge.ended_at),
        None,
        reason="a test",
        once=Once.of("refundCharge", "1"),
    )

    assert await _empty(bank) == 1
    balances = await bank.books.balances(customer.reader, [customer.purse, program.purse])
    assert [balances[purse].total for purse in (customer.purse, program.purse)] == [100, 0]
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_keys_asked_for_at_once_share_a_query(bank: Bank) -> None:
    customer = await bank.customer()
    programs = [await make_program(bank, customer) for _ in range(5)]
    queries: list[str] = []

    async def listen(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda record: queries.append(record.query))

    url = url_of(Login.AUTH, bank.url, secret=bank.secret)
    async with asyncpg.create_pool(url, min_size=0, max_size=4, init=listen) as pool:
        keys = PostgresKeysInForce(pool, MovedClock())
        found = await asyncio.gather(
            *(keys.key_in_force(program.id) for _ in range(40) for program in programs)
        )

    assert [key.id for key in found if key] == [program.id for program in programs] * 40
    assert len([query for query in queries if "api_keys_in_force" in query]) == 1


async def test_when_a_key_was_last_used_is_written_before_long(bank: Bank) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)
    clock = MovedClock()
    pool = await asyncpg.create_pool(url_of(Login.AUTH, bank.url, secret=bank.secret), min_size=0)
    async with pool:
        keys = PostgresKeysInForce(pool, clock)
        keys.note_use(program.id)
        clock.pass_on(seconds=1)
        keys.note_use(program.id)
        written = [await keys.write_uses(), await keys.write_uses()]
        clock.pass_on(seconds=-60)
        keys.note_use(program.id)
        await keys.write_uses()

    last = await bank.owner.fetchval("SELECT last_used_at FROM tallystick.api_keys")
    assert written == [1, 0]
    assert last == clock.now() + timedelta(seconds=60)


async def test_a_dump_of_the_database_holds_no_key(bank: Bank) -> None:
    customer = await bank.customer(100)
    program = await make_program(bank, customer, name=f"a program {uuid4()}")
    secret = program.text[-49:-6]

    tables = [row["relname"] for row in await bank.owner.fetch(TABLES)]
    rows = [await bank.owner.fetch(ALL.format(table=table)) for table in tables]
    dump = repr([[tuple(row) for row in found] for found in rows])

    assert "a program" in dump
    assert secret[:4] in dump
    assert secret not in dump
    assert secret[4:16] not in dump


async def _empty(bank: Bank) -> int:
    """What a sweep gives back."""
    return int(await bank.owner.fetchval("SELECT tallystick.empty_revoked_keys(100)"))
