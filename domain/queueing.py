"""Answers that wait until some process has room for them; and the room of this one.

A question is kept only while its answer waits: whoever claims the answer takes the question out of
the database, in the same commit. So no prompt outlives its turn, and no answer runs twice.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from domain.answers import AnswerStatus
from domain.errors import TallystickError, Unavailable
from domain.leasing import Lease
from domain.running import Run, Running
from domain.units import AnswerId

_CLAIMED_AT_ONCE_MAX: Final = 50

_log = logging.getLogger(__name__)


class Queue(Protocol):
    """The answers that wait, in the order in which they were accepted, for all processes."""

    async def has_room(self, waiting_max: int) -> bool:
        """Whether fewer wait than that."""
        ...

    async def keep(self, run: Run) -> None:
        """Keep the question of an answer that waits; nothing, if it no longer does."""
        ...

    async def claim(self, limit: int, *, lasts_seconds: int) -> Sequence[Run]:
        """Take the oldest; they are this process's to run, and nobody else's.

        Their holds last so long from now on.
        """
        ...

    async def as_held(self, run: Run) -> Run | None:
        """A run under the terms of its hold; None when it is not this process's to run."""
        ...

    async def hand_back(self, run: Run, *, lasts_seconds: int) -> bool:
        """Let a run of this process wait again; false when it is not its any more."""
        ...

    async def withdraw(self, answer_id: AnswerId) -> bool:
        """See to it that nobody claims an answer any more; false when it does not wait."""
        ...


@dataclass(slots=True, kw_only=True)
class Queueing:
    """Says whether a question runs at once or waits, and fetches what waits when there is room."""

    queue: Queue
    running: Running
    lease: Lease
    waiting_max: int = 1_000
    waiting_seconds: int = 600
    """How long an answer may wait; longer, and it fails."""
    is_closing: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be something to fetch, or room to fetch it."""
    _has_backlog: bool = False
    _is_claiming: bool = False

    def hold_seconds(self, status: AnswerStatus) -> int:
        """How long the hold of an answer has to live that begins in this way."""
        waiting = self.waiting_seconds if status is AnswerStatus.QUEUED else 0
        return self.running.hold_seconds + waiting

    async def status_of_next(self) -> AnswerStatus:
        """How the next question begins. Raises Unavailable when as many wait already as may.

        While others wait it waits behind them, though there may be room for a moment.
        """
        if self.running.room and self.lease.is_held and not self._has_backlog:
            return AnswerStatus.RUNNING
        if not await self.queue.has_room(self.waiting_max):
            raise Unavailable("Too many answers are in progress. Try again shortly.")
        return AnswerStatus.QUEUED

    async def keep(self, run: Run) -> None:
        """Let an answer wait for its turn, here or elsewhere."""
        self._has_backlog = True
        await self.queue.keep(run)
        self.wake.set()

    async def adopt(self, run: Run) -> None:
        """Run an answer that is this process's, if nothing of it is on its way here already.

        It is run for what its hold was computed from, which the price book may not say any more.
        """
        if not self._may_adopt(run.answer_id):
            return
        held = await self.queue.as_held(run)
        if held is not None and self._may_adopt(run.answer_id):
            self.running.admit()
            self.running.start(held)

    def _may_adopt(self, answer_id: AnswerId) -> bool:
        if self._is_claiming or self.running.has_run(answer_id) or not self.running.room:
            return False
        return self.running.find(answer_id) is None

    async def claim(self) -> int:
        """Fetch as many answers as there is room for, and start them; returns how many."""
        room = min(self.running.room, _CLAIMED_AT_ONCE_MAX)
        if not room or self.is_closing or not self.lease.is_held:
            return 0
        self.running.admit(room)
        self._is_claiming = True
        runs: Sequence[Run] = ()
        try:
            runs = await self.queue.claim(room, lasts_seconds=self.running.hold_seconds)
            for run in runs:
                self.running.start(run)
        finally:
            self.running.withdraw(room - len(runs))
            self._is_claiming = False
        self._has_backlog = len(runs) == room
        return len(runs)

    def room_made(self) -> None:
        """A run has ended here: its place is for whoever waits longest."""
        if self._has_backlog:
            self.wake.set()

    async def hand_back(self, run: Run) -> bool:
        """Let an answer wait again that this process cannot finish."""
        seconds = self.hold_seconds(AnswerStatus.QUEUED)
        try:
            return await self.queue.hand_back(run, lasts_seconds=seconds)
        except TallystickError as error:
            _log.warning("answer_not_handed_back", extra={"cause": type(error).__name__})
            return False
