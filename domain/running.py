"""Runs accepted answers to their end: the provider is asked, the hold is captured or released.

A run belongs to the process, not to the request that began it: a caller who leaves changes nothing.
Whatever happens, the hold ends here, or its time runs out and the sweep ends it: nothing is charged
unless a text arrived.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from domain import ending
from domain.answers import Answer, AnswerStatus
from domain.counting import Tally
from domain.ending import Ending
from domain.errors import (
    ProviderFailure,
    RateLimited,
    StateConflict,
    TallystickError,
    Unavailable,
)
from domain.ledger import Balance, HoldEnded, Holds
from domain.outside import (
    CallCanceled,
    Completion,
    FailedAttempt,
    ModelCall,
    ModelFailed,
    ModelProvider,
)
from domain.pricing import Model, Tokens, estimated_tokens
from domain.questions import Question
from domain.streaming import Transcript
from domain.tracing import within
from domain.units import AnswerId, KeyNumber, Microcredits, Moment, UsageId

_log = logging.getLogger(__name__)

SETTLING_SECONDS: Final = 60
"""How much longer a hold lives than its provider may take, so that the end can be booked."""

DRAINING_SECONDS: Final = 2.0
"""How long a canceled answer that has begun is read on, for its provider to say what it used."""

_STOPPING_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0
_REMEMBERED_MAX: Final = 10_000


class Errand(Protocol):
    """How the provider of a run is asked, where that is not by a question."""

    async def complete(self, call: ModelCall, hear: Callable[[str], None]) -> Completion:
        """See ModelProvider; of the call, the messages are not looked at."""
        ...

    def estimated_tokens(self, answer: str, model: Model) -> Tokens:
        """What was probably used, for a provider that does not say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An accepted question on its way, with the hold that pays for it."""

    answer_id: AnswerId
    question: Question
    model: Model
    answer_tokens_max: int
    held: Microcredits
    api_key_number: KeyNumber
    errand: Errand | None = None

    def estimated_tokens(self, answer: str) -> Tokens:
        """What was probably used, for a provider that does not say."""
        if self.errand is not None:
            return self.errand.estimated_tokens(answer, self.model)
        return estimated_tokens(
            self.question.messages, answer, answer_tokens_max=self.answer_tokens_max
        )

    def in_progress(self, status: AnswerStatus = AnswerStatus.RUNNING) -> Answer:
        """The answer as long as nothing of it has arrived."""
        return Answer(
            id=self.answer_id,
            status=status,
            model_id=self.model.id,
            api_key_number=self.api_key_number,
            text=None,
            finish_reason=None,
            failure=None,
            charged=Microcredits(0),
            held=self.held,
            usage_ids=(),
            finished_at=None,
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended, and what its purse held right after."""

    answer: Answer
    balance: Balance


class HandedBack(TallystickError):
    """A run was given back to the queue before anything of its answer had arrived."""


HandBack = Callable[[Run], Awaitable[bool]]
"""Puts a run back where others find it; false when that cannot be."""


class _Phase(Enum):
    """How far a run has come."""

    COMING = "its task has not begun"
    ASKING = "its provider is being asked"
    SETTLING = "its end is being booked"


@dataclass(slots=True, eq=False)
class _Going:
    """A run that goes on in this process."""

    run: Run
    transcript: Transcript = field(default_factory=Transcript)
    phase: _Phase = _Phase.COMING
    is_canceled: bool = False
    is_stopped: bool = False
    last_call: asyncio.TimerHandle | None = None
    """When a canceled run that was read on is cut off."""

    def heard(self) -> str:
        """All text that has arrived."""
        parts, offset = [], 0
        while self.transcript.length > offset:
            begin, part = self.transcript.read(offset)
            parts.append(part)
            offset = begin + len(part.encode("utf-16-le")) // 2
        return "".join(parts)


