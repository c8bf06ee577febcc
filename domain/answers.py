"""Answers on their way from accepted to finished, and the record of each attempt."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import ProblemCode, ProviderFailure
from domain.units import (
    OWN_CREDITS,
    AnswerId,
    KeyNumber,
    Microcredits,
    ModelId,
    PriceId,
    UsageId,
)


class AnswerStatus(StrEnum):
    """Where an answer is on its way; the last three are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        return self not in {AnswerStatus.QUEUED, AnswerStatus.RUNNING}


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "STOP"
    LENGTH = "LENGTH"
    CONTENT_FILTER = "CONTENT_FILTER"
    CANCELED = "CANCELED"


class UsageOutcome(StrEnum):
    """How an attempt ended; all but SUCCEEDED and CANCELED are free."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBeginning:
    """What is written about an answer when its hold is taken."""

    model_id: ModelId
    price_id: PriceId
    answer_tokens_max: int
    status: AnswerStatus = AnswerStatus.RUNNING
    api_key_number: KeyNumber = OWN_CREDITS


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """What is written about one attempt at the provider when its answer's hold ends.

    Tokens are counts; `provider_cost` is what the provider charges us, in micro-USD, if known.
    """

    attempt: int
    outcome: UsageOutcome
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False
    latency_ms: int | None = None
    first_token_ms: int | None = None
    problem_code: ProblemCode | None = None
    provider_cost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEnd:
    """What is written about an answer when its hold ends, in the same commit."""

    status: AnswerStatus
    text: str | None
    finish_reason: FinishReason | None
    failure: ProviderFailure | None
    attempts: tuple[AttemptEnd, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question's answer, as far as it has come.

    `text` is null once the retention period has passed; `held` is zero once finished.
    """

    id: AnswerId
    status: AnswerStatus
    model_id: ModelId
    api_key_number: KeyNumber
    text: str | None
    finish_reason: FinishReason | None
    failure: ProviderFailure | None
    charged: Microcredits
    held: Microcredits
    usage_ids: tuple[UsageId, ...]
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One attempt, successful or not; immutable."""

    id: UsageId
    answer_id: AnswerId | None
    attempt: int
    outcome: UsageOutcome
    model_id: ModelId
    price_id: PriceId
    api_key_number: KeyNumber
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    is_estimated: bool
    charged: Microcredits
    latency_ms: int | None
    first_token_ms: int | None
    problem_code: ProblemCode | None
    provider_cost: int | None
