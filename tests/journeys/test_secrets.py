"""What opens a door lies in no table and in no log line."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256

import asyncpg
import pytest
import structlog

from app.logging import configure
from tests.app.asking import Reply
from tests.journeys.door import (
    PASSWORD,
    REDEEM,
    REFRESH,
    REQUEST,
    SET_PASSWORD,
    SIGN_IN,
    SIGN_UP,
    Door,
    open_door,
)

ANNA, BOB = "anna@example.test", "bob@example.test"
NEW_PASSWORD = "a sentence nobody else would say"
TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname IN ('tallystick', 'public') AND relkind IN ('r', 'p', 'v', 'm')
"""


@pytest.fixture
async def door(database_url: str, deployment_secret: str) -> AsyncIterator[Door]:
    async with open_door(database_url, deployment_secret) as door:
        yield door


async def _live(door: Door) -> dict[str, str]:
    """Use every way in; returns what opens a door now, or did, by what it is."""
    await door.knock(SIGN_UP, email=ANNA, password=PASSWORD)
    sign_up_link = await door.mails.token_to(ANNA)
    by_link = await door.knock(REDEEM, token=sign_up_link)
    by_password = await door.knock(SIGN_IN, email=ANNA, password=PASSWORD)
    refresh_token = by_password.text("signIn.session.refreshToken")
    refreshed = await door.knock(REFRESH, refreshToken=refresh_token)
    await door.person(refreshed, "refreshSession").send(
        SET_PASSWORD, input={"newPassword": NEW_PASSWORD, "currentPassword": PASSWORD}
    )
    await door.knock(SIGN_IN, email=ANNA, password="never was a password")
    await door.knock(REQUEST, email=ANNA)
    open_link = await door.mails.token_to(ANNA, 2)
    door.mails.says.extend(["451 busy"] * 5)
    await door.knock(SIGN_UP, email=BOB, password="the password of a promise")
    return {
        "password before": PASSWORD,
        "password": NEW_PASSWORD,
        "wrong password": "never was a password",
        "promised password": "the password of a promise",
        "sign-up link": sign_up_link,
        "open link": open_link,
        "refresh token before": refresh_token,
        **_tokens(by_link, "redeemMagicLink"),
        **_tokens(refreshed, "refreshSession"),
    }


def _tokens(reply: Reply, field: str) -> dict[str, str]:
    return {
        f"{field} {name}": reply.text(f"{field}.session.{name}")
        for name in ("accessToken", "refreshToken")
    }


def _spellings(secret: str) -> Iterator[str]:
    """As it is, without its prefix, and as bytes are printed."""
    yield secret
    yield secret.encode().hex()
    if secret.startswith(("rt_", "lt_")):
        yield secret[-43:]
        yield secret[-43:].encode().hex()
    if secret.startswith("eyJ"):
        yield secret.rpartition(".")[2]


async def test_a_dump_of_the_database_holds_nothing_that_opens_a_door(door: Door) -> None:
    secrets = await _live(door)

    dump = await _dump(door.house.database)

    found = {
        name for name, secret in secrets.items() if any(word in dump for word in _spellings(secret))
    }
    assert found == set()
    # It would have been found: the hashes of what is kept are there.
    assert sha256(secrets["open link"].encode()).hexdigest() in dump
    assert sha256(secrets["refreshSession refreshToken"].encode()).hexdigest() in dump
    assert dump.count("$argon2id$") >= 2


async def _dump(database: asyncpg.Pool) -> str:
    """Every row of every table, as text."""
    tables = [row[0] for row in await database.fetch(TABLES)]
    assert len(tables) > 20
    rows = [
        row[0]
        for table in tables
        for row in await database.fetch(f"SELECT t::text FROM {table} t")  # noqa: S608 - names of ours
    ]
    return "\n".join(rows)


@contextmanager
def _logged() -> Iterator[None]:
    """Log everything as in production, and leave no trace in the logging of other tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure("json", level=logging.DEBUG)
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_no_log_line_holds_a_secret_or_an_address(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    with _logged():
        secrets = await _live(door)

    log = capsys.readouterr().err

    assert '"path":"/graphql"' in log
    assert "mails sent" in log
    assert {name for name, secret in secrets.items() if secret in log} == set()
    assert "anna" not in log
    assert "bob" not in log
