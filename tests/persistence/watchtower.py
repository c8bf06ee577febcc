"""Somebody who looks after a bank, and whatever is wrong there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from domain.alerting import AlertKind
from domain.overseeing import Overseeing
from domain.tallying import Tally
from domain.thresholds import Limits
from domain.units import Microcredits
from persistence.overseeing import PostgresCounts, PostgresLookout
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from schema.ids import account_name
from tests.persistence.bank import Bank

LIMITS = Limits(
    failures_percent=50,
    backlog_seconds=60,
    backlog_max=1_000,
    refusals=5,
    spending=Microcredits(1_000),
    spending_times=5,
)
AT_ONCE = timedelta(0)

MOVE_CONDITIONS = """
UPDATE tallystick.alert_conditions
   SET told_at = told_at - $1::interval, low_since = low_since - $1::interval
"""
MOVE_CHECKS = """
UPDATE tallystick.book_checks
   SET started_at = started_at - $1::interval, finished_at = finished_at - $1::interval
"""


@dataclass(frozen=True, slots=True)
class Tower:
    """Looks at once, whenever asked to."""

    bank: Bank
    pool: asyncpg.Pool
    overseeing: Overseeing
    tally: Tally

    async def look(self, kind: AlertKind) -> int:
        return await self.overseeing.look_for(kind, AT_ONCE)

    async def alerts(self) -> list[tuple[str, str, int]]:
        """Kind, message and count of each, oldest first."""
        rows = await self.bank.owner.fetch(
            "SELECT kind, message, count FROM tallystick.alerts ORDER BY id"
        )
        return [(row["kind"], row["message"], row["count"]) for row in rows]

    async def alerts_of(self, kind: AlertKind) -> list[str]:
        """What was told of one kind, oldest first."""
        return [message for each, message, _ in await self.alerts() if each == kind]

    async def wait(self, how_long: timedelta) -> None:
        """Let so much time go by for every condition, and for the checks of the books."""
        await self.bank.owner.execute(MOVE_CONDITIONS, how_long)
        await self.bank.owner.execute(MOVE_CHECKS, how_long)


@asynccontextmanager
async def tower_of(bank: Bank, *, connections_max: int = 4) -> AsyncIterator[Tower]:
    url = url_of(Login.WORKER, bank.url, secret=bank.secret)
    async with pool_of(Login.WORKER, url, connections_max=connections_max) as pool:
        yield Tower(
            bank,
            pool,
            Overseeing(lookout=PostgresLookout(pool), limits=LIMITS, name_of=account_name),
            Tally(keeper=PostgresCounts(pool), hidden=lambda text: f"hash of {len(text)}"),
        )
