"""Buckets that all processes fill together, many of them by one query."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from domain.allowing import Filling, Level
from persistence.faults import telling_faults
from persistence.gathering import Gathering

FORGOTTEN_AT_ONCE: Final = 1_000
_MICROSECOND: Final = timedelta(microseconds=1)
_TAKE: Final = "SELECT key, taken, level FROM tallystick.take_allowances($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One filling, equal to no other: two that are alike fill twice."""

    key: UUID
    filling: Filling


class PostgresBuckets:
    """Fills buckets, as `domain.allowing.Buckets` promises it.

    A bucket's name may hold a network or mail address, so what is stored is a hash under a key that
    is not in the database.
    """

    def __init__(self, pool: asyncpg.Pool, *, secret: str) -> None:
        self._pool = pool
        self._key = hmac.digest(secret.encode(), b"names of buckets", "sha256")
        self._fillings = Gathering(self._fill)

    async def fill(self, name: str, filling: Filling) -> Level:
        """Fill a bucket by what fits. Raises Unavailable."""
        key = UUID(bytes=hmac.digest(self._key, name.encode(), "sha256")[:16])
        level = await self._fillings.find(_Asked(key, filling))
        if level is None:
            raise AssertionError("take_allowances() answers for every bucket")
        return level

    async def forget(self) -> int:
        """Remove buckets that ran empty; returns how many there were. Raises Unavailable."""
        forgotten = 0
        with telling_faults():
            while True:
                removed: int = await self._pool.fetchval(
                    "SELECT tallystick.forget_buckets($1)", FORGOTTEN_AT_ONCE
                )
                forgotten += removed
                if removed < FORGOTTEN_AT_ONCE:
                    return forgotten

    async def _fill(self, asked: list[_Asked]) -> Mapping[_Asked, Level]:
        # One query names a bucket once, so what else is asked of it waits for a query of its own.
        found: dict[_Asked, Level] = {}
        while asked:
            turn = {each.key: each for each in reversed(asked)}
            found |= await self._fill_each(turn)
            asked = [each for each in asked if each not in found]
        return found

    async def _fill_each(self, asked: Mapping[UUID, _Asked]) -> dict[_Asked, Level]:
        fillings = [each.filling for each in asked.values()]
        with telling_faults():
            rows = await self._pool.fetch(
                _TAKE,
                list(asked),
                [filling.needed // _MICROSECOND for filling in fillings],
                [filling.wanted // _MICROSECOND for filling in fillings],
                [filling.window // _MICROSECOND for filling in fillings],
            )
        return {
            asked[row["key"]]: Level(
                taken=row["taken"] * _MICROSECOND, runs_empty_in=row["level"] * _MICROSECOND
            )
            for row in rows
        }
