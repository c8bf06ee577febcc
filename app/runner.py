"""What makes a process one that runs answers: its lease, the queue, and what others tell it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

import structlog

from app.logging import kind_and_places
from app.settings import Settings
from domain.errors import TallystickError
from domain.leasing import Lease
from domain.ledger import Holds
from domain.outside import ModelProvider
from domain.queueing import Queueing
from domain.running import Running
from domain.units import AccountId, AnswerId, KeyNumber, Moment, PurseId
from domain.waiting import happening
from persistence.notify import LOOK_SECONDS, Channel, Notices
from persistence.runners import PostgresRunners

_ANSWER_WORDS = 3

_log = structlog.get_logger("runner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs answers until it is drained; what it cannot finish is left to others."""

    running: Running
    lease: Lease
    queueing: Queueing
    notices: Notices

    @classmethod
    def of(
        cls,
        settings: Settings,
        ledger: Holds,
        runners: PostgresRunners,
        notices: Notices,
        provider: ModelProvider,
    ) -> Self:
        """One that runs as much at once, and as long, as the settings say."""
        running = Running(
            ledger=ledger,
            provider=provider,
            deadline_seconds=settings.ai_timeout_seconds,
            idle_seconds=settings.ai_idle_seconds,
            runs_max=settings.answers_at_once,
        )
        lease = Lease(leases=runners, running=running, seconds=settings.lease_seconds)
        queueing = Queueing(
            queue=runners,
            running=running,
            lease=lease,
            waiting_max=settings.answers_waiting_max,
            waiting_seconds=settings.answer_waiting_seconds,
        )
        running.when_room = queueing.room_made
        return cls(running=running, lease=lease, queueing=queueing, notices=notices)

    def listen(self) -> None:
        """Say what is to be heard; to be called before notices go on."""
        self.notices.hear(Channel.QUEUED, lambda _: self.queueing.wake.set())
        self.notices.hear(Channel.UNWANTED, self._cancel)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Run answers in the background until this is left; raises Unavailable at the start."""
        await self.lease.renew()
        tasks = (
            asyncio.create_task(self._for_ever(self.lease.renew, self._pause)),
            asyncio.create_task(self._for_ever(self.queueing.claim, self._wait_for_work)),
        )
        try:
            yield
        finally:
            await self.drain(within_seconds=0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(TallystickError):
                await self.lease.end()

    def close(self) -> None:
        """Fetch no more answers; those that run go on."""
        self.queueing.is_closing = True

    async def drain(self, *, within_seconds: float) -> None:
        """Let answers finish for a while. Then those not begun wait again, and the others end."""
        self.close()
        await self.running.stop(within_seconds=within_seconds, hand_back=self.queueing.hand_back)

    def _cancel(self, payload: str) -> None:
        words = payload.split()
        if len(words) == _ANSWER_WORDS and all(word.isdecimal() for word in words):
            account, key, moment = map(int, words)
            purse = PurseId(AccountId(account), KeyNumber(key))
            self.running.cancel(AnswerId(purse, Moment(moment)))

    async def _for_ever(
        self, work: Callable[[], Awaitable[int]], pause: Callable[[], Awaitable[None]]
    ) -> None:
        """Again at once while there is more to do; a failure is logged, and does not end it."""
        is_well = True
        while True:
            try:
                has_more = await work() > 0
            except Exception as fault:  # noqa: BLE001 - the edge: it must go on after a bad hour
                if is_well:
                    _log.error("runner failed", **kind_and_places(fault))
                is_well = has_more = False
            else:
                is_well = True
            if not has_more:
                await pause()

    async def _pause(self) -> None:
        await asyncio.sleep(self.lease.renewed_every_seconds)

    async def _wait_for_work(self) -> None:
        await happening(self.queueing.wake, within_seconds=LOOK_SECONDS)
        self.queueing.wake.clear()
