"""The sandbox's charges in the database, so that every process of a demo knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter

from domain.sandbox import SandboxCharge
from persistence.faults import telling_faults

_CHARGE = TypeAdapter(SandboxCharge)


@dataclass(frozen=True, slots=True)
class PostgresSandboxTill:
    """Keeps charges, as `domain.sandbox.SandboxTill` promises it."""

    pool: asyncpg.Pool

    async def charge(self, reference: str) -> SandboxCharge | None:
        with telling_faults():
            facts = await self.pool.fetchval("SELECT tallystick.sandbox_charge($1)", reference)
        return _CHARGE.validate_json(facts) if facts else None

    async def keep(self, charge: SandboxCharge, *, before: SandboxCharge | None) -> bool:
        with telling_faults():
            kept: bool = await self.pool.fetchval(
                "SELECT tallystick.keep_sandbox_charge($1, $2, $3)",
                charge.reference,
                _written(before) if before else None,
                _written(charge),
            )
        return kept

    async def changed_since(self, since: datetime) -> Sequence[SandboxCharge]:
        with telling_faults():
            rows = await self.pool.fetch("SELECT tallystick.sandbox_charges_since($1)", since)
        return [_CHARGE.validate_json(row[0]) for row in rows]


def _written(charge: SandboxCharge) -> str:
    return _CHARGE.dump_json(charge).decode()
