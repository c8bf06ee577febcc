"""Natural batching: while one batch is being committed, the next one gathers.

Operations wait in queues by purse; a connection takes queues that nobody is working on, so that
batches of this process do not wait for each other's locks. The exception is a purse so busy that it
fills a batch alone: its next batch is read and waits in the database while the last one is written
to disk. A second connection joins only when enough wait to pay for its commit. A lone caller waits
for nobody, not even for a task.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from domain.errors import RateLimited
from domain.tracing import TRACING
from persistence.operations import Operation, Result

BATCH_MAX: Final = 128
"""Two batches of what one process has in hand: PostgreSQL works on one, Python on the other."""
JOIN_AT: Final = 32
"""How many must wait before another connection joins in; fewer only make smaller batches."""

Answers = Iterable[tuple[Operation, Result | Exception]]
Send = Callable[[list[Operation]], Awaitable[Answers]]
Name = tuple[int, int]
"""Of a purse: tuples are quicker to look up than the values made of them."""


class _Taken:
    """A purse that some batches are working on, and what came for it since."""

    __slots__ = ("batches", "queue")

    def __init__(self) -> None:
        self.batches = 1
        self.queue: list[Operation] = []


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
        self._free: dict[Name, list[Operation]] = {}
        self._taken: dict[Name, _Taken] = {}
        self._at_work: set[asyncio.Future[None]] = set()
        self._is_quiet = True
        """Whether the last batch was one operation, and nobody came while it was sent."""

    @property
    def waiting(self) -> int:
        """How many operations no batch has taken yet."""
        return self._waiting

    def perform(self, operation: Operation) -> Awaitable[Result]:
        """See it done, alone or among others; raises RateLimited when too many wait already.

        It is done even if the caller leaves.
        """
        if (tracing := TRACING.get()) is not None:
            operation.asked_at = tracing.here()
        if self._is_quiet and self._lanes_free == self._lanes:
            return self._perform_alone(operation)
        return self._queue(operation)

    async def settle(self) -> None:
        """Wait until everything that was begun has its outcome."""
        while self._at_work:
            await asyncio.wait(self._at_work)

    async def _perform_alone(self, operation: Operation) -> Result:
        """Send it from here: a task and a future would cost a lone caller a tenth of its time."""
        name = _name(operation)
        done = asyncio.get_running_loop().create_future()
        self._at_work.add(done)
        taken = self._taken[name] = _Taken()
        self._lanes_free -= 1
        try:
            [(_, answer)] = await self._send([operation])
        except asyncio.CancelledError:
            # How far it came is unknown: once more, for nobody; a second time it does no harm.
            taken.queue.insert(0, operation)
            self._waiting += 1
            raise
        finally:
            self._release([name])
            self._lanes_free += 1
            self._is_quiet = not self._free
            if self._free:
                self._start()
            self._at_work.discard(done)
            done.set_result(None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _queue(self, operation: Operation) -> "asyncio.Future[Result]":
        if self._waiting >= self._waiting_max:
            raise RateLimited(1)
        self._waiting += 1
        operation.done = asyncio.get_running_loop().create_future()
        name = _name(operation)
        taken = self._taken.get(name)
        if taken is not None:
            taken.queue.append(operation)
            if self._lanes_free and len(taken.queue) >= JOIN_AT:
                self._free.setdefault(name, []).extend(taken.queue)
                taken.queue.clear()
                self._start()
            return operation.done
        self._free.setdefault(name, []).append(operation)
        if self._lanes_free and (self._lanes_free == self._lanes or self._waiting >= JOIN_AT):
            self._start()
        return operation.done

    def _start(self) -> None:
        self._lanes_free -= 1
        drain = asyncio.create_task(self._drain())
        self._at_work.add(drain)
        drain.add_done_callback(self._at_work.discard)

    async def _drain(self) -> None:
        answers: Answers = ()
        while True:
            batch, names = self._take()
            if not batch:
                break
            if answers:
                sending = asyncio.ensure_future(self._send(batch))
                await asyncio.sleep(0)  # sends the next batch before the last one's callers wake
                _tell(answers)
                answers = await sending
            else:
                answers = await self._send(batch)
            self._release(names)
            self._is_quiet = len(batch) == 1 and not self._free
        _tell(answers)
        self._lanes_free += 1

    def _take(self) -> tuple[list[Operation], list[Name]]:
        """The queues that waited longest, up to a fair share of what waits."""
        batch: list[Operation] = []
        names: list[Name] = []
        if self._lanes_free < self._lanes - 1 and self._waiting < JOIN_AT:
            return batch, names
        share = min(BATCH_MAX, max(JOIN_AT, self._waiting // (self._lanes_free + 1)))
        while self._free and len(batch) < share:
            name = next(iter(self._free))
            queue = self._free.pop(name)
            room = BATCH_MAX - len(batch)
            batch += queue[:room]
            taken = self._taken.get(name)
            if taken is None:
                taken = self._taken[name] = _Taken()
            else:
                taken.batches += 1
            taken.queue[:0] = queue[room:]
            names.append(name)
        self._waiting -= len(batch)
        return batch, names

    def _release(self, names: list[Name]) -> None:
        for name in names:
            taken = self._taken[name]
            taken.batches -= 1
            if taken.queue:
                self._free.setdefault(name, []).extend(taken.queue)
                taken.queue.clear()
            if not taken.batches:
                del self._taken[name]


def _name(operation: Operation) -> Name:
    return operation.purse.account_id, operation.purse.key_number


def _tell(answers: Answers) -> None:
    """Tell every caller what became of its operation; one that left had it done all the same."""
    for operation, answer in answers:
        done = operation.done
        if done is None or done.done():
            continue
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)
