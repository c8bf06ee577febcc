"""Texts of answers, and replies that were passed on, are kept for a while and then forgotten."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from persistence.faults import telling_faults

AT_ONCE: Final = 1_000
"""Texts removed by one statement, so that none of them holds its locks for long."""

_TEXTS: Final = "SELECT tallystick.forget_texts($1, $2)"
_REPLIES: Final = "SELECT tallystick.forget_replies($1, $2)"


@dataclass(frozen=True, slots=True)
class PostgresTexts:
    """Answer texts and replies, as the worker login may remove them."""

    pool: asyncpg.Pool

    async def forget(self, before: datetime) -> int:
        """Remove what answers asked before a time said; returns how many texts there were."""
        await self._forget(_REPLIES, before)
        return await self._forget(_TEXTS, before)

    async def _forget(self, statement: str, before: datetime) -> int:
        forgotten = 0
        with telling_faults():
            while True:
                removed: int = await self.pool.fetchval(statement, before, AT_ONCE)
                forgotten += removed
                if removed < AT_ONCE:
                    return forgotten
