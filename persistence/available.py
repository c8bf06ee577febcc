"""What many accounts can spend now, read with the worker's login."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from domain.units import AccountId, Microcredits
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresAvailable:
    """Reads credits as `domain.budget_mirroring.AvailableCredits` promises it."""

    pool: asyncpg.Pool

    async def available(self, accounts: Sequence[AccountId]) -> Mapping[AccountId, Microcredits]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.available_credits($1)", list(accounts)
            )
        return {AccountId(row["account_id"]): Microcredits(row["available"]) for row in rows}
