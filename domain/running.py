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
from typing import Final

from domain.answers import Answer, AnswerEnd, AnswerStatus, AttemptEnd, UsageOutcome
from domain.errors import ProblemCode, ProviderFailure, StateConflict, TallystickError, Unavailable
from domain.ledger import Balance, HoldEnded, Holds
from domain.outside import Completion, FailedAttempt, ModelCall, ModelFailed, ModelProvider
from domain.pricing import Model, Rates, Tokens, estimated_tokens
from domain.questions import Question
from domain.streaming import Transcript, storable
from domain.units import AnswerId, KeyNumber, Microcredits, Moment, UsageId

_log = logging.getLogger(__name__)

SETTLING_SECONDS: Final = 60
"""How much longer a hold lives than its provider may take, so that the end can be booked."""
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An accepted question on its way, with the hold that pays for it."""

    answer_id: AnswerId
    question: Question
    model: Model
    answer_tokens_max: int
    held: Microcredits
    api_key_number: KeyNumber

    def in_progress(self) -> Answer:
        """The answer as long as nothing of it has arrived."""
        return Answer(
            id=self.answer_id,
            status=AnswerStatus.RUNNING,
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


@dataclass(slots=True, kw_only=True)
class Running:
    """The runs of this process, each in a task of its own."""

    ledger: Holds
    provider: ModelProvider
    deadline_seconds: float = 120.0
    runs_max: int = 1_000
    _tasks: dict[AnswerId, asyncio.Task[Finished]] = field(default_factory=dict)
    _transcripts: dict[AnswerId, Transcript] = field(default_factory=dict)

    @property
    def hold_seconds(self) -> int:
        """How long a hold must live to outlive its provider."""
        return int(self.deadline_seconds) + SETTLING_SECONDS

    def admit(self) -> None:
        """Raise Unavailable when this process runs as many answers as it may."""
        if len(self._tasks) >= self.runs_max:
            raise Unavailable("Too many answers are in progress. Try again shortly.")

    def find(self, answer_id: AnswerId) -> "asyncio.Task[Finished] | None":
        """The run of an answer, while it goes on in this process."""
        return self._tasks.get(answer_id)

    def transcript(self, answer_id: AnswerId) -> Transcript | None:
        """The text of an answer as it arrives, while it goes on in this process."""
        return self._transcripts.get(answer_id)

    def start(self, run: Run) -> "asyncio.Task[Finished]":
        """Begin a run; it goes on whether or not anybody waits for it."""
        transcript = Transcript()
        task = asyncio.create_task(
            self._run(run, transcript), name=f"answer {run.answer_id.moment}"
        )
        self._tasks[run.answer_id] = task
        self._transcripts[run.answer_id] = transcript
        task.add_done_callback(lambda done: self._forget(run.answer_id, done))
        return task

    async def stop(self, *, within_seconds: float) -> None:
        """Let runs finish for a while, then end the rest: their holds are released."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=within_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _forget(self, answer_id: AnswerId, task: "asyncio.Task[Finished]") -> None:
        self._tasks.pop(answer_id, None)
        transcript = self._transcripts.pop(answer_id)
        if task.cancelled():
            transcript.close(None)
        elif (error := task.exception()) is not None:
            transcript.close(None)
            _log.error("answer_not_settled", extra={"cause": type(error).__name__})
        else:
            transcript.close(task.result().answer)

    async def _run(self, run: Run, transcript: Transcript) -> Finished:
        call = ModelCall(
            hold=run.answer_id.hold_id,
            upstream_name=run.model.upstream_name,
            messages=run.question.messages,
            answer_tokens_max=run.answer_tokens_max,
            temperature=run.question.temperature,
            deadline_seconds=self.deadline_seconds,
        )
        try:
            completion = await self.provider.complete(call, transcript.append)
        except ModelFailed as failed:
            return await self._fail(run, failed.reason, failed.failed_attempts)
        except asyncio.CancelledError:
            await asyncio.shield(self._fail(run, ProviderFailure.ERROR, ()))
            raise
        except TallystickError:
            raise
        except Exception:  # noqa: BLE001 - the edge of a run, which has nobody above it
            # A fault of ours in an adapter must not keep the credits until the hold runs out.
            _log.exception("provider_adapter_failed")
            return await self._fail(run, ProviderFailure.ERROR, ())
        return await self._succeed(run, completion)

    async def _succeed(self, run: Run, completion: Completion) -> Finished:
        tokens = completion.tokens or estimated_tokens(
            run.question.messages, completion.text, answer_tokens_max=run.answer_tokens_max
        )
        price = run.model.price
        delivered = AttemptEnd(
            attempt=len(completion.failed_attempts) + 1,
            outcome=UsageOutcome.SUCCEEDED,
            input_tokens=tokens.input,
            cached_input_tokens=tokens.cached_input,
            output_tokens=tokens.output,
            is_estimated=completion.tokens is None,
            latency_ms=completion.latency_ms,
            first_token_ms=completion.first_token_ms,
            provider_cost=_provider_cost(price, tokens),
        )
        end = AnswerEnd(
            status=AnswerStatus.SUCCEEDED,
            text=storable(completion.text),
            finish_reason=completion.finish_reason,
            failure=None,
            attempts=(*_failed(completion.failed_attempts, price), delivered),
        )
        cost = min(price.cost(tokens), run.held)
        return await self._end(
            run, end, lambda: self.ledger.capture(run.answer_id.hold_id, cost, end)
        )

    async def _fail(
        self, run: Run, reason: ProviderFailure, attempts: tuple[FailedAttempt, ...]
    ) -> Finished:
        end = AnswerEnd(
            status=AnswerStatus.FAILED,
            text=None,
            finish_reason=None,
            failure=reason,
            attempts=_failed(attempts, run.model.price)
            or (
                AttemptEnd(
                    attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
                ),
            ),
        )
        return await self._end(run, end, lambda: self.ledger.release(run.answer_id.hold_id, end))

    async def _end(
        self, run: Run, end: AnswerEnd, book: Callable[[], Awaitable[HoldEnded]]
    ) -> Finished:
        """Book the end, again and again while the database is away and the hold still lives.

        Booking twice is harmless: a hold ends once, and its end is told to whoever asks again.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + SETTLING_SECONDS / 2
        while True:
            try:
                ended = await book()
            except StateConflict:
                raise Unavailable(
                    "The answer took too long and was given up. Nothing was charged."
                ) from None
            except Unavailable:
                if loop.time() > give_up_at:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return _finished(run, end, ended)


def time_of(moment: Moment) -> datetime:
    """When a moment was; exact to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)


