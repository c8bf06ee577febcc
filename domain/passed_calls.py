"""Calls of OpenAI's clients that are passed on rather than understood.

Of such a call only that is read on which its price depends; everything else travels to the provider
as it came. What the answer costs is read from the usage in it, like that of any other answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from domain.outside import ATTEMPTS_MAX, Completion
from domain.pricing import Model, Tokens, estimated_tokens_of
from domain.units import HoldId, ModelId

_FIXED_TOKENS: Final = 640
"""What a provider's template puts around a prompt, and around the description of tools."""

_TOKENS_PER_MESSAGE: Final = 8


class Door(StrEnum):
    """What can be called; the value is the path under the provider's base URL."""

    CHAT = "chat/completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedRequest:
    """What an OpenAI client asks for, as far as its price depends on it."""

    door: Door
    model: ModelId
    fields: Mapping[str, object]
    """The whole body."""

    body_bytes: int
    fingerprint: bytes = b""
    """Of the whole body, however it is spelled; only where a key of the caller's goes with it."""

    messages: int = 0
    choices: int = 1
    """How many answers are wanted to the one prompt; each may be as long as the limit says."""

    answer_tokens_asked: int | None = None
    has_more_than_text: bool = False
    """Images or files, whose tokens cannot be told from their bytes."""

    is_stream: bool = False
    wants_usage: bool = True
    """Whether the caller is to see the usage; we always do."""

    def prompt_tokens_max(self, model: Model) -> int:
        """No provider counts more tokens for this prompt.

        A token of text is at least one byte of UTF-8, and JSON never writes text in fewer bytes
        than it has; templates add less than is added here. Images and files are bounded by the
        context window only: a provider refuses what does not fit into it.
        """
        if self.has_more_than_text:
            return model.context_window
        bound = self.body_bytes + _FIXED_TOKENS + _TOKENS_PER_MESSAGE * self.messages
        if self.door is Door.EMBEDDINGS:
            # Each of its inputs has a window of its own.
            return bound
        return min(bound, model.context_window)

    def answer_tokens_each(self, model: Model) -> int:
        """How long one choice may become."""
        if self.door is Door.EMBEDDINGS:
            return 0
        return model.answer_tokens_for(self.answer_tokens_asked)

    def estimated_tokens(self, answer: str, *, model: Model) -> Tokens:
        """What a call probably used whose provider does not say; never beyond its two bounds."""
        prompt = _estimated(self.fields.get("messages", self.fields.get("input")))
        prompt += sum(_estimated(self.fields.get(name)) for name in ("instructions", "tools"))
        return Tokens(
            input=min(prompt, self.prompt_tokens_max(model)),
            output=min(estimated_tokens_of(answer), self.choices * self.answer_tokens_each(model)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedCall:
    """One such call on its way to a provider, with the open hold that pays for it."""

    hold: HoldId
    request: PassedRequest
    upstream_name: str
    answer_tokens_max: int
    """Of one choice: what the hold paid for, and what the provider is told."""

    deadline_seconds: float
    idle_seconds: float = 60.0
    attempts_max: int = ATTEMPTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What came back, as the caller is to see it."""

    completion: Completion
    rest: bytes
    """The whole answer; of a stream, what is told only once it is paid for."""


Hear = Callable[[str], None]
"""Told each piece of text as it arrives."""

Deliver = Callable[[bytes], Awaitable[None]]
"""Hands events of a stream to the caller, in the order in which they came."""


class PassesCalls(Protocol):
    """Providers that calls can be passed on to."""

    async def pass_on(self, call: PassedCall, *, hear: Hear, deliver: Deliver) -> Passed:
        """The answer, of a stream after its events were delivered; raises ModelFailed.

        What is delivered and what is left as the rest bear the name of the model the caller asked
        for, never a failure in the provider's words.
        """
        ...


def _estimated(value: object) -> int:
    """Tokens of all text in a value, however deep; a number in an input is a token by itself."""
    tokens = 0
    unread = [value]
    while unread:
        match unread.pop():
            case str(text):
                # The bytes of an image are not read as text.
                tokens += 0 if text.startswith("data:") else estimated_tokens_of(text)
            case int(number) if not isinstance(number, bool):
                tokens += 1
            case list(values):
                unread += values
            case dict(fields):
                unread += fields.values()
            case _:
                pass
    return tokens
