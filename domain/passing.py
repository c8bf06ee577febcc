"""Passes calls of OpenAI's clients on to providers, paid from a purse like any other answer.

A call is held for, run, charged and repeated by the services that answer questions; only how the
provider is asked, and who hears the answer, is different.
"""

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Protocol

from domain.answers import Answer, AnswerStatus
from domain.asking import Admission, Asked, Asking, Bounds
from domain.errors import (
    NotFound,
    ProviderFailed,
    ProviderFailure,
    RateLimited,
    StateConflict,
    Unavailable,
)
from domain.identity import Viewer
from domain.ledger import Balance, Once
from domain.outside import Completion, ModelCall
from domain.passed_calls import Hear, PassedCall, PassedRequest, PassesCalls
from domain.pricing import Model, Tokens
from domain.questions import Question
from domain.running import Finished, Run
from domain.units import AnswerId

OPERATION: Final = "v1"
_CANCELED: Final = "The answer was canceled."
_log = logging.getLogger(__name__)


class Replies(Protocol):
    """Replies kept for whoever repeats a call by its key."""

    async def keep(self, answer_id: AnswerId, reply: bytes) -> None:
        """Keep the reply to a call that is about to be paid for."""
        ...

    async def find(self, answer_id: AnswerId) -> bytes | None:
        """The reply, if it was paid for and is still kept."""
        ...