def _finished(run: Run, end: AnswerEnd, ended: HoldEnded) -> Finished:
    purse = run.answer_id.purse
    answer = Answer(
        id=run.answer_id,
        status=end.status,
        model_id=run.model.id,
        api_key_number=run.api_key_number,
        text=end.text,
        finish_reason=end.finish_reason,
        failure=end.failure,
        charged=ended.charged,
        held=Microcredits(0),
        usage_ids=tuple(
            UsageId(purse, Moment(ended.ended_at + attempt.attempt)) for attempt in end.attempts
        ),
        finished_at=time_of(ended.ended_at),
    )
    return Finished(answer, ended.balance)


def _failed(attempts: tuple[FailedAttempt, ...], price: Rates) -> tuple[AttemptEnd, ...]:
    """Usage records of tries that gave nothing: free, and what they cost us is written down."""
    return tuple(
        AttemptEnd(
            attempt=number,
            outcome=UsageOutcome.FAILED,
            input_tokens=attempt.tokens.input if attempt.tokens else 0,
            cached_input_tokens=attempt.tokens.cached_input if attempt.tokens else 0,
            output_tokens=attempt.tokens.output if attempt.tokens else 0,
            latency_ms=attempt.latency_ms,
            problem_code=ProblemCode.PROVIDER_FAILED,
            provider_cost=_provider_cost(price, attempt.tokens) if attempt.tokens else None,
        )
        for number, attempt in enumerate(attempts, 1)
    )


def _provider_cost(price: Rates, tokens: Tokens) -> int | None:
    return price.provider.cost(tokens) if price.provider else None
