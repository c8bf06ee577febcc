"""A process of its own that takes and ends holds of given purses, and tells what it was told.

python -m tests.persistence.hammering URL ACCOUNT/KEY... SEED
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Self
from uuid import UUID

from asyncpg.pgproto import pgproto

from domain.errors import InsufficientCredits
from domain.ledger import Once
from domain.units import AccountId, KeyNumber, Microcredits, PurseId
from persistence.ledger import PostgresLedger

CALLERS = 16
TURNS = 15


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: what it did to the purse and when, and the balance it told."""

    outcome: str
    account_id: int
    key_number: int
    moment: int
    total_change: int = 0
    held_change: int = 0
    total: int = 0
    held: int = 0

    @classmethod
    def parse(cls, line: str) -> Self:
        outcome, *numbers = line.split()
        return cls(outcome, *map(int, numbers))

    @property
    def purse(self) -> PurseId:
        return PurseId(AccountId(self.account_id), KeyNumber(self.key_number))


async def hammer(ledger: PostgresLedger, purses: Sequence[PurseId], *, seed: int) -> list[Told]:
    """Take holds of random purses and end them at once, by many callers at the same time."""
    chance = random.Random(seed)  # noqa: S311 - nothing is secret here
    told: list[Told] = []

    async def caller() -> None:
        for _ in range(TURNS):
            await _take_and_end(ledger, chance, chance.choice(purses), told)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return told


async def _take_and_end(
    ledger: PostgresLedger, chance: random.Random, purse: PurseId, told: list[Told]
) -> None:
    amount = chance.randint(1, 20)
    where = (purse.account_id, purse.key_number)
    once = Once.of("askAI", str(UUID(int=chance.getrandbits(128))))
    try:
        taken = await ledger.hold(purse, Microcredits(amount), once, lasts_seconds=60)
    except InsufficientCredits:
        told.append(Told("InsufficientCredits", *where, 0))
        return
    now = taken.balance
    told.append(Told("held", *where, taken.hold_id.moment, 0, amount, now.total, now.held))
    cost = chance.randint(0, 2) and chance.randint(1, min(amount, 3))
    if cost:
        ended = await ledger.capture(taken.hold_id, Microcredits(cost))
    else:
        ended = await ledger.release(taken.hold_id)
    now = ended.balance
    told.append(Told("ended", *where, ended.ended_at, -cost, -amount, now.total, now.held))


async def _main(url: str, *words: str) -> None:
    *names, seed = words
    purses = []
    for name in names:
        account_id, _, key_number = name.partition("/")
        purses.append(PurseId(AccountId(int(account_id)), KeyNumber(int(key_number))))
    async with PostgresLedger(url, runner=pgproto.UUID(UUID(int=int(seed)).bytes)) as ledger:
        told = await hammer(ledger, purses, seed=int(seed))
    sys.stdout.writelines(" ".join(map(str, astuple(answer))) + "\n" for answer in told)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
