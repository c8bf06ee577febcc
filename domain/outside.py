"""What the rules need from the outside world, as ports.

Adapters keep these promises for real providers; working fakes keep them in tests.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from domain.answers import FinishReason
from domain.errors import ProviderFailure, TallystickError
from domain.pricing import Tokens
from domain.questions import Message
from domain.units import HoldId

ATTEMPTS_MAX: Final = 5
"""Tries at providers for one answer, over all routes: as many as an answer can show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One question on its way to a provider.

    It names the open hold that pays for it, so that no code can call a provider without one.
    """

    hold: HoldId
    upstream_name: str
    messages: tuple[Message, ...]
    answer_tokens_max: int
    """What the hold paid for, and what the provider is told."""

    deadline_seconds: float
    """For everything together: connecting, waiting, reading, trying again."""

    idle_seconds: float = 60.0
    """The longest silence: before the first byte, and between any two."""

    temperature: float | None = None
    attempts_max: int = ATTEMPTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One try at a provider that gave no usable answer, to be kept as a usage record."""

    reason: ProviderFailure
    latency_ms: int
    detail: str
    """For the operator's log: our words and a status code, never the provider's text."""

    tokens: Tokens | None = None
    """What the provider says it used all the same: our loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A finished answer that is not empty, and the tries it took."""

    text: str
    finish_reason: FinishReason
    tokens: Tokens | None
    """None when the provider reported no usage. A reported zero is a zero."""

    latency_ms: int
    """Of the try that succeeded, from sending it to the last byte."""

    first_token_ms: int | None = None
    """From sending it to the first text; None when the answer came whole."""

    failed_attempts: tuple[FailedAttempt, ...] = ()
    """The tries before it, oldest first."""

    words: str = ""
    """All that came, where that is more than the text: calls of tools, reasoning, refusals."""


class ModelFailed(TallystickError):
    """No try gave a usable answer. What the caller is told is ProviderFailed, with the reason."""

    def __init__(
        self,
        reason: ProviderFailure,
        failed_attempts: Sequence[FailedAttempt],
        *,
        another_route_may_answer: bool = False,
    ) -> None:
        self.reason = reason
        self.failed_attempts = tuple(failed_attempts)
        self.another_route_may_answer = another_route_may_answer
        """Nothing of an answer had begun, and the fault is the route's, not the question's."""
        super().__init__(f"No usable answer: {reason}, tries made: {len(failed_attempts)}.")


class CallCanceled(asyncio.CancelledError):
    """A call ended by its caller, with what is known of it until then."""

    def __init__(
        self, failed_attempts: Sequence[FailedAttempt] = (), *, tokens: Tokens | None = None
    ) -> None:
        self.failed_attempts = tuple(failed_attempts)
        """The tries before the one that was going on."""
        self.tokens = tokens
        """What the provider said it had used so far, if it said so."""
        super().__init__()

    def after(self, failed_attempts: Sequence[FailedAttempt]) -> "CallCanceled":
        """The same, after tries elsewhere."""
        return CallCanceled((*failed_attempts, *self.failed_attempts), tokens=self.tokens)


class ModelProvider(Protocol):
    """Whoever answers questions."""

    async def complete(self, call: ModelCall, hear: Callable[[str], None]) -> Completion:
        """Answer within the deadline, or raise ModelFailed with every try that was made.

        `hear` is called with each piece of text as it arrives, and must return at once. Nothing is
        tried again once the first byte has come, so no text is ever heard twice. A call that is
        canceled stops its provider's work as well as it can, and ends in CallCanceled.
        """
        ...


class Clock(Protocol):
    """Tells the time, with its zone."""

    def now(self) -> datetime: ...
