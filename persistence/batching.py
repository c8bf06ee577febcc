"""Natural batching: while one batch is being committed, the next one gathers.

A lone operation is sent at once and waits for nobody. Operations wait in small queues by purse; a
connection takes all queues that nobody is working on, so one purse is never in two batches of this
process and keeps its order. A second connection joins only when enough wait to pay for its commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from domain.errors import RateLimited
from persistence.operations import Operation, Result

QUEUES: Final = 64
BATCH_MAX: Final = 256
JOIN_AT: Final = 32
"""How many must wait before another connection joins in; fewer only make smaller batches."""

type_of_sender = Callable[[list[Operation]], Awaitable[None]]


class Batching:
    """Hands waiting operations to `send` in batches, a few at a time.

    `send` gives every operation of its batch a result or an exception and never raises itself.
    """

    def __init__(self, send: type_of_sender, *, lanes: int, waiting_max: int) -> None:
        self._send = send
        self._lanes_free = lanes
        self._lanes = lanes
        self._waiting_max = waiting_max
        self._waiting = 0
        self._free: dict[int, list[Operation]] = {}
        self._taken: dict[int, list[Operation]] = {}
        self._drains: set[asyncio.Task[None]] = set()

    def submit(self, operation: Operation) -> None:
        """Queue an operation; raises RateLimited at once when too many wait already."""
        if self._waiting >= self._waiting_max:
            raise RateLimited(1)
        number = hash(operation.purse) % QUEUES
        self._waiting += 1
        taken = self._taken.get(number)
        if taken is not None:
            taken.append(operation)
            return
        self._free.setdefault(number, []).append(operation)
        if self._lanes_free and (self._lanes_free == self._lanes or self._waiting >= JOIN_AT):
            self._lanes_free -= 1
            drain = asyncio.create_task(self._drain())
            self._drains.add(drain)
            drain.add_done_callback(self._drains.discard)

    async def settle(self) -> None:
        """Wait until everything submitted so far has its outcome."""
        while self._drains:
            await asyncio.wait(self._drains)

    async def _drain(self) -> None:
        if self._lanes_free == self._lanes - 1:
            await asyncio.sleep(0)  # callers that are ready now join the first batch
        while batch := self._take():
            numbers = {hash(operation.purse) % QUEUES for operation in batch}
            try:
                await self._send(batch)
            finally:
                self._release(numbers)
        self._lanes_free += 1

    def _take(self) -> list[Operation]:
        """The queues that waited longest, up to a fair share of what waits."""
        if self._lanes_free < self._lanes - 1 and self._waiting < JOIN_AT:
            return []
        share = max(JOIN_AT, self._waiting // (self._lanes_free + 1))
        batch: list[Operation] = []
        while self._free and len(batch) < min(share, BATCH_MAX):
            number = next(iter(self._free))
            queue = self._free.pop(number)
            room = BATCH_MAX - len(batch)
            batch += queue[:room]
            self._taken[number] = queue[room:]
        self._waiting -= len(batch)
        return batch

    def _release(self, numbers: set[int]) -> None:
        for number in numbers:
            queue = self._taken.pop(number)
            if queue:
                self._free[number] = queue


def answer(operation: Operation, result: Result) -> None:
    """Tell the caller, unless it has left: its operation was done all the same."""
    if not operation.done.done():
        operation.done.set_result(result)


def refuse(operation: Operation, error: Exception) -> None:
    """Tell the caller that its operation failed, unless it has left."""
    if not operation.done.done():
        operation.done.set_exception(error)
