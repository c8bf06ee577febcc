"""What readers are told when the database is away, too slow, or refuses."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import Unavailable
from domain.reporting import EntryFilter, PageRequest, Reader
from persistence.books import PostgresBooks
from persistence.engine import Engines, check_logins
from persistence.roles import Login
from tests.persistence.bank import Bank, open_bank

SYNCHRONOUS = "SHOW synchronous_commit"
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


async def test_a_database_that_is_away_is_unavailable(deployment_secret: str) -> None:
    engines = Engines.connecting(NOWHERE, secret=deployment_secret)
    books = PostgresBooks(engines)

    with pytest.raises(Unavailable, match="cannot be reached"):
        await books.models(enabled_only=True)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await books.entry_page(Reader(uuid4()), EntryFilter(), PageRequest())
    with pytest.raises(Unavailable, match="cannot be reached"):
        await check_logins(NOWHERE, secret=deployment_secret)
    await engines.dispose()


async def test_a_connection_that_breaks_is_unavailable_and_the_next_read_gets_another(
    bank: Bank, one_connection: Engines
) -> None:
    reader = (await bank.customer(5)).reader
    books = PostgresBooks(one_connection)
    await books.entry_page(reader, EntryFilter(), PageRequest())

    with pytest.raises(Unavailable, match="cannot be reached"):
        await _read(one_connection, reader, "SELECT pg_terminate_backend(pg_backend_pid())")

    page = await books.entry_page(reader, EntryFilter(), PageRequest())
    assert [entry.amount for entry in page.items] == [5]


async def test_a_connection_that_ended_while_nobody_read_is_never_met(
    bank: Bank, one_connection: Engines
) -> None:
    reader = (await bank.customer(5)).reader
    backend = await _read(one_connection, reader, "SELECT pg_backend_pid()")

    await bank.owner.fetchval("SELECT pg_terminate_backend($1, 5000)", backend)
    await asyncio.sleep(0.1)

    assert await _read(one_connection, reader, "SELECT pg_backend_pid()") != backend


async def test_a_read_that_takes_too_long_is_given_up(bank: Bank, one_connection: Engines) -> None:
    reader = (await bank.customer()).reader

    with pytest.raises(Unavailable, match="too long"):
        await _read(
            one_connection,
            reader,
            "SELECT set_config('statement_timeout', '20', true)",
            "SELECT pg_sleep(5)",
        )


async def test_every_read_has_a_limit_of_time(bank: Bank, one_connection: Engines) -> None:
    reader = (await bank.customer()).reader

    assert await _read(one_connection, reader, "SHOW statement_timeout") == "10s"


async def test_an_error_quotes_no_parameters(bank: Bank, one_connection: Engines) -> None:
    reader = (await bank.customer()).reader

    with pytest.raises(DBAPIError) as refused:
        await _read(
            one_connection,
            reader,
            "SELECT CAST(:secret AS text), 1 / 0",
            secret=str(reader.session_id),
        )

    assert str(reader.session_id) not in str(refused.value)


async def test_reads_share_the_connections_there_are(bank: Bank, one_connection: Engines) -> None:
    customers = [await bank.customer(number + 1) for number in range(10)]
    books = PostgresBooks(one_connection)

    pages = await asyncio.gather(
        *(books.entry_page(c.reader, EntryFilter(), PageRequest()) for c in customers)
    )

    assert [page.items[0].amount for page in pages] == list(range(1, 11))


async def test_all_logins_are_tried(bank: Bank, deployment_secret: str) -> None:
    await bank.owner.execute(f"ALTER ROLE {Login.PAYMENTS} NOLOGIN")

    try:
        with pytest.raises(Exception, match="tallystick_payments"):
            await check_logins(bank.url, secret=deployment_secret)
    finally:
        await bank.owner.execute(f"ALTER ROLE {Login.PAYMENTS} LOGIN")


async def _read(engines: Engines, reader: Reader, *statements: str, **values: str) -> object:
    """What the last of some statements answers, in one transaction of a reader."""
    async with engines.reading(reader) as session:
        connection = await session.connection()
        return [await connection.scalar(text(statement), values) for statement in statements][-1]


async def test_what_is_acknowledged_is_durable_whatever_the_database_defaults_to(
    bank: Bank, deployment_secret: str
) -> None:
    admin = await bank.administrator()
    name = await bank.owner.fetchval("SELECT current_database()")
    await bank.owner.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")

    async with open_bank(bank.url, deployment_secret) as later:
        by_provider = await later.payments.pool.fetchval(SYNCHRONOUS)
        async with later.payments.engines.acting(admin.session_id) as owner_of_keys:
            by_owner = (await owner_of_keys.execute(text(SYNCHRONOUS))).scalar_one()
        async with later.payments.engines.administering(admin.session_id) as office:
            by_admin = (await office.execute(text(SYNCHRONOUS))).scalar_one()

    assert (by_provider, by_owner, by_admin) == ("on", "on", "on")
