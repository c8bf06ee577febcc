"""Pieces of answers in progress, for other processes; kept with the worker's login."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import asyncpg

from domain.mirroring import News
from domain.publishing import WrittenPiece
from domain.units import AccountId, AnswerId, KeyNumber, Moment, PurseId
from persistence.faults import telling_faults

AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class PostgresPieces:
    """Keeps pieces as `domain.publishing.KeepsPieces` and `LooksForPieces` promise it."""

    pool: asyncpg.Pool

    async def look(self, sought: Sequence[tuple[AnswerId, int]]) -> Sequence[News]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.look_for_pieces($1, $2, $3, $4)",
                *_names([answer_id for answer_id, _ in sought]),
                [offset for _, offset in sought],
            )
        return [_news(answer_id, list(each)) for answer_id, each in groupby(rows, _answer_id)]

    async def followed(self) -> Sequence[AnswerId]:
        with telling_faults():
            rows = await self.pool.fetch("SELECT * FROM tallystick.answers_followed()")
        return [_answer_id(row) for row in rows]

    async def add(self, pieces: Sequence[WrittenPiece]) -> None:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.add_pieces($1, $2, $3, $4, $5)",
                *_names([piece.answer_id for piece in pieces]),
                [piece.begin for piece in pieces],
                [piece.text for piece in pieces],
            )

    async def remove(self, answer_ids: Sequence[AnswerId]) -> None:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.remove_pieces($1, $2, $3)", *_names(answer_ids)
            )

    async def forget(self) -> int:
        with telling_faults():
            forgotten: int = await self.pool.fetchval(
                "SELECT tallystick.forget_pieces($1)", AT_ONCE
            )
        return forgotten


@dataclass(frozen=True, slots=True)
class PostgresPurseMoments:
    """When purses last changed, as `domain.watching.Versions` promises it."""

    pool: asyncpg.Pool

    async def versions(self, keys: Sequence[PurseId]) -> Sequence[int | None]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT * FROM tallystick.purse_moments($1, $2)",
                [purse.account_id for purse in keys],
                [purse.key_number for purse in keys],
            )
        found = {_purse(row): int(row["moment"]) for row in rows}
        return [found.get(purse) for purse in keys]


def answers_named(payload: str) -> Sequence[AnswerId]:
    """The answers that a notice names; none for one that names no answer, whoever sent it."""
    try:
        names = [tuple(map(int, name.split("."))) for name in payload.split()]
        return [
            AnswerId(PurseId(AccountId(account), KeyNumber(key)), Moment(moment))
            for account, key, moment in names
        ]
    except ValueError:
        return []


def _names(answer_ids: Sequence[AnswerId]) -> tuple[list[int], list[int], list[int]]:
    return (
        [answer_id.purse.account_id for answer_id in answer_ids],
        [answer_id.purse.key_number for answer_id in answer_ids],
        [answer_id.moment for answer_id in answer_ids],
    )


def _answer_id(row: asyncpg.Record) -> AnswerId:
    return AnswerId(_purse(row), Moment(row["moment"]))


def _purse(row: asyncpg.Record) -> PurseId:
    return PurseId(AccountId(row["account_id"]), KeyNumber(row["key_number"]))


def _news(answer_id: AnswerId, rows: list[asyncpg.Record]) -> News:
    pieces = [(row["begins_at"], row["text"]) for row in rows if row["text"] is not None]
    return News(answer_id, pieces, is_over=rows[0]["is_over"])
