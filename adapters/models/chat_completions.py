"""The chat-completions wire: what is sent, and what may come back.

Everything that comes back is data from a stranger. It is parsed once, here, into a Reply or a
Fault; nothing else of it goes any further.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from adapters.models.faults import Fault
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer that has text."""

    text: str
    finish_reason: FinishReason
    tokens: Tokens | None


def encode(call: ModelCall, *, model: str, answer_limit_field: str) -> bytes:
    """The body of a request for a whole answer no longer than the hold pays for."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": message.role.value.lower(), "content": message.content}
            for message in call.messages
        ],
        answer_limit_field: call.answer_tokens_max,
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
        # PostgreSQL keeps every character but this one.
        text=content.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        finish_reason=FinishReason.LENGTH if finish == "length" else FinishReason.STOP,
        tokens=tokens,
    )


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None
