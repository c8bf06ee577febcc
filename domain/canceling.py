"""Stops answers for those who asked, wherever they run; what was produced is charged."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from domain import ending
from domain.answers import Answer, AnswerStatus
from domain.asking import Admission, Balances, StoredAnswers
from domain.errors import NotFound, StateConflict, Unavailable
from domain.identity import Viewer
from domain.ledger import Balance, Holds
from domain.queueing import Queue
from domain.reporting import Reader
from domain.running import Running
from domain.units import OWN_CREDITS, AnswerId, PurseId

WAIT_SECONDS: Final = 30.0
"""How long another process has for stopping an answer: its drain, and its lease should it die."""

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Canceled:
    """The answer was stopped; what it was charged, and what is left."""

    answer: Answer
    balance: Balance


class CancelRequests(Protocol):
    """How the process that runs an answer is asked to stop it."""

    async def request(self, answer_id: AnswerId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceling:
    """Stops answers: before any text for nothing, later for what had been produced."""

    ledger: Holds
    running: Running
    queue: Queue
    requests: CancelRequests
    stored: StoredAnswers
    balances: Balances
    free_cancels: Admission
    """How often an account may stop what has not begun: a free cancel may have cost us a prompt."""

    async def cancel(self, viewer: Viewer, answer_id: AnswerId) -> Canceled:
        """Stop an answer of the caller's; stopping it again tells the same.

        Raises NotFound, StateConflict when it had finished, RateLimited when too many were stopped
        before they began, Unavailable when its process does not react.
        """
        answer = await self._find(viewer, answer_id)
        if not answer.status.is_final:
            answer = await self._stopped(viewer, answer)
        if answer.status is not AnswerStatus.CANCELED:
            raise StateConflict("The answer had already finished.")
        return Canceled(answer, await self._balance(viewer, answer_id.purse))

    async def _stopped(self, viewer: Viewer, answer: Answer) -> Answer:
        transcript = self.running.transcript(answer.id)
        if transcript is None or not transcript.length:
            await self.free_cancels.admit(viewer)
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            await self._stop(answer)
            answer = await self._find(viewer, answer.id)
            if answer.status.is_final:
                return answer
            if asyncio.get_running_loop().time() > until:
                raise Unavailable("The answer could not be stopped in time. Try again shortly.")

    async def _stop(self, answer: Answer) -> None:
        """Do what can be done now, and give it a moment."""
        if task := self.running.cancel(answer.id):
            await asyncio.wait({task}, timeout=WAIT_SECONDS)
            return
        if answer.status is AnswerStatus.QUEUED and await self.queue.withdraw(answer.id):
            try:
                await self.ledger.release(answer.id.hold_id, ending.NEVER_ASKED.end)
            except StateConflict:
                return  # its time ran out just now, or somebody else stopped it
        else:
            await self.requests.request(answer.id)
            await asyncio.sleep(_POLL_SECONDS)

    async def _find(self, viewer: Viewer, answer_id: AnswerId) -> Answer:
        if answer_id.purse.account_id != viewer.account_id:
            raise NotFound("answer")
        answer, _ = await self.stored.find(answer_id)
        if viewer.api_key_number not in {OWN_CREDITS, answer.api_key_number}:
            raise NotFound("answer")
        return answer

    async def _balance(self, viewer: Viewer, purse: PurseId) -> Balance:
        found = await self.balances.balances(Reader(viewer.session_id), [purse])
        try:
            return found[purse]
        except KeyError:
            raise NotFound("account") from None