class Caller(Protocol):
    """Whoever made a call, as long as they stay."""

    def accepted(self, answer_id: AnswerId) -> None:
        """The call is held for and on its way."""
        ...

    async def deliver(self, piece: bytes) -> None:
        """Hand over events of a stream; nothing, once the caller has left or reads no more."""
        ...

    async def gone(self) -> None:
        """Return, or be canceled, when the caller has left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedAnswer:
    """What is still to be told of a call: its answer, or the end of a stream; and what it cost."""

    answer: Answer
    balance: Balance
    rest: bytes
    replayed: bool


@dataclass(slots=True, kw_only=True)
class _Errand:
    """One call at the provider, with the caller listening in."""

    request: PassedRequest
    provider: PassesCalls
    caller: Caller
    replies: Replies | None
    """Where the reply is kept, for a caller who may ask for it again."""

    rest: bytes = b""
    _delivered: list[bytes] = field(default_factory=list)

    async def complete(self, call: ModelCall, hear: Hear) -> Completion:
        passed = await self.provider.pass_on(
            PassedCall(
                hold=call.hold,
                request=self.request,
                upstream_name=call.upstream_name,
                answer_tokens_max=call.answer_tokens_max // self.request.choices,
                deadline_seconds=call.deadline_seconds,
                idle_seconds=call.idle_seconds,
                attempts_max=call.attempts_max,
            ),
            hear=hear,
            deliver=self.caller.deliver if self.replies is None else self._deliver,
        )
        self.rest = passed.rest
        if self.replies is not None:
            reply = b"".join((*self._delivered, passed.rest))
            try:
                await self.replies.keep(AnswerId(call.hold.purse, call.hold.moment), reply)
            except Unavailable:
                # The caller has it all the same; only a repetition will be told that it is gone.
                _log.warning("reply_not_kept")
        return passed.completion

    def estimated_tokens(self, answer: str, model: Model) -> Tokens:
        return self.request.estimated_tokens(answer, model=model)

    async def _deliver(self, piece: bytes) -> None:
        self._delivered.append(piece)
        await self.caller.deliver(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Passes calls on, each with a hold that pays for the most it can cost."""

    asking: Asking
    provider: PassesCalls
    replies: Replies
    free_cancels: Admission
    """How often a caller may leave before anything has come, which is free but may have cost us."""

    async def pass_on(
        self, viewer: Viewer, request: PassedRequest, key: str | None, caller: Caller
    ) -> PassedAnswer | None:
        """Hold the most the call may cost, pass it on, and capture what it did cost.

        With a key of the caller's the first reply is told again, and a caller who leaves can come
        back for it; without one, a call ends when its caller leaves, and there is nobody to tell.
        Raises what asking raises.
        """
        once = once_of(key, request)
        try:
            model = await self.asking.model(request.model)
            answer_tokens_max = request.answer_tokens_each(model)
            taken = await self.asking.accept(
                viewer,
                model,
                Bounds(request.prompt_tokens_max(model), answer_tokens_max, request.choices),
                once,
            )
        except NotFound as gone:
            if key is None:
                raise
            return await self._reply(await self.asking.told_before(viewer, once, gone))
        errand = _Errand(
            request=request,
            provider=self.provider,
            caller=caller,
            replies=None if key is None else self.replies,
        )
        run = Run(
            answer_id=AnswerId(taken.hold_id.purse, taken.hold_id.moment),
            question=Question(messages=(), model=model.id),
            model=model,
            answer_tokens_max=request.choices * answer_tokens_max,
            held=taken.amount,
            api_key_number=viewer.api_key_number,
            errand=errand,
        )
        caller.accepted(run.answer_id)
        if taken.replayed:
            return await self._again(viewer, run, errand)
        task = self.asking.running.start(run)
        if key is None and not await self._is_wanted_until_done(task, run, viewer, caller):
            return None
        # A caller who leaves changes nothing more: the run belongs to the process.
        finished = await asyncio.shield(task)
        if finished.answer.status is AnswerStatus.CANCELED:
            raise StateConflict(_CANCELED)
        if finished.answer.status is AnswerStatus.FAILED:
            raise ProviderFailed(finished.answer.failure or ProviderFailure.ERROR)
        return PassedAnswer(
            answer=finished.answer, balance=finished.balance, rest=errand.rest, replayed=False
        )

    async def _is_wanted_until_done(
        self, task: "asyncio.Task[Finished]", run: Run, viewer: Viewer, caller: Caller
    ) -> bool:
        """Wait for a call to end; false when its caller left before, and it is being stopped.

        Who leaves too often before anything has come is not spared the charge: their calls go on.
        """
        gone = asyncio.ensure_future(caller.gone())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if task.done():
            return True
        running = self.asking.running
        transcript = running.transcript(run.answer_id)
        try:
            if transcript is None or not transcript.length:
                await self.free_cancels.admit(viewer)
            running.cancel(run.answer_id)
        except RateLimited:
            pass
        return False

    async def _again(self, viewer: Viewer, run: Run, errand: _Errand) -> PassedAnswer:
        """The reply that the first call with this key got, or will get."""
        asked = await self.asking.attach(viewer, run, self.asking.running.deadline_seconds)
        # There is a rest if the first call got no further than its hold, and this one ran.
        return await self._reply(asked, errand.rest)

    async def _reply(self, asked: Asked, rest: bytes = b"") -> PassedAnswer:
        match asked.answer.status:
            case AnswerStatus.SUCCEEDED:
                reply = rest or await self.replies.find(asked.answer.id)
            case AnswerStatus.CANCELED:
                raise StateConflict(_CANCELED)
            case _:
                raise Unavailable("The call with this Idempotency-Key is still in progress.")
        if reply is None:
            raise StateConflict(
                "This Idempotency-Key was used for a call whose answer is no longer kept. It was "
                "charged once. Use a new key for a new call."
            )
        return PassedAnswer(answer=asked.answer, balance=asked.balance, rest=reply, replayed=True)


def once_of(key: str | None, request: PassedRequest) -> Once:
    """What makes a call happen once; one without a key of the caller's is like no other."""
    if key is None:
        # Ordered by time, so that the index of keys is appended to.
        unique = (time.time_ns() // 1_000_000).to_bytes(6) + os.urandom(10)
        return Once(OPERATION, unique, unique)
    return Once(
        OPERATION,
        blake2b(f"{OPERATION} {key}".encode(), digest_size=16).digest(),
        blake2b(request.door.encode() + request.fingerprint, digest_size=16).digest(),
    )
