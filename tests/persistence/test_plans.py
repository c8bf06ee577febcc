"""What the API reads is found by index: no statement walks through a log from end to end."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import event

from benchmarks import _history
from benchmarks._history import BUSIEST, History
from domain.answers import UsageOutcome
from domain.calendars import TimeBucket
from domain.reporting import EntryFilter, PageRequest, Reader, UsageFilter
from domain.summarizing import Part, Series, Summarizing
from domain.units import ApiKeyId, KeyNumber, PurseId
from persistence.books import PostgresBooks
from persistence.engine import Engines
from persistence.folding import PostgresFolding
from persistence.pools import pool_of
from persistence.roles import Login, url_of

RECORDS = 40_000
LOGS = re.compile(
    r"Seq Scan on (entries|usage_records|usage_folds|usage_hours|holds)\w*( \w+)?  "
    r"\((?!cost=0.00..0.00 )"
)
"""Months to come cost nothing: they are empty."""

ENTER = "SELECT set_config('tallystick.session_id', $1, true)"


class Now:
    """The time of the test."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - a clock of our own


@dataclass(frozen=True, slots=True)
class Archive:
    """Books with a month in them, and how to ask for the plans of what is read from them."""

    url: str
    secret: str
    books: PostgresBooks
    history: History

    async def plans(self, reader: Reader, read: Callable[[], Awaitable[object]]) -> list[str]:
        """How the server finds what this reads, statement by statement."""
        with self._asked(reader) as asked:
            await read()
        login = Login.ADMIN if reader.as_admin else Login.USER
        connection = await asyncpg.connect(url_of(login, self.url, secret=self.secret))
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('jit', 'off', true)")
                await connection.fetchval(ENTER, str(reader.session_id))
                return [
                    "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}", *told))
                    for text, told in asked
                ]
        finally:
            await connection.close()

    @contextmanager
    def _asked(self, reader: Reader) -> Iterator[list[tuple[str, tuple[object, ...]]]]:
        engines = self.books.engines
        engine = (engines.admin if reader.as_admin else engines.user).sync_engine
        asked: list[tuple[str, tuple[object, ...]]] = []

        def note(
            _connection: object, _cursor: object, text: str, told: tuple[object, ...], *_: object
        ) -> None:
            if "set_config" not in text:
                asked.append((text, told))

        event.listen(engine, "before_cursor_execute", note)
        yield asked
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
async def archive(database_url: str, deployment_secret: str) -> AsyncIterator[Archive]:
    history = await _history.write(database_url, RECORDS)
    url = url_of(Login.WORKER, database_url, secret=deployment_secret)
    async with pool_of(Login.WORKER, url, connections_max=1) as pool:
        assert await PostgresFolding(pool).fold() > 0.99 * RECORDS
    await _history.settle(database_url)
    engines = Engines.connecting(database_url, secret=deployment_secret)
    yield Archive(database_url, deployment_secret, PostgresBooks(engines), history)
    await engines.dispose()


async def test_no_read_walks_through_a_whole_log(archive: Archive) -> None:
    books, me, everybody = archive.books, archive.history.customer, archive.history.administrator
    mine, first = UsageFilter(account_id=BUSIEST), PageRequest(20)
    key = ApiKeyId(BUSIEST, KeyNumber(1))
    month = Series(start=Now().now() - timedelta(days=30), end=None)

    async def sum_up(reader: Reader, filter_: UsageFilter, series: Series) -> None:
        wanted = Summarizing(books, Now()).wanted(series, filter_)
        await books.usage_sums(reader, wanted, tuple(Part))
        await books.usage_latencies(reader, wanted, tuple(Part))

    reads: dict[str, tuple[Reader, Callable[[], Awaitable[object]]]] = {
        "balance": (me, lambda: books.balances(me, [PurseId(BUSIEST)])),
        "usage": (me, lambda: books.usage_page(me, mine, first)),
        "usage of a key": (me, lambda: books.usage_page(me, replace(mine, api_key=key), first)),
        "ledger": (me, lambda: books.entry_page(me, EntryFilter(account_id=BUSIEST), first)),
        "admin.usage": (everybody, lambda: books.usage_page(everybody, UsageFilter(), first)),
        "admin.ledger": (everybody, lambda: books.entry_page(everybody, EntryFilter(), first)),
        "usageSummary": (me, lambda: sum_up(me, mine, month)),
        "usageSummary of a key": (me, lambda: sum_up(me, replace(mine, api_key=key), month)),
        "usageSummary in Kolkata": (
            me,
            lambda: sum_up(me, mine, replace(month, time_zone="Asia/Kolkata")),
        ),
        "usageSummary of a day by the hour": (
            me,
            lambda: sum_up(
                me,
                mine,
                Series(start=month.start, end=month.start + timedelta(days=1, minutes=7),
                       bucket=TimeBucket.HOUR),
            ),
        ),
        "admin.usageSummary": (everybody, lambda: sum_up(everybody, UsageFilter(), month)),
        "admin.usageSummary of failures": (
            everybody,
            lambda: sum_up(
                everybody, UsageFilter(outcomes=frozenset({UsageOutcome.FAILED})), month
            ),
        ),
    }  # fmt: skip

    walks = {
        name: plan
        for name, (reader, read) in reads.items()
        for plan in await archive.plans(reader, read)
        if LOGS.search(plan)
    }

    assert walks == {}
