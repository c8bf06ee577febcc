"""Tables by the month have room for whatever is written next, however long anybody slept."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from persistence.answers import PostgresAnswers
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import Bank

BY_MONTH = ("entries", "usage_records")


async def forget_this_month(owner: asyncpg.Pool) -> None:
    """Leave no room for what happens now, as if months had passed; what is there is put aside."""
    month = str(await owner.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')"))
    for table in BY_MONTH:
        part = f"{table}{month}"
        await owner.execute(f"ALTER TABLE tallystick.{table} DETACH PARTITION tallystick.{part}")
        await owner.execute(f"ALTER TABLE tallystick.{part} RENAME TO {table}_aside")


async def remember(owner: asyncpg.Pool) -> None:
    """Put back what was put aside."""
    for table in BY_MONTH:
        await owner.execute(f"INSERT INTO tallystick.{table} TABLE tallystick.{table}_aside")
        await owner.execute(f"DROP TABLE tallystick.{table}_aside")


async def test_operations_go_on_in_a_month_that_nobody_made_room_for(bank: Bank) -> None:
    customers = [await bank.customer(1_000) for _ in range(40)]
    await forget_this_month(bank.owner)

    first, *others = await asyncio.gather(
        *(bank.answer(customer.purse, charged=7) for customer in customers)
    )

    await remember(bank.owner)
    assert [each.charged for each in (first, *others)] == [7] * 40
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_a_check_that_is_violated_is_no_month_that_is_missing(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.owner.execute(
        "ALTER TABLE tallystick.entries ADD CONSTRAINT entries_are_refused CHECK (false) NOT VALID"
    )

    with pytest.raises(Exception, match="refused an operation"):
        await bank.answer(customer.purse, charged=7)

    await bank.owner.execute("ALTER TABLE tallystick.entries DROP CONSTRAINT entries_are_refused")
    assert bank.ledger.detours.read() == {("fault",): (1,)}
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_every_day_of_two_years_finds_room_for_the_months_ahead(
    database_url: str, deployment_secret: str
) -> None:
    worker_url = url_of(Login.WORKER, database_url, secret=deployment_secret)
    owner = await asyncpg.connect(database_url)
    async with pool_of(Login.WORKER, worker_url, connections_max=1) as pool:
        answers = PostgresAnswers(pool)
        day = datetime(2031, 1, 31, 23, 59, tzinfo=UTC)
        made = [await answers.ensure_partitions(day)]
        for _ in range(730):
            day += timedelta(days=1)
            assert await has_room(owner, day + timedelta(days=31))
            made.append(await answers.ensure_partitions(day))
    await owner.close()

    assert made[0] == 2 * 5
    assert sum(made[1:]) == 2 * 24
    assert max(made[1:]) == 2


async def has_room(owner: asyncpg.Connection, time: datetime) -> bool:
    names = [f"tallystick.{table}_{time:%Y_%m}" for table in BY_MONTH]
    found = await owner.fetchval(
        "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) name", names
    )
    return bool(found)


async def test_a_month_moves_to_other_storage_and_stays_in_the_books(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse, charged=7)
    month = await bank.owner.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')")
    part = f"entries{month}"

    # A folder of its own inside the data directory, as only a superuser of a test may have it.
    cheap = f"cheap_{bank.url.rpartition('_')[2].partition('?')[0]}"
    async with bank.owner.acquire() as owner:
        await owner.execute("SET allow_in_place_tablespaces = on")
        await owner.execute(f"CREATE TABLESPACE {cheap} LOCATION ''")
    try:
        await bank.owner.execute(f"ALTER TABLE tallystick.{part} SET TABLESPACE {cheap}")
        await bank.owner.execute(f"ALTER INDEX tallystick.{part}_pkey SET TABLESPACE {cheap}")
        again = await bank.answer(customer.purse, charged=5)
        report = await verify(bank.url)
    finally:
        await bank.owner.execute(f"ALTER TABLE tallystick.{part} SET TABLESPACE pg_default")
        await bank.owner.execute(f"ALTER INDEX tallystick.{part}_pkey SET TABLESPACE pg_default")
        await bank.owner.execute(f"DROP TABLESPACE {cheap}")

    assert again.charged == 5
    assert report.is_clean, report.lines()
