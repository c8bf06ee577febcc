"""Accounts are opened once, and sessions are looked up for every request."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from domain.errors import InvalidInput, Unavailable
from domain.identity import AccountStatus, Role
from domain.reporting import EntryFilter, PageRequest, Reader
from domain.signing_in import AccountOpened
from domain.units import Microcredits, PurseId
from persistence.operating import set_role
from persistence.roles import Login, url_of
from persistence.sessions import PostgresSessions
from tests.persistence.bank import SUSPEND, Bank


async def test_a_new_account_has_its_sign_up_credits(bank: Bank) -> None:
    opened = await _open(bank, "anna@example.test")
    reader = Reader(await bank.session(opened.account_id))
    purse = PurseId(opened.account_id)

    balances = await bank.books.balances(reader, [purse])
    account = (await bank.books.accounts(reader, [opened.account_id]))[opened.account_id]

    assert opened.is_new
    assert balances[purse].total == 1_000
    assert (account.email, account.role) == ("anna@example.test", Role.USER)


async def test_an_account_without_sign_up_credits_has_an_empty_balance(bank: Bank) -> None:
    customer = await bank.customer(0)

    balances = await bank.books.balances(customer.reader, [customer.purse])
    entries = await bank.books.entry_page(customer.reader, EntryFilter(), PageRequest())

    assert (balances[customer.purse].total, entries.items) == (0, [])


async def test_an_address_leads_to_one_account_however_it_is_written(bank: Bank) -> None:
    first = await _open(bank, "anna@example.test")
    second = await _open(bank, "Anna@Example.TEST")

    assert (first.is_new, second.is_new) == (True, False)
    assert second.account_id == first.account_id
    assert await bank.accounts.account_of_email("ANNA@example.test") == first.account_id


async def test_an_address_opened_many_times_at_once_gets_its_credits_once(bank: Bank) -> None:
    opened = await asyncio.gather(*(_open(bank, "anna@example.test") for _ in range(20)))

    assert [result.is_new for result in opened].count(True) == 1
    assert {result.account_id for result in opened} == {opened[0].account_id}
    assert await bank.owner.fetchval("SELECT sum(amount) FROM tallystick.entries") == 1_000
    assert await bank.owner.fetchval("SELECT count(*) FROM tallystick.accounts") == 1


async def test_accounts_without_an_address_are_all_new(bank: Bank) -> None:
    opened = [await _open(bank, None) for _ in range(2)]

    assert [result.is_new for result in opened] == [True, True]


@pytest.mark.parametrize("email", ["", "anna", "@example.test", "anna@"])
async def test_what_is_no_address_is_refused(bank: Bank, email: str) -> None:
    with pytest.raises(InvalidInput, match="not an email address"):
        await _open(bank, email)

    assert await bank.owner.fetchval("SELECT count(*) FROM tallystick.accounts") == 0


async def test_an_unknown_address_leads_nowhere(bank: Bank) -> None:
    assert await bank.accounts.account_of_email("nobody@example.test") is None


async def test_a_session_says_whose_it_is_and_what_they_are_now(bank: Bank) -> None:
    customer = await bank.customer()

    before = await bank.sessions.session_in_force(customer.session_id)
    await set_role(bank.url, customer.email, Role.ADMIN)
    await bank.owner.execute(SUSPEND, customer.account_id)
    after = await bank.sessions.session_in_force(customer.session_id)

    assert before is not None
    assert after is not None
    assert before.account_id == after.account_id == customer.account_id
    assert (before.role, before.status) == (Role.USER, AccountStatus.ACTIVE)
    assert (after.role, after.status) == (Role.ADMIN, AccountStatus.SUSPENDED)


async def test_a_session_that_ended_or_ran_out_or_never_was_is_none(bank: Bank) -> None:
    customer = await bank.customer()
    brief = await bank.accounts.start_session(
        customer.account_id, lasts=timedelta(0), refresh_token_hash=None
    )
    await bank.owner.execute(
        "UPDATE tallystick.sessions SET ended_at = now() WHERE id = $1", customer.session_id
    )

    assert await bank.sessions.session_in_force(customer.session_id) is None
    assert await bank.sessions.session_in_force(brief) is None
    assert await bank.sessions.session_in_force(uuid4()) is None


@pytest.fixture
async def queries() -> list[str]:
    """Every query that went to the database by `counted`."""
    return []


@pytest.fixture
async def counted(bank: Bank, queries: list[str]) -> AsyncIterator[PostgresSessions]:
    """A look-up of sessions whose queries are written down."""

    async def listen(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda record: queries.append(record.query))

    url = url_of(Login.AUTH, bank.url, secret=bank.secret)
    async with asyncpg.create_pool(url, min_size=0, max_size=4, init=listen) as pool:
        yield PostgresSessions(pool)


async def test_sessions_asked_for_at_once_share_a_query(
    bank: Bank, counted: PostgresSessions, queries: list[str]
) -> None:
    customers = [await bank.customer() for _ in range(5)]

    found = await asyncio.gather(
        *(counted.session_in_force(c.session_id) for _ in range(40) for c in customers)
    )

    accounts = [session.account_id for session in found if session is not None]
    assert accounts == [customer.account_id for customer in customers] * 40
    assert len([query for query in queries if "sessions_in_force" in query]) == 1


async def test_a_session_is_looked_up_anew_each_time(
    bank: Bank, counted: PostgresSessions, queries: list[str]
) -> None:
    customer = await bank.customer()

    for _ in range(3):
        await counted.session_in_force(customer.session_id)

    assert len([query for query in queries if "sessions_in_force" in query]) == 3


async def test_a_caller_who_leaves_takes_nobody_along(bank: Bank) -> None:
    customer = await bank.customer()
    leaving = asyncio.create_task(bank.sessions.session_in_force(customer.session_id))
    staying = asyncio.create_task(bank.sessions.session_in_force(customer.session_id))
    await asyncio.sleep(0)

    leaving.cancel()

    found = await staying
    assert leaving.cancelled()
    assert found is not None


async def test_look_ups_while_the_database_is_away_are_refused_and_work_again_later(
    bank: Bank,
) -> None:
    customer = await bank.customer()
    await bank.owner.execute("ALTER ROLE tallystick_auth CONNECTION LIMIT 0")
    await bank.owner.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'tallystick_auth'"
    )

    try:
        with pytest.raises(Unavailable):
            await bank.sessions.session_in_force(customer.session_id)
    finally:
        await bank.owner.execute("ALTER ROLE tallystick_auth CONNECTION LIMIT -1")

    assert await bank.sessions.session_in_force(customer.session_id) is not None


async def _open(bank: Bank, email: str | None) -> AccountOpened:
    return await bank.accounts.open_account(
        email=email,
        display_name="Anna",
        is_confirmed=True,
        is_demo=False,
        sign_up_credits=Microcredits(1_000),
    )
