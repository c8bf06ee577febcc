"""The chat-completions wire: what is sent, and what may come back.

Everything that comes back is data from a stranger. It is parsed once, here, into a Reply or a
Fault; nothing else of it goes any further.
"""

from dataclasses import dataclass, replace
from typing import Final

import orjson

from adapters.models.faults import Fault, fault_of_event
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.outside import ModelCall
from domain.pricing import TOKENS_MAX, Tokens

_REFUSED: Final = "content_filter"
_INTERRUPTED: Final = {
    "insufficient_system_resource": ProviderFailure.OVERLOADED,
    "error": ProviderFailure.ERROR,
}
_MALFORMED: Final = Fault(reason=ProviderFailure.ERROR, detail="malformed answer")
_BROKEN_OFF: Final = Fault(reason=ProviderFailure.ERROR, detail="answer broken off")
_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer that has text."""

    text: str
    finish_reason: FinishReason
    tokens: Tokens | None


def encode(call: ModelCall, *, model: str, answer_limit_field: str) -> bytes:
    """The body of a request for an answer, piece by piece, no longer than the hold pays for."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": message.role.value.lower(), "content": message.content}
            for message in call.messages
        ],
        answer_limit_field: call.answer_tokens_max,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if call.temperature is not None:
        body["temperature"] = call.temperature
    return orjson.dumps(body)


def decode(body: bytes) -> Reply | Fault:
    """Read a whole answer: no text is EMPTY, refused content REJECTED, nonsense ERROR.

    Whatever usage is reported is kept with a fault too: it is what the failure cost us.
    """
    try:
        answer: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _MALFORMED
    match answer:
        case {"choices": [{"message": dict() as message, **choice}, *_], **rest}:
            return _reply(
                message.get("content"),
                refusal=message.get("refusal"),
                finish=choice.get("finish_reason"),
                tokens=tokens_of(rest.get("usage")),
            )
        case _:
            return _MALFORMED


class Draft:
    """An answer as its chunks come in; each is parsed once."""

    __slots__ = ("_finish", "_has_chunks", "_has_refusal", "_texts", "fault", "is_done", "tokens")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._finish: object = None
        self._has_chunks = self._has_refusal = False
        self.tokens: Tokens | None = None
        """The usage as it was reported last, on whatever chunk."""
        self.fault: Fault | None = None
        """Set when no more of it is to be read."""
        self.is_done = False

    def add(self, chunk: bytes) -> str:
        """Take the next chunk; returns the text in it, which may be none."""
        if chunk == _DONE:
            self.is_done = True
            return ""
        try:
            told: object = orjson.loads(chunk)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            self.fault = _MALFORMED
            return ""
        self._has_chunks = True
        if (usage := told.get("usage")) is not None:
            self.tokens = tokens_of(usage) or self.tokens
        if choices := told.get("choices"):
            return self._text_of(choices)
        if error := told.get("error"):
            self.fault = fault_of_event(error)
        return ""

    def _text_of(self, choices: object) -> str:
        choice: object = choices[0] if isinstance(choices, list) else None
        delta: object = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(delta, dict):
            self.fault = _MALFORMED
            return ""
        if (finish := choice.get("finish_reason")) is not None:
            self._finish = finish
        if (usage := choice.get("usage")) is not None:  # Moonshot's place for it
            self.tokens = tokens_of(usage) or self.tokens
        content: object = delta.get("content")
        if not content:
            self._has_refusal = self._has_refusal or bool(delta.get("refusal"))
            return ""
        if not isinstance(content, str):
            self.fault = _MALFORMED
            return ""
        text = _storable(content)
        self._texts.append(text)
        return text

    def reply(self) -> Reply | Fault:
        """What all of it comes to. An end that nobody announced is none."""
        if self.fault is not None:
            return replace(self.fault, tokens=self.tokens)
        if not self._has_chunks:
            return _MALFORMED
        if not self.is_done and self._finish is None:
            return replace(_BROKEN_OFF, tokens=self.tokens)
        return _reply(
            "".join(self._texts),
            refusal=self._has_refusal,
            finish=self._finish,
            tokens=self.tokens,
        )


def tokens_of(usage: object) -> Tokens | None:
    """The reported usage; None when there is none to be believed. A reported zero is a zero."""
    if not isinstance(usage, dict):
        return None
    prompt, answer = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or answer is None:
        return None
    details: object = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    if cached is None:
        cached = _count(usage.get("prompt_cache_hit_tokens")) or 0  # DeepSeek's name for it
    return Tokens(input=prompt, cached_input=min(cached, prompt), output=answer)


def _reply(
    content: object, *, refusal: object, finish: object, tokens: Tokens | None
) -> Reply | Fault:
    if finish == _REFUSED or (refusal and not content):
        return Fault(reason=ProviderFailure.REJECTED, detail="content refused", tokens=tokens)
    if isinstance(finish, str) and finish in _INTERRUPTED:
        detail = "broken off by the provider"
        return Fault(reason=_INTERRUPTED[finish], detail=detail, tokens=tokens)
    if content is not None and not isinstance(content, str):
        return Fault(reason=ProviderFailure.ERROR, detail="malformed answer", tokens=tokens)
    if content is None or not content.strip():
        return Fault(reason=ProviderFailure.EMPTY, detail="empty answer", tokens=tokens)
    return Reply(
        text=_storable(content),
        finish_reason=FinishReason.LENGTH if finish == "length" else FinishReason.STOP,
        tokens=tokens,
    )


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None


def _storable(text: str) -> str:
    """PostgreSQL keeps every character but this one."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text
