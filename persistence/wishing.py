"""What the operator's systems want to be told, called with the worker's login."""

from dataclasses import dataclass

import asyncpg

from domain.telling import EventType
from domain.units import Microcredits
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresWishes:
    """Keeps which events are written when they happen."""

    pool: asyncpg.Pool

    async def wish(self, types: frozenset[EventType], *, low_balance: Microcredits) -> bool:
        """Say what is to be told from now on; true when that is news."""
        with telling_faults():
            is_news: bool = await self.pool.fetchval(
                "SELECT tallystick.wish_events($1, $2)", sorted(types), low_balance
            )
        return is_news

    async def wanted(self) -> frozenset[EventType]:
        """What is to be told now, as far as this release knows it."""
        with telling_faults():
            types = await self.pool.fetchval("SELECT tallystick.events_wanted()")
        return frozenset(EventType) & frozenset(types)
