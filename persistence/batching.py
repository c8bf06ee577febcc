"""Natural batching: while one batch is being committed, the next one gathers.

A lone operation is sent at once and waits for nobody. Operations wait in queues by purse; a
connection takes queues that nobody is working on, so one purse is never in two batches of this
process and keeps its order. A second connection joins only when enough wait to pay for its commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from domain.errors import RateLimited
from persistence.operations import Operation, Result

BATCH_MAX: Final = 128
"""Two batches of what one process has in hand: PostgreSQL works on one, Python on the other."""
JOIN_AT: Final = 32
"""How many must wait before another connection joins in; fewer only make smaller batches."""

Answers = Iterable[tuple[Operation, Result | Exception]]
Send = Callable[[list[Operation]], Awaitable[Answers]]


class Batching:
    """Hands waiting operations to `send` in batches, a few at a time.

    `send` gives every operation of its batch a result or an exception and never raises itself.
    """

    def __init__(self, send: Send, *, lanes: int, waiting_max: int) -> None:
        self._send = send
        self._lanes_free = lanes
        self._lanes = lanes
        self._waiting = 0
        self._waiting_max = waiting_max
        self._free: dict[tuple[int, int], list[Operation]] = {}
        self._taken: dict[tuple[int, int], list[Operation]] = {}
        self._drains: set[asyncio.Task[None]] = set()

    def submit(self, operation: Operation) -> None:
        """Queue an operation; raises RateLimited at once when too many wait already."""
        if self._waiting >= self._waiting_max:
            raise RateLimited(1)
        self._waiting += 1
        purse = (operation.purse.account_id, operation.purse.key_number)
        queue = self._taken.get(purse)
        if queue is None:
            queue = self._free.get(purse)
            if queue is None:
                self._free[purse] = [operation]
            else:
                queue.append(operation)
            if self._lanes_free and (self._lanes_free == self._lanes or self._waiting >= JOIN_AT):
                self._lanes_free -= 1
                self._drains.add(asyncio.create_task(self._drain()))
        else:
            queue.append(operation)

    async def settle(self) -> None:
        """Wait until everything submitted so far has its outcome."""
        while self._drains:
            await asyncio.wait(self._drains)

    async def _drain(self) -> None:
        answers: Answers = ()
        while True:
            batch, purses = self._take()
            if not batch:
                break
            if answers:
                sending = asyncio.ensure_future(self._send(batch))
                await asyncio.sleep(0)  # sends the next batch before the last one's callers wake
                _tell(answers)
                answers = await sending
            else:
                answers = await self._send(batch)
            self._release(purses)
        _tell(answers)
        self._lanes_free += 1
        self._drains.discard(asyncio.current_task())

    def _take(self) -> tuple[list[Operation], list[tuple[int, int]]]:
        """The queues that waited longest, up to a fair share of what waits."""
        batch: list[Operation] = []
        purses: list[tuple[int, int]] = []
        if self._lanes_free < self._lanes - 1 and self._waiting < JOIN_AT:
            return batch, purses
        share = min(BATCH_MAX, max(JOIN_AT, self._waiting // (self._lanes_free + 1)))
        while self._free and len(batch) < share:
            purse = next(iter(self._free))
            queue = self._free.pop(purse)
            room = BATCH_MAX - len(batch)
            batch += queue[:room]
            self._taken[purse] = queue[room:]
            purses.append(purse)
        self._waiting -= len(batch)
        return batch, purses

    def _release(self, purses: list[tuple[int, int]]) -> None:
        for purse in purses:
            queue = self._taken.pop(purse)
            if queue:
                self._free[purse] = queue


def _tell(answers: Answers) -> None:
    """Tell every caller what became of its operation; one that left had it done all the same."""
    for operation, answer in answers:
        if operation.done.done():
            continue
        if isinstance(answer, Exception):
            operation.done.set_exception(answer)
        else:
            operation.done.set_result(answer)
