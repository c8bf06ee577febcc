"""What is kept for a while and then forgotten: answers' texts and replies, and alerts long seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from persistence.faults import telling_faults

AT_ONCE: Final = 1_000
"""Rows removed by one statement, so that none of them holds its locks for long."""

ALERTS_KEPT_FOR: Final = timedelta(days=90)
"""After somebody took note of them."""

_TEXTS: Final = "SELECT tallystick.forget_texts($1, $2)"
_REPLIES: Final = "SELECT tallystick.forget_replies($1, $2)"
_ALERTS: Final = "SELECT tallystick.forget_alerts($1, $2)"


@dataclass(frozen=True, slots=True)
class PostgresTexts:
    """Answer texts and replies, as the worker login may remove them."""

    pool: asyncpg.Pool

    async def forget(self, before: datetime) -> int:
        """Remove what answers asked before a time said; returns how many texts there were."""
        await _forget(self.pool, _REPLIES, before)
        return await _forget(self.pool, _TEXTS, before)


@dataclass(frozen=True, slots=True)
class PostgresSeenAlerts:
    """Alerts that somebody has seen, as the worker login may remove them."""

    pool: asyncpg.Pool

    async def forget(self) -> int:
        """Remove those seen long ago whose conditions are over; returns how many there were."""
        return await _forget(self.pool, _ALERTS, ALERTS_KEPT_FOR)


async def _forget(pool: asyncpg.Pool, statement: str, until: datetime | timedelta) -> int:
    forgotten = 0
    with telling_faults():
        while True:
            removed: int = await pool.fetchval(statement, until, AT_ONCE)
            forgotten += removed
            if removed < AT_ONCE:
                return forgotten
