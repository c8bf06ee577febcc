"""Looks at how the system stands, each in a PostgreSQL transaction of its own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from domain.alerting import AlertKind
from domain.conditions import Lasting, Reading
from domain.overseeing import Known
from domain.tallying import Count
from domain.thresholds import (
    Attempts,
    Backlog,
    BookCheck,
    DeadDeliveries,
    OverdueHolds,
    Refusals,
    Spending,
)
from domain.units import AccountId, Microcredits, ModelId
from persistence.faults import telling_faults

SUBJECTS_MAX: Final = 200
"""Of one look: those that matter most."""

DEAD_MAX: Final = 10_000
"""Of what was given up, the latest are counted: an endpoint that is gone may leave millions."""

_CALL: Final = "SELECT * FROM tallystick."


@dataclass(frozen=True, slots=True)
class PostgresLookout:
    """Takes looks as `domain.overseeing.Lookout` promises it, with the worker's login.

    A look holds its connection for a few queries and waits for nothing outside.
    """

    pool: asyncpg.Pool

    @asynccontextmanager
    async def look(self, kind: AlertKind, every: timedelta) -> AsyncIterator["PostgresLook | None"]:
        with telling_faults():
            async with self.pool.acquire() as connection, connection.transaction():
                now = await connection.fetchval("SELECT tallystick.begin_look($1, $2)", kind, every)
                yield None if now is None else PostgresLook(connection, now)


@dataclass(frozen=True, slots=True)
class PostgresLook:
    """A look within a transaction."""

    connection: asyncpg.pool.PoolConnectionProxy
    now: datetime

    async def attempts(self, within: timedelta) -> Sequence[Attempts]:
        rows = await self.connection.fetch(f"{_CALL}recent_attempts($1)", within)
        return [
            Attempts(model_id=ModelId(row["model_id"]), total=row["total"], failed=row["failed"])
            for row in rows
        ]

    async def overdue_holds(self, grace: timedelta) -> OverdueHolds:
        row = await self._row("overdue_holds($1)", grace)
        return OverdueHolds(
            count=row["count"],
            amount=Microcredits(row["amount"]),
            oldest_seconds=row["oldest_seconds"],
        )

    async def backlog(self) -> Backlog:
        row = await self._row("answer_backlog()")
        return Backlog(count=row["count"], oldest_seconds=row["oldest_seconds"])

    async def book_check(self) -> BookCheck | None:
        row = await self.connection.fetchrow(f"{_CALL}last_book_check()")
        if row is None:
            return None
        return BookCheck(
            finished_at=row["finished_at"],
            rules=row["rules"],
            unfinished=row["unfinished"],
            differences=row["differences"],
            imbalances=row["imbalances"],
            summary=row["summary"],
        )

    async def imbalances(self, within: timedelta) -> Sequence[AccountId]:
        rows = await self.connection.fetch(f"{_CALL}recent_imbalances($1)", within)
        return [AccountId(row["account_id"]) for row in rows]

    async def refusals(self, kind: AlertKind, within: timedelta) -> Sequence[Refusals]:
        rows = await self.connection.fetch(
            f"{_CALL}recent_sightings($1, $2, $3)", kind, within, SUBJECTS_MAX
        )
        return [_refusals(row, row["subject"]) for row in rows]

    async def reused_tokens(self, within: timedelta) -> Sequence[Refusals]:
        rows = await self.connection.fetch(f"{_CALL}recent_reuses($1, $2)", within, SUBJECTS_MAX)
        return [_refusals(row, f"refresh tokens of account {row['account_id']}") for row in rows]

    async def dead_deliveries(self) -> Sequence[DeadDeliveries]:
        rows = await self.connection.fetch(f"{_CALL}dead_deliveries($1)", DEAD_MAX)
        return [DeadDeliveries(endpoint=row["endpoint"], count=row["times"]) for row in rows]

    async def spending(self, at_least: Microcredits) -> Sequence[Spending]:
        rows = await self.connection.fetch(
            f"{_CALL}recent_spending($1, $2)", at_least, SUBJECTS_MAX
        )
        return [
            Spending(
                account_id=AccountId(row["account_id"]),
                charged=Microcredits(row["charged"]),
                usual_total=Microcredits(row["usual_total"]),
                usual_hours=row["usual_hours"],
            )
            for row in rows
        ]

    async def known(self, kind: AlertKind) -> Mapping[str, Known]:
        rows = await self.connection.fetch(f"{_CALL}known_conditions($1)", kind)
        return {row["subject"]: _known(row) for row in rows}

    async def tell(self, kind: AlertKind, reading: Reading) -> None:
        await self.connection.execute(
            "SELECT tallystick.tell_condition($1, $2, $3, $4, $5)",
            kind,
            reading.severity,
            reading.subject,
            reading.message,
            self.now,
        )

    async def note(self, kind: AlertKind, subject: str, lasting: Lasting) -> None:
        await self.connection.execute(
            "SELECT tallystick.note_condition($1, $2, $3)", kind, subject, lasting.low_since
        )

    async def end(self, kind: AlertKind, subject: str) -> None:
        await self.connection.execute("SELECT tallystick.end_condition($1, $2)", kind, subject)

    async def _row(self, call: str, *given: object) -> asyncpg.Record:
        row = await self.connection.fetchrow(_CALL + call, *given)
        if row is None:
            raise AssertionError("a sum without rows is a row")
        return row


@dataclass(frozen=True, slots=True)
class PostgresCounts:
    """Keeps what `domain.tallying.KeepsCounts` promises, with the worker's login."""

    pool: asyncpg.Pool

    async def add(self, counts: Sequence[Count]) -> None:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.add_sightings($1, $2, $3, $4)",
                [count.kind for count in counts],
                [count.subject for count in counts],
                [count.account_id for count in counts],
                [count.times for count in counts],
            )


def _refusals(row: asyncpg.Record, subject: str) -> Refusals:
    account_id = row["account_id"]
    return Refusals(
        subject=subject,
        count=row["times"],
        account_id=None if account_id is None else AccountId(account_id),
    )


def _known(row: asyncpg.Record) -> Known:
    told_at = row["told_at"]
    return Known(
        lasting=None
        if told_at is None
        else Lasting(
            told_at=told_at,
            low_since=row["low_since"],
            acknowledged_at=row["acknowledged_at"],
        ),
        is_open=row["is_open"],
    )