@dataclass(slots=True, kw_only=True)
class Running:
    """The runs of this process, each in a task of its own."""

    ledger: Holds
    provider: ModelProvider
    deadline_seconds: float = 120.0
    idle_seconds: float = 60.0
    runs_max: int = 1_000
    when_room: Callable[[], None] = field(default=lambda: None)
    """Called whenever a run has ended."""
    ends: Tally = field(default_factory=Tally)
    """How runs ended, by the way they came, their model, and the outcome."""
    _tasks: dict[AnswerId, asyncio.Task[Finished]] = field(default_factory=dict)
    _going: dict[AnswerId, _Going] = field(default_factory=dict)
    _ended: dict[AnswerId, None] = field(default_factory=dict)
    _coming: int = 0
    _hand_back: HandBack | None = None

    @property
    def hold_seconds(self) -> int:
        """How long a hold must live to outlive its provider."""
        return int(self.deadline_seconds) + SETTLING_SECONDS

    @property
    def count(self) -> int:
        """How many answers this process runs."""
        return len(self._tasks)

    @property
    def room(self) -> int:
        """How many more answers this process may run."""
        return max(0, self.runs_max - len(self._tasks) - self._coming)

    def admit(self, count: int = 1) -> None:
        """Keep room for runs that are about to start; raises Unavailable when there is none."""
        if self.room < count:
            raise Unavailable("Too many answers are in progress. Try again shortly.")
        self._coming += count

    def withdraw(self, count: int = 1) -> None:
        """Give back room that was kept for runs that do not start."""
        self._coming -= count

    def find(self, answer_id: AnswerId) -> "asyncio.Task[Finished] | None":
        """The run of an answer, while it goes on in this process."""
        return self._tasks.get(answer_id)

    def has_run(self, answer_id: AnswerId) -> bool:
        """Whether an answer's run ended in this process, not long ago."""
        return answer_id in self._ended

    def transcript(self, answer_id: AnswerId) -> Transcript | None:
        """The text of an answer as it arrives, while it goes on in this process."""
        going = self._going.get(answer_id)
        return None if going is None else going.transcript

    def start(self, run: Run) -> "asyncio.Task[Finished]":
        """Begin a run that was admitted; it goes on whether or not anybody waits for it.

        One that somebody else has begun here meanwhile is not begun again.
        """
        self._coming -= 1
        if begun := self._tasks.get(run.answer_id):
            return begun
        going = _Going(run)
        task = asyncio.create_task(
            within("answer", self._run, going), name=f"answer {run.answer_id.moment}"
        )
        self._tasks[run.answer_id] = task
        self._going[run.answer_id] = going
        task.add_done_callback(lambda done: self._forget(run.answer_id, done))
        return task

    def cancel(self, answer_id: AnswerId) -> "asyncio.Task[Finished] | None":
        """Stop a run for its asker; None when it does not go on in this process.

        Before any text its provider is left at once. Later it is read on for a moment, so that it
        can say what it used; what comes in that time still belongs to the answer.
        """
        task, going = self._tasks.get(answer_id), self._going.get(answer_id)
        if task is None or going is None:
            return None
        if not going.is_canceled:
            going.is_canceled = True
            if going.phase is _Phase.ASKING:
                loop = asyncio.get_running_loop()
                delay = DRAINING_SECONDS if going.transcript.length else 0.0
                going.last_call = loop.call_later(delay, task.cancel)
        return task

    async def stop(self, *, within_seconds: float, hand_back: HandBack | None = None) -> None:
        """Let runs finish for a while, then end the rest.

        Those of which nothing has arrived are handed back, if there is a way; the holds of the
        others are released.
        """
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks.values(), timeout=within_seconds)
        self._hand_back = hand_back
        for answer_id, going in self._going.items():
            going.is_stopped = True
            if going.phase is _Phase.ASKING:
                self._tasks[answer_id].cancel()
        if late:
            await asyncio.wait(late, timeout=_STOPPING_SECONDS)

    def _forget(self, answer_id: AnswerId, task: "asyncio.Task[Finished]") -> None:
        self._tasks.pop(answer_id, None)
        going = self._going.pop(answer_id)
        self._ended[answer_id] = None
        if len(self._ended) > _REMEMBERED_MAX:
            self._ended.pop(next(iter(self._ended)))
        error = None if task.cancelled() else task.exception()
        answer = task.result().answer if error is None and not task.cancelled() else None
        going.transcript.close(answer)
        if error is not None and not isinstance(error, HandedBack):
            _log.error("answer_not_settled", extra={"cause": type(error).__name__})
        outcome = "HANDED_BACK" if isinstance(error, HandedBack) else "NOT_SETTLED"
        outcome = outcome if answer is None else str(answer.failure or answer.status)
        self.ends.add("v1" if going.run.errand else "askAI", going.run.model.id, outcome)
        self.when_room()

    async def _run(self, going: _Going) -> Finished:
        run = going.run
        end: Ending | None = None
        if going.is_canceled:
            end = ending.NEVER_ASKED
        elif not going.is_stopped:
            end = await self._asked(going)
        going.phase = _Phase.SETTLING
        if end is None:
            # Stopped before anything had arrived.
            if self._hand_back is not None and run.errand is None and await self._hand_back(run):
                raise HandedBack
            end = ending.failed(run, ProviderFailure.ERROR, ())
        return await self._settle(run, end)

    async def _asked(self, going: _Going) -> Ending | None:
        """Have the provider answer; returns how that ended, or None for a run nothing came of."""
        run = going.run
        going.phase = _Phase.ASKING
        try:
            provider = run.errand or self.provider
            completion = await provider.complete(self._call(run), going.transcript.append)
        except ModelFailed as failed:
            return self._broken(going, failed.failed_attempts, failed.reason)
        except asyncio.CancelledError as canceled:
            return await self._cut_off(going, canceled)
        except Exception:  # noqa: BLE001 - the edge of a run, which has nobody above it
            # A fault of ours in an adapter must not keep the credits until the hold runs out.
            _log.exception("provider_adapter_failed")
            return ending.failed(run, ProviderFailure.ERROR, ())
        finally:
            going.phase = _Phase.SETTLING
            if going.last_call is not None:
                going.last_call.cancel()
        if going.is_canceled:
            return ending.canceled_after_all(run, completion)
        return ending.succeeded(run, completion)

    def _call(self, run: Run) -> ModelCall:
        return ModelCall(
            hold=run.answer_id.hold_id,
            upstream_name=run.model.upstream_name,
            messages=run.question.messages,
            answer_tokens_max=run.answer_tokens_max,
            temperature=run.question.temperature,
            deadline_seconds=self.deadline_seconds,
            idle_seconds=self.idle_seconds,
        )

    def _broken(
        self, going: _Going, attempts: tuple[FailedAttempt, ...], reason: ProviderFailure
    ) -> Ending:
        """The provider failed; if the asker had stopped the answer before, what came counts."""
        heard = going.heard()
        if going.is_canceled and heard.strip() and attempts:
            *before, last = attempts
            return ending.canceled(going.run, heard, before, tokens=last.tokens)
        return ending.failed(going.run, reason, attempts, heard)

    async def _cut_off(self, going: _Going, error: asyncio.CancelledError) -> Ending | None:
        """The call was ended from here: by the asker, by the end of the process, or by force."""
        task = asyncio.current_task()
        known = error if isinstance(error, CallCanceled) else CallCanceled()
        if task is not None and going.is_canceled:
            task.uncancel()
            return ending.canceled(
                going.run, going.heard(), known.failed_attempts, tokens=known.tokens
            )
        if task is not None and going.is_stopped:
            task.uncancel()
            if not going.transcript.length:
                return None
            return ending.failed(going.run, ProviderFailure.ERROR, known.failed_attempts)
        end = ending.failed(going.run, ProviderFailure.ERROR, known.failed_attempts)
        await asyncio.shield(self._settle(going.run, end))
        raise error

    async def _settle(self, run: Run, end: Ending) -> Finished:
        """Book the end, again and again while the database is away and the hold still lives.

        Booking twice is harmless: a hold ends once, and its end is told to whoever asks again.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + SETTLING_SECONDS / 2
        while True:
            try:
                ended = await within("settle", self._book, run, end)
            except StateConflict:
                raise Unavailable(
                    "The answer took too long and was given up. Nothing was charged."
                ) from None
            except (Unavailable, RateLimited):
                if loop.time() > give_up_at:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return _finished(run, end, ended)

    async def _book(self, run: Run, end: Ending) -> HoldEnded:
        if end.cost is None:
            return await self.ledger.release(run.answer_id.hold_id, end.end)
        return await self.ledger.capture(run.answer_id.hold_id, end.cost, end.end)


def time_of(moment: Moment) -> datetime:
    """When a moment was."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)


def _finished(run: Run, end: Ending, ended: HoldEnded) -> Finished:
    purse, told = run.answer_id.purse, end.end
    answer = Answer(
        id=run.answer_id,
        status=told.status,
        model_id=run.model.id,
        api_key_number=run.api_key_number,
        text=told.text,
        finish_reason=told.finish_reason,
        failure=told.failure,
        charged=ended.charged,
        held=Microcredits(0),
        usage_ids=tuple(
            UsageId(purse, Moment(ended.ended_at + attempt.attempt)) for attempt in told.attempts
        ),
        finished_at=time_of(ended.ended_at),
    )
    return Finished(answer, ended.balance)
