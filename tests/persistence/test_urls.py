"""What a database URL may say, and how each connection of ours goes by it."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from persistence.books import PostgresBooks
from persistence.engine import Engines
from persistence.notify import Notices
from persistence.reaching import DatabaseUnusable, check_server, faults, migrate
from persistence.roles import Login, url_of
from persistence.urls import usable
from persistence.verifying import verify
from tests.persistence.tls import tls_front

POOLED = "postgresql://postgres.abcdefgh:secret@aws-0-eu-west-1.pooler.supabase.com:{port}/postgres"


async def test_everything_goes_by_tls_when_the_url_says_so(
    empty_database_url: str, deployment_secret: str, tmp_path: Path
) -> None:
    async with tls_front(empty_database_url, tmp_path) as front:
        url = usable(front.asking(sslmode="verify-full", sslrootcert=front.authority))

        await asyncio.to_thread(migrate, url, secret=deployment_secret)
        assert await faults(url, secret=deployment_secret) == {}
        engines = Engines.connecting(url, secret=deployment_secret)
        assert list(await PostgresBooks(engines).models(enabled_only=True)) == []
        await engines.dispose()
        assert (await verify(url)).is_clean
        notices = Notices(url_of(Login.USER, url, secret=deployment_secret))
        async with notices.going_on():
            await asyncio.wait_for(_live(notices), timeout=10)

        assert front.plain == 0


async def _live(notices: Notices) -> None:
    while not notices.is_live:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def test_a_server_that_nobody_vouches_for_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    async with tls_front(database_url, tmp_path) as front, tls_front(database_url, others) as other:
        await check_server(front.asking(sslmode="require"))
        with pytest.raises(DatabaseUnusable, match=r"cannot be trusted.*sslrootcert"):
            await check_server(front.asking(sslmode="verify-ca", sslrootcert=other.authority))


async def test_a_server_without_tls_is_refused_where_the_url_wants_it(database_url: str) -> None:
    async with tls_front(database_url, None) as front:
        await check_server(front.asking(sslmode="prefer"))
        with pytest.raises(DatabaseUnusable, match="offers no TLS"):
            await check_server(front.asking(sslmode="require"))


async def test_a_server_of_another_name_is_refused_by_verify_full_only(
    database_url: str, tmp_path: Path
) -> None:
    async with tls_front(database_url, tmp_path, named="books.example.com") as front:
        await check_server(front.asking(sslmode="verify-ca", sslrootcert=front.authority))
        with pytest.raises(DatabaseUnusable, match="the host is written as in it"):
            await check_server(front.asking(sslmode="verify-full", sslrootcert=front.authority))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://here/books", "write postgresql://"),
        ("postgresql://me@here/books?sslmode=require&channel_binding=require", "channel_binding"),
        ("postgresql://me@here/books?connect_timeout=5&pgbouncer=true", "connect_timeout, pgbou"),
        ("postgresql://me@here/books?sslrootcert=/nowhere/ca.pem", "not there: /nowhere/ca.pem"),
        (POOLED.format(port=6543), "pooler of sessions: port 5432"),
    ],
)
def test_a_url_that_could_not_work_is_refused_with_what_to_change(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        usable(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@here:5432/books",
        "postgres://me@/books?host=/run/postgresql&port=5433",
        "postgresql://me@one:5432,two:5432/books?target_session_attrs=read-write",
        "postgresql://me@here/books?sslmode=require&application_name=books",
        POOLED.format(port=5432),
    ],
)
def test_other_urls_are_left_as_they_are(url: str) -> None:
    assert usable(url) == url


def test_the_authorities_of_the_machine_are_a_file() -> None:
    url = usable("postgresql://me@here/books?sslmode=verify-full&sslrootcert=system")

    named = urlsplit(url).query.partition("sslrootcert=")[2]
    assert Path(named).is_file()


def test_supabases_pooler_is_told_the_project_with_every_login() -> None:
    pooled = url_of(Login.USER, POOLED.format(port=5432), secret="anything")
    plain = url_of(Login.USER, "postgresql://an.operator:x@here/books", secret="anything")

    assert urlsplit(pooled).username == "tallystick_user.abcdefgh"
    assert urlsplit(plain).username == "tallystick_user"
