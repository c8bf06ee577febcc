"""Pages of an API key cost what they show, however much others of its account have done since."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event

from benchmarks import _history
from benchmarks._history import BUSIEST
from domain.answers import Answer, UsageRecord
from domain.ledger import Entry, Hold, HoldStatus
from domain.reporting import (
    AnswerFilter,
    EntryFilter,
    HoldFilter,
    Page,
    PageRequest,
    Reader,
    UsageFilter,
)
from domain.units import ApiKeyId, KeyNumber
from persistence.books import PostgresBooks
from persistence.engine import Engines
from persistence.roles import Login, url_of

RECORDS = 40_000
KEY = ApiKeyId(BUSIEST, KeyNumber(2))
FIRST = PageRequest(20)
ROUNDS = 8
"""After five, PostgreSQL considers a plan that suits every key alike."""

LONG_AGO = """
SET search_path = tallystick;
SET session_replication_role = replica;
INSERT INTO api_keys (account_id, key_number, name, secret_start, secret_hash, scopes, funding,
       allowed_models)
VALUES (1, 2, 'a program', 'abcd', sha256('x'), '{READ,ASK}', 'ACCOUNT', '{}');
CREATE TEMP TABLE early AS SELECT moment FROM holds WHERE account_id = 1 ORDER BY moment LIMIT 30;
UPDATE holds SET api_key_number = 1 WHERE account_id = 1;
UPDATE usage_records SET api_key_number = 1 WHERE account_id = 1;
UPDATE holds h SET api_key_number = 2 FROM early e
 WHERE h.account_id = 1 AND h.moment = e.moment;
UPDATE usage_records u SET api_key_number = 2 FROM early e
 WHERE u.account_id = 1 AND u.answer_moment = e.moment;
"""
"""A key with which the first thirty questions of the busiest account were asked."""

ROWS_READ = """
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
  FROM pg_stat_xact_user_tables
 WHERE relname ~ '^(holds|usage_records|entries)' AND schemaname = 'tallystick'
"""
CONTEXT = "SELECT context_id FROM tallystick.api_keys WHERE account_id = 1 AND key_number = 2"

Read = Callable[[], Awaitable[Page[UsageRecord] | Page[Hold] | Page[Answer] | Page[Entry]]]


@dataclass(frozen=True, slots=True)
class Archive:
    """Books with a month of a busy account in them, and who reads them."""

    url: str
    secret: str
    books: PostgresBooks
    owner: Reader
    program: Reader

    async def rows_read(self, read: Read) -> tuple[int, int]:
        """How many rows a page shows, and how many are read for it again and again."""
        asked: list[tuple[str, tuple[object, ...]]] = []

        def note(
            _connection: object, _cursor: object, text: str, told: tuple[object, ...], *_: object
        ) -> None:
            asked.append((text, told))

        engine = self.books.engines.user.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        shown = len((await read()).items)
        event.remove(engine, "before_cursor_execute", note)
        connection = await asyncpg.connect(url_of(Login.USER, self.url, secret=self.secret))
        try:
            statements = [(await connection.prepare(text), told) for text, told in asked]
            before = after = 0
            for _ in range(ROUNDS):
                async with connection.transaction():
                    before = await connection.fetchval(ROWS_READ) or 0
                    for statement, told in statements:
                        await statement.fetch(*told)
                    after = await connection.fetchval(ROWS_READ)
        finally:
            await connection.close()
        return shown, after - before


@pytest.fixture
async def archive(database_url: str, deployment_secret: str) -> AsyncIterator[Archive]:
    history = await _history.write(database_url, RECORDS)
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(LONG_AGO)
        context: UUID = await owner.fetchval(CONTEXT)
    finally:
        await owner.close()
    await _history.settle(database_url)
    engines = Engines.connecting(database_url, secret=deployment_secret)
    yield Archive(
        database_url,
        deployment_secret,
        PostgresBooks(engines),
        history.customer,
        Reader(context, api_key=KEY),
    )
    await engines.dispose()


async def test_a_page_of_a_key_reads_no_rows_of_others(archive: Archive) -> None:
    books, owner, program = archive.books, archive.owner, archive.program
    reads: dict[str, tuple[Read, int]] = {
        "usage": (lambda: books.usage_page(program, UsageFilter(account_id=BUSIEST), FIRST), 20),
        "usage of it": (
            lambda: books.usage_page(owner, UsageFilter(account_id=BUSIEST, api_key=KEY), FIRST),
            20,
        ),
        "usage of another": (
            lambda: books.usage_page(
                program,
                UsageFilter(account_id=BUSIEST, api_key=ApiKeyId(BUSIEST, KeyNumber(1))),
                FIRST,
            ),
            0,
        ),
        "holds": (lambda: books.hold_page(program, HoldFilter(account_id=BUSIEST), FIRST), 20),
        "open holds": (
            lambda: books.hold_page(
                program, HoldFilter(account_id=BUSIEST, status=HoldStatus.OPEN), FIRST
            ),
            0,
        ),
        "ledger": (lambda: books.entry_page(program, EntryFilter(account_id=BUSIEST), FIRST), 20),
        "answers": (
            lambda: books.answer_page(program, AnswerFilter(account_id=BUSIEST), FIRST),
            20,
        ),
    }

    told = {name: await archive.rows_read(read) for name, (read, _) in reads.items()}

    assert {name: shown for name, (shown, _) in told.items()} == {
        name: shown for name, (_, shown) in reads.items()
    }
    assert {name: read for name, (_, read) in told.items() if read > 100} == {}
