"""Answers as whoever runs them left them, and what is overdue; read with the worker's login."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from domain.answers import Answer, AnswerStatus, FinishReason
from domain.errors import IdempotencyKeyReused, NotFound, ProviderFailure, Unavailable
from domain.ledger import Once
from domain.running import time_of
from domain.units import (
    AccountId,
    AnswerId,
    HoldId,
    KeyNumber,
    Microcredits,
    ModelId,
    Moment,
    PurseId,
    UsageId,
)

_UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class PostgresAnswers:
    """Stored answers, overdue holds and purses, and room for the months ahead."""

    pool: asyncpg.Pool

    async def find(self, answer_id: AnswerId) -> tuple[Answer, UUID | None]:
        purse = answer_id.purse
        row = await self._row(
            "SELECT * FROM tallystick.find_answer($1, $2, $3)",
            purse.account_id,
            purse.key_number,
            answer_id.moment,
        )
        if row is None:
            raise NotFound("answer")
        return _answer(answer_id, row), row["runner"]

    async def find_by_key(self, account_id: AccountId, once: Once) -> AnswerId | None:
        row = await self._row(
            "SELECT * FROM tallystick.answer_of_key($1, $2)", account_id, UUID(bytes=once.key)
        )
        if row is None:
            return None
        if row["digest"].bytes != once.digest:
            raise IdempotencyKeyReused
        return AnswerId(PurseId(account_id, KeyNumber(row["key_number"])), Moment(row["moment"]))

    async def _row(self, statement: str, *values: object) -> asyncpg.Record | None:
        try:
            return await self.pool.fetchrow(statement, *values)
        except _UNREACHABLE as error:
            raise Unavailable("The database cannot be reached. Try again shortly.") from error

    async def holds(self, limit: int) -> Sequence[HoldId]:
        rows = await self.pool.fetch("SELECT * FROM tallystick.due_holds($1)", limit)
        return [
            HoldId(
                PurseId(AccountId(row["account_id"]), KeyNumber(row["key_number"])),
                Moment(row["moment"]),
            )
            for row in rows
        ]

    async def settle_purses(self, limit: int) -> int:
        """See the port; each function is a commit of its own, and locks what it touches only."""
        settled: int = await self.pool.fetchval("SELECT tallystick.settle_due_purses($1)", limit)
        emptied: int = await self.pool.fetchval("SELECT tallystick.empty_revoked_keys($1)", limit)
        collected: int = await self.pool.fetchval("SELECT tallystick.collect_owed($1)", limit)
        return settled + emptied + collected

    async def ensure_partitions(self, now: datetime) -> int:
        """Make the partitions of the quarter ahead; returns how many were missing."""
        made = await self.pool.fetchval(
            "SELECT tallystick.ensure_partitions($1, $2)", now, now + timedelta(days=92)
        )
        return int(made)


def _answer(answer_id: AnswerId, row: asyncpg.Record) -> Answer:
    ended: int | None = row["ended_moment"]
    return Answer(
        id=answer_id,
        status=AnswerStatus(row["status"]),
        model_id=ModelId(row["model_id"]),
        api_key_number=KeyNumber(row["api_key_number"]),
        text=row["text"],
        finish_reason=FinishReason(row["finish_reason"]) if row["finish_reason"] else None,
        failure=ProviderFailure(row["failure"]) if row["failure"] else None,
        charged=Microcredits(row["charged"]),
        held=Microcredits(row["held"]),
        usage_ids=tuple(
            UsageId(answer_id.purse, Moment(ended + attempt))
            for attempt in range(1, row["attempts"] + 1)
        )
        if ended is not None
        else (),
        finished_at=time_of(Moment(ended)) if ended is not None else None,
    )
