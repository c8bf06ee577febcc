"""Texts of answers are kept for a while, and then forgotten."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from persistence.faults import telling_faults

AT_ONCE: Final = 1_000
"""Texts removed by one statement, so that none of them holds its locks for long."""


@dataclass(frozen=True, slots=True)
class PostgresTexts:
    """Answer texts, as the worker login may remove them."""

    pool: asyncpg.Pool

    async def forget(self, before: datetime) -> int:
        """Remove the texts of answers asked before a time; returns how many there were."""
        forgotten = 0
        with telling_faults():
            while True:
                removed: int = await self.pool.fetchval(
                    "SELECT tallystick.forget_texts($1, $2)", before, AT_ONCE
                )
                forgotten += removed
                if removed < AT_ONCE:
                    return forgotten
