"""Adding usage records up behind the writes, with the worker's login."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from persistence.faults import telling_faults

AT_ONCE: Final = 20_000
"""Records added up in one commit: a fifth of a second's work."""

SPARED: Final = 10_000_000
"""Microseconds by which the server's clock may be put back without a word. When it is put back by
more, the next round notices, if it is begun within this time of the last."""

_HORIZON: Final = "SELECT tallystick.usage_horizon($1)"
_PATIENTLY: Final = "SET LOCAL statement_timeout = '30min'"
_FOLD: Final = "SELECT tallystick.fold_usage($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class PostgresFolding:
    """Fills the cells that summaries are read from; see `docs/decisions/0021`."""

    pool: asyncpg.Pool
    spared: int = SPARED
    at_once: int = AT_ONCE

    async def fold(self) -> int:
        """Add up all that is certain, a step after the other; returns how many records that were.

        Any number of processes may try: one of them does it. The horizon is asked for in a
        transaction of its own, so that every step sees all that is before it.
        """
        folded = 0
        with telling_faults():
            horizon: int | None = await self.pool.fetchval(_HORIZON, self.spared)
            while horizon is not None and (step := await self._step(horizon)):
                folded += step
        return folded

    async def _step(self, horizon: int) -> int:
        """How many records one commit added up; none when all are, or when somebody else is at it.

        It may take its time: the first step on a long history looks through all of it.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_PATIENTLY)
            step: int | None = await connection.fetchval(_FOLD, horizon, self.spared, self.at_once)
        return step or 0
