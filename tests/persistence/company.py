"""Operations sent on each of the ways they can take to the database."""

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from typing import TypeVar
from uuid import uuid4

from domain.errors import Problem, StateConflict
from domain.ledger import HoldEnded, HoldTaken, Once
from domain.units import HoldId, Microcredits, Moment
from persistence.ledger import PostgresLedger
from tests.persistence.bank import Bank, Customer

T = TypeVar("T", HoldTaken, HoldEnded)

FROM_THE_START = Moment(1)


class Way(StrEnum):
    """How an operation travels: by itself, in a usual batch, or in one that needs care."""

    ALONE = "alone"
    AMONG_OTHERS = "among others"
    WITH_CARE = "with care"


class Company:
    """Sends operations one at a time, each on a given way, with a neighbour if it takes one."""

    def __init__(self, bank: Bank, way: Way, neighbour: Customer) -> None:
        self._ledger = bank.ledger
        self._way = way
        self._neighbour = neighbour

    async def send(self, operation: Coroutine[object, object, T]) -> T:
        if self._way is Way.ALONE:
            return await operation
        # Behind somebody who is served already, the next two come together.
        first = hold(self._ledger, self._neighbour, 1)
        # An expiry is never usual, not even one of what was never held.
        neighbours = (
            hold(self._ledger, self._neighbour, 1)
            if self._way is Way.AMONG_OTHERS
            else self._ledger.expire(HoldId(self._neighbour.purse, FROM_THE_START))
        )
        _, answer, _ = await asyncio.gather(first, _kept(operation), outcome_of(neighbours))
        if isinstance(answer, Problem):
            raise answer
        return answer


async def hold(
    ledger: PostgresLedger, customer: Customer, amount: int, *, lasts_seconds: int = 60
) -> HoldTaken:
    """A hold under a key of its own, for no answer."""
    return await ledger.hold(
        customer.purse,
        Microcredits(amount),
        Once.of("hold", str(uuid4())),
        lasts_seconds=lasts_seconds,
    )


async def outcome_of(operation: Coroutine[object, object, HoldTaken | HoldEnded]) -> str:
    """How an operation went, in a word."""
    try:
        answer = await operation
    except StateConflict:
        return "conflict"
    except Problem as problem:
        return type(problem).__name__
    return "replayed" if answer.replayed else "done"


async def _kept(operation: Coroutine[object, object, T]) -> T | Problem:
    try:
        return await operation
    except Problem as problem:
        return problem
