"""What is written about an answer when it ends: the outcome table, row by row, and nothing else.

Nothing is charged unless something was delivered, and never more than was held. What a provider
used beyond that is written down as our loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from domain.answers import AnswerEnd, AnswerStatus, AttemptEnd, FinishReason, UsageOutcome
from domain.errors import ProblemCode, ProviderFailure
from domain.outside import Completion, FailedAttempt
from domain.pricing import Model, Rates, Tokens
from domain.streaming import storable
from domain.units import Microcredits


class Payable(Protocol):
    """What has to be known of a run to say what it costs."""

    @property
    def model(self) -> Model: ...

    @property
    def held(self) -> Microcredits: ...

    def estimated_tokens(self, answer: str) -> Tokens:
        """What was probably used, for a provider that does not say."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ends, and what of its hold is captured; None when all of it goes back."""

    end: AnswerEnd
    cost: Microcredits | None


NEVER_ASKED: Final = Ending(
    AnswerEnd(
        status=AnswerStatus.CANCELED,
        text=None,
        finish_reason=FinishReason.CANCELED,
        failure=None,
        attempts=(AttemptEnd(attempt=1, outcome=UsageOutcome.CANCELED),),
    ),
    None,
)
"""Of an answer that was canceled before any provider had been asked."""


_FAILED_WITHOUT_A_TRY: Final = AttemptEnd(
    attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
)


def succeeded(run: Payable, completion: Completion) -> Ending:
    """A whole answer: what its tokens cost, counted from the text if the provider does not say."""
    return _delivered(run, completion, UsageOutcome.SUCCEEDED)


def canceled_after_all(run: Payable, completion: Completion) -> Ending:
    """An answer that was canceled, and finished while its usage was waited for."""
    return _delivered(run, completion, UsageOutcome.CANCELED)


def canceled(
    run: Payable, heard: str, failed_attempts: Sequence[FailedAttempt], *, tokens: Tokens | None
) -> Ending:
    """An answer that was cut off by its asker: free before any text, else what was produced."""
    is_delivered = bool(heard.strip())
    used = tokens
    if used is None and is_delivered:
        used = run.estimated_tokens(heard)
    attempt = AttemptEnd(
        attempt=len(failed_attempts) + 1,
        outcome=UsageOutcome.CANCELED,
        input_tokens=used.input if used else 0,
        cached_input_tokens=used.cached_input if used else 0,
        output_tokens=used.output if used else 0,
        is_estimated=tokens is None and is_delivered,
        provider_cost=_provider_cost(run.model.price, used),
    )
    end = AnswerEnd(
        status=AnswerStatus.CANCELED,
        text=storable(heard) if is_delivered else None,
        finish_reason=FinishReason.CANCELED,
        failure=None,
        attempts=(*_failed(failed_attempts, run.model.price), attempt),
    )
    return Ending(end, _cost(run, used) if used and is_delivered else None)


def failed(
    run: Payable, reason: ProviderFailure, attempts: Sequence[FailedAttempt], heard: str = ""
) -> Ending:
    """No usable answer: free. What had been heard of it by then is counted as our loss."""
    ends = _failed(attempts, run.model.price)
    if heard and ends and attempts[-1].tokens is None:
        ends = (*ends[:-1], _with_estimate(run, ends[-1], heard))
    end = AnswerEnd(
        status=AnswerStatus.FAILED,
        text=None,
        finish_reason=None,
        failure=reason,
        attempts=ends or (_FAILED_WITHOUT_A_TRY,),
    )
    return Ending(end, None)


def _delivered(run: Payable, completion: Completion, outcome: UsageOutcome) -> Ending:
    is_canceled = outcome is UsageOutcome.CANCELED
    tokens = completion.tokens or run.estimated_tokens(completion.words or completion.text)
    attempt = AttemptEnd(
        attempt=len(completion.failed_attempts) + 1,
        outcome=outcome,
        input_tokens=tokens.input,
        cached_input_tokens=tokens.cached_input,
        output_tokens=tokens.output,
        is_estimated=completion.tokens is None,
        latency_ms=completion.latency_ms,
        first_token_ms=completion.first_token_ms,
        provider_cost=_provider_cost(run.model.price, tokens),
    )
    end = AnswerEnd(
        status=AnswerStatus.CANCELED if is_canceled else AnswerStatus.SUCCEEDED,
        text=storable(completion.text),
        finish_reason=FinishReason.CANCELED if is_canceled else completion.finish_reason,
        failure=None,
        attempts=(*_failed(completion.failed_attempts, run.model.price), attempt),
    )
    return Ending(end, _cost(run, tokens))


def _failed(attempts: Sequence[FailedAttempt], price: Rates) -> tuple[AttemptEnd, ...]:
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
            provider_cost=_provider_cost(price, attempt.tokens),
        )
        for number, attempt in enumerate(attempts, 1)
    )


def _with_estimate(run: Payable, end: AttemptEnd, heard: str) -> AttemptEnd:
    tokens = run.estimated_tokens(heard)
    return replace(
        end,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        is_estimated=True,
        provider_cost=_provider_cost(run.model.price, tokens),
    )


def _cost(run: Payable, tokens: Tokens) -> Microcredits:
    return min(run.model.price.cost(tokens), run.held)


def _provider_cost(price: Rates, tokens: Tokens | None) -> int | None:
    return price.provider.cost(tokens) if price.provider and tokens else None
