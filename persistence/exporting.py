"""Whole histories read for an export: line by line, as of one moment, whatever their length."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from domain.answers import UsageOutcome, UsageRecord
from domain.errors import NotFound, ProblemCode
from domain.ledger import Entry, EntryKind
from domain.reporting import Span
from domain.units import (
    AccountId,
    AnswerId,
    EntryId,
    KeyNumber,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
    UsageId,
)
from persistence.books_pages import moment_at
from persistence.faults import telling_faults
from persistence.roles import OWNER

CONNECT_SECONDS: Final = 5.0
AT_ONCE: Final = 1_000
"""Lines that are asked for at a time, and so the most that are in memory."""

_DAY: Final = 86_400_000_000
_FIRST: Final = "SELECT min(moment) FROM {table} WHERE {whose}"
# A day after the other, so that none but a day's lines have to be sorted before the first is told.
_LINES: Final = """
SELECT * FROM {table} WHERE {whose} AND moment >= $2 AND moment < $3
 ORDER BY moment, account_id, key_number
"""


@dataclass(frozen=True, slots=True)
class Histories:
    """Everybody's lines, or one account's, oldest first, all as of one moment."""

    connection: asyncpg.Connection
    account_id: AccountId | None
    start: int | None
    end: int

    async def entries(self) -> AsyncGenerator[Entry, None]:
        async for row in self._lines("entries"):
            yield _entry(row)

    async def usage(self) -> AsyncGenerator[UsageRecord, None]:
        async for row in self._lines("usage_records"):
            yield _usage_record(row)

    async def _lines(self, table: str) -> AsyncGenerator[asyncpg.Record, None]:
        words = {"table": table, "whose": "$1::bigint IS NULL"}
        if self.account_id is not None:
            words["whose"] = "account_id = $1::bigint"
        first = await self.connection.fetchval(_FIRST.format(**words), self.account_id)
        if first is None:
            return
        since = max(first, self.start or 0)
        lines = await self.connection.prepare(_LINES.format(**words))
        while since < self.end:
            until = min(since - since % _DAY + _DAY, self.end)
            async for row in lines.cursor(self.account_id, since, until, prefetch=AT_ONCE):
                yield row
            since = until


@asynccontextmanager
async def opened(
    url: str, span: Span, account: AccountId | str | None = None
) -> AsyncIterator[Histories]:
    """Histories within a span that has an end; of an account, if its id or address is given.

    The URL's login has to be one that may migrate. Raises NotFound for an account that is none, and
    Unavailable when the database is away.
    """
    if span.end is None:
        raise AssertionError("an export is of a range that ends")
    with telling_faults():
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(
                    f"SET LOCAL ROLE {OWNER}; SET LOCAL search_path = tallystick, pg_temp;"
                    " SET LOCAL statement_timeout = 0"
                )
                yield Histories(
                    connection,
                    None if account is None else await _found(connection, account),
                    moment_at(span.start),
                    moment_at(span.end),
                )
        finally:
            await connection.close()


async def _found(connection: asyncpg.Connection, account: AccountId | str) -> AccountId:
    found = await connection.fetchval(
        "SELECT account_id FROM account_contacts WHERE email = lower($1)"
        if isinstance(account, str)
        else "SELECT id FROM accounts WHERE id = $1",
        account,
    )
    if found is None:
        raise NotFound("account")
    return AccountId(found)


def _purse(row: asyncpg.Record) -> PurseId:
    return PurseId(AccountId(row["account_id"]), KeyNumber(row["key_number"]))


def _entry(row: asyncpg.Record) -> Entry:
    purse, hold, reverses = _purse(row), row["hold_moment"], row["reverses_moment"]
    return Entry(
        id=EntryId(purse, Moment(row["moment"])),
        kind=EntryKind(row["kind"]),
        amount=Microcredits(row["amount"]),
        total_after=Microcredits(row["total_after"]),
        answer_id=None if hold is None else AnswerId(purse, Moment(hold)),
        reverses=None if reverses is None else EntryId(purse, Moment(reverses)),
        reason=row["reason"],
        actor_id=None if row["actor_id"] is None else AccountId(row["actor_id"]),
    )


def _usage_record(row: asyncpg.Record) -> UsageRecord:
    purse, answer, problem = _purse(row), row["answer_moment"], row["problem_code"]
    return UsageRecord(
        id=UsageId(purse, Moment(row["moment"])),
        answer_id=None if answer is None else AnswerId(purse, Moment(answer)),
        attempt=row["attempt"],
        outcome=UsageOutcome(row["outcome"]),
        model_id=ModelId(row["model_id"]),
        price_id=PriceId(row["price_id"]),
        api_key_number=KeyNumber(row["api_key_number"]),
        input_tokens=row["input_tokens"],
        cached_input_tokens=row["cached_input_tokens"],
        output_tokens=row["output_tokens"],
        is_estimated=row["is_estimated"],
        charged=Microcredits(row["charged"]),
        latency_ms=row["latency_ms"],
        first_token_ms=row["first_token_ms"],
        problem_code=None if problem is None else ProblemCode(problem),
        provider_cost=row["provider_cost"],
    )
