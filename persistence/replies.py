"""Replies to calls that were passed on, kept with the worker's login."""

from dataclasses import dataclass

import asyncpg

from domain.units import AnswerId
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresReplies:
    """Keeps replies as `domain.passing.Replies` promises it."""

    pool: asyncpg.Pool

    async def keep(self, answer_id: AnswerId, reply: bytes) -> None:
        purse = answer_id.purse
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.keep_reply($1, $2, $3, $4)",
                purse.account_id,
                purse.key_number,
                answer_id.moment,
                reply,
            )

    async def find(self, answer_id: AnswerId) -> bytes | None:
        purse = answer_id.purse
        with telling_faults():
            reply: bytes | None = await self.pool.fetchval(
                "SELECT tallystick.find_reply($1, $2, $3)",
                purse.account_id,
                purse.key_number,
                answer_id.moment,
            )
        return reply
