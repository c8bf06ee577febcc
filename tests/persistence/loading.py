"""Callers who hold and capture; also as a process that tells each step, so that it can be killed.

python -m tests.persistence.loading URL ACCOUNT...
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from asyncpg.pgproto import pgproto

from domain.errors import Unavailable
from domain.ledger import HoldEnded, HoldTaken, Once
from domain.units import AccountId, HoldId, Microcredits, Moment, PurseId
from persistence.ledger import PostgresLedger

CALLERS = 24
HELD = Microcredits(10)
COST = Microcredits(3)
RUNNER = pgproto.UUID("00000000-0000-4000-8000-000000000001")


@dataclass(slots=True)
class Load:
    """Callers who hold and capture until they are stopped, and all that they were told."""

    ledger: PostgresLedger
    purses: list[PurseId]
    asked: set[str] = field(default_factory=set)
    taken: dict[str, HoldTaken] = field(default_factory=dict)
    captured: dict[str, HoldEnded] = field(default_factory=dict)
    progress: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False
    is_telling: bool = False

    @property
    def acknowledged(self) -> int:
        return len(self.taken) + len(self.captured)

    @property
    def names_of_holds(self) -> dict[str, HoldId]:
        return {key: taken.hold_id for key, taken in self.taken.items()}

    @property
    def ends(self) -> dict[str, Moment]:
        return {key: ended.ended_at for key, ended in self.captured.items()}

    async def caller(self, number: int) -> None:
        for turn in count():
            if self.is_over:
                return
            await self.ask(f"{number}-{turn}")

    async def ask(self, key: str) -> None:
        """Hold and capture under this key, as far as the database can be reached."""
        number, _, turn = key.partition("-")
        purse = self.purses[(int(number) + int(turn)) % len(self.purses)]
        once = Once.of("askAI", key)
        self.asked.add(key)
        self._tell("asked", key)
        with suppress(Unavailable):
            taken = await self.ledger.hold(purse, HELD, once, lasts_seconds=3_600)
            self.taken[key] = taken
            self._tell("taken", key, taken.hold_id.moment)
            self.progress.set()
            ended = await self.ledger.capture(taken.hold_id, COST)
            self.captured[key] = ended
            self._tell("captured", key, ended.ended_at)

    def _tell(self, *words: object) -> None:
        if self.is_telling:
            sys.stdout.write(" ".join(map(str, words)) + "\n")
            sys.stdout.flush()

    async def reach(self, acknowledged: int) -> None:
        """Wait until the callers were told this much."""
        while self.acknowledged < acknowledged:
            self.progress.clear()
            await self.progress.wait()


async def _main(url: str, *accounts: str) -> None:
    purses = [PurseId(AccountId(int(account))) for account in accounts]
    async with PostgresLedger(url, runner=RUNNER) as ledger:
        load = Load(ledger, purses, is_telling=True)
        await asyncio.gather(*(load.caller(number) for number in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
