"""What keeps a process from serving is found and named; what does not is let be."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from domain.errors import Unavailable
from persistence import reaching
from persistence.faults import telling_faults
from persistence.migrating import downgrade
from persistence.roles import Login, url_of

NEWER = "9999"


class ShiftedClock:
    """This machine's clock, set wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by  # noqa: TID251 - a clock


@pytest.mark.parametrize(
    ("seconds", "told"), [(60, "60 s ahead of"), (-3_600, "3600 s behind"), (11, "11 s ahead of")]
)
async def test_clocks_that_differ_are_told_with_by_how_much(
    database_url: str, seconds: int, told: str
) -> None:
    found = await reaching.fault_of_clock(database_url, ShiftedClock(timedelta(seconds=seconds)))

    assert list(found) == ["clock"]
    assert told in found["clock"]


@pytest.mark.parametrize("seconds", [0, 9, -9])
async def test_clocks_that_nearly_agree_are_let_be(database_url: str, seconds: int) -> None:
    clock = ShiftedClock(timedelta(seconds=seconds))

    assert await reaching.fault_of_clock(database_url, clock) == {}


async def test_a_database_that_a_newer_release_migrated_is_served_but_not_operated_on(
    database_url: str, deployment_secret: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE tallystick.alembic_version SET version_num = $1", NEWER)
    await connection.close()

    to_serve = await reaching.faults(database_url, secret=deployment_secret)
    to_operate = await reaching.faults_of_books(database_url)

    assert to_serve == {}
    assert NEWER in to_operate["migrations"]


def test_a_database_of_an_older_release_waits_for_its_migration(
    database_url: str, deployment_secret: str
) -> None:
    downgrade(database_url, revision="-1")

    found = asyncio.run(reaching.faults(database_url, secret=deployment_secret))

    assert list(found) == ["migrations"]
    assert "tallystick migrate" in found["migrations"]


async def test_a_database_that_refuses_our_logins_is_not_served(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    limit = "ALTER ROLE tallystick_payments CONNECTION LIMIT "
    await connection.execute(f"{limit} 0")
    try:
        found = await reaching.faults(database_url, secret="not the one it was migrated with")
    finally:
        await connection.execute(f"{limit} -1")
        await connection.close()

    assert list(found) == ["logins"]


async def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    found = await reaching.faults_of_books("postgresql://me:hunter2@127.0.0.1:1/books")

    assert "127.0.0.1:1/books" in found["database"]
    assert "hunter2" not in str(found)


async def test_a_login_that_may_not_read_the_books_is_not_told_to_migrate_them(
    database_url: str, deployment_secret: str
) -> None:
    url = url_of(Login.USER, database_url, secret=deployment_secret)

    found = await reaching.faults_of_books(url)

    assert list(found) == ["database"]
    assert "The login tallystick_user may not work on the books" in found["database"]
    with pytest.raises(reaching.DatabaseUnusable, match="may not work on the books"):
        await reaching.serves_others(url)


async def test_no_login_reads_books_that_are_not_there(
    empty_database_url: str, database_url: str, deployment_secret: str
) -> None:
    """The logins are there: they belong to the server, which has other books."""
    assert database_url
    url = url_of(Login.USER, empty_database_url, secret=deployment_secret)

    assert list(await reaching.faults_of_books(url)) == ["migrations"]
    assert await reaching.serves_others(url) is False


async def test_a_standby_is_told_as_that(database_url: str) -> None:
    connection = await asyncpg.connect(
        database_url, server_settings={"default_transaction_read_only": "on"}
    )
    try:
        with pytest.raises(Unavailable, match="can only be read now"), telling_faults():
            await connection.execute("DELETE FROM tallystick.models")
    finally:
        await connection.close()
