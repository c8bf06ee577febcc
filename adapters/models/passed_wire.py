"""What is sent for a call that is passed on, and what comes back whole.

The body travels as it came but for the few fields that decide what the call costs. What comes back
is read for its usage and for whether there is anything in it, and handed on as the bytes it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from adapters.models.chat_completions import tokens_of
from adapters.models.faults import Fault
from adapters.models.passed_words import words_of
from adapters.models.routes import Route
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.passed_calls import Door, PassedCall
from domain.pricing import TOKENS_MAX, Tokens

_LIMIT_FIELDS: Final = ("max_tokens", "max_completion_tokens")
_REFUSED: Final = "content_filter"
_INTERRUPTED: Final = {
    "insufficient_system_resource": ProviderFailure.OVERLOADED,
    "error": ProviderFailure.ERROR,
}
MALFORMED: Final = Fault(reason=ProviderFailure.ERROR, detail="malformed answer")
EMPTY: Final = "empty answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An answer that came in one piece and has something in it."""

    body: bytes
    text: str
    finish_reason: FinishReason
    tokens: Tokens | None
    words: str = ""
    """All that was said, the text included; read only where no usage is reported."""


def encode(call: PassedCall, route: Route) -> bytes:
    """The body as it came, with the provider's name of the model and the limit that is paid for."""
    request = call.request
    body = dict(request.fields)
    body["model"] = route.name_here(call.upstream_name)
    match request.door:
        case Door.CHAT:
            for name in _LIMIT_FIELDS:
                body.pop(name, None)
            body[route.answer_limit_field] = call.answer_tokens_max
            if request.is_stream:
                given = body.get("stream_options")
                options = dict(given) if isinstance(given, dict) else {}
                body["stream_options"] = {**options, "include_usage": True}
        case Door.RESPONSES:
            body["max_output_tokens"] = call.answer_tokens_max
            # The provider's account is the operator's: nobody's conversation is kept there.
            body["store"] = False
        case Door.EMBEDDINGS:
            pass
    return orjson.dumps(body)


def decode(body: bytes, call: PassedCall) -> Whole | Fault:
    """Read a whole answer; whatever usage is reported is kept with a fault too."""
    try:
        answer: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return MALFORMED
    if not isinstance(answer, dict):
        return MALFORMED
    found = _READERS[call.request.door](answer)
    if isinstance(found, Fault):
        return found
    text, finish_reason, tokens = found
    return Whole(
        body=renamed(body, answer, call.request.model),
        text=text,
        finish_reason=finish_reason,
        tokens=tokens,
        words=all_words(answer) if tokens is None else "",
    )


def all_words(answer: Mapping[str, object]) -> str:
    """Whatever the model has written in a whole answer, at whichever door."""
    return "".join(words_of([answer.get("choices"), answer.get("output")]))


def renamed(body: bytes, answer: Mapping[str, object], model: str) -> bytes:
    """The bytes with the caller's name of the model in place of the provider's.

    A quoted name after `"model":` cannot be part of a text, for quotes in texts are escaped.
    """
    named = answer.get("model")
    if not isinstance(named, str) or named == model:
        return body
    old, new = orjson.dumps(named), orjson.dumps(model)
    for head in (b'"model":', b'"model": '):
        if head + old in body:
            return body.replace(head + old, head + new, 1)
    return orjson.dumps({**answer, "model": model})


def response_tokens(usage: object) -> Tokens | None:
    """The usage as responses and embeddings report it."""
    if not isinstance(usage, dict):
        return None
    if "input_tokens" not in usage:
        return tokens_of({"completion_tokens": 0, **usage})
    read, written = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if read is None or written is None:
        return None
    details: object = usage.get("input_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Tokens(input=read, cached_input=min(cached or 0, read), output=written)


def count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX:
        return value
    return None


_Found = tuple[str, FinishReason, Tokens | None]


def _chat(answer: Mapping[str, object]) -> _Found | Fault:
    tokens = tokens_of(answer.get("usage"))
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        return Fault(reason=ProviderFailure.ERROR, detail="malformed answer", tokens=tokens)
    texts: list[str] = []
    has_something = False
    finish: object = None
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(message := choice.get("message"), dict):
            return Fault(reason=ProviderFailure.ERROR, detail="malformed answer", tokens=tokens)
        finish = choice.get("finish_reason")
        if isinstance(content := message.get("content"), str):
            texts.append(content)
        has_something = has_something or says_something(message)
    if fault := interruption(finish, has_something=has_something, tokens=tokens):
        return fault
    return "\n\n".join(texts), finish_reason_of(finish), tokens


def interruption(finish: object, *, has_something: bool, tokens: Tokens | None) -> Fault | None:
    """Why an answer that ended so is none."""
    if isinstance(finish, str) and finish in _INTERRUPTED:
        return Fault(
            reason=_INTERRUPTED[finish], detail="broken off by the provider", tokens=tokens
        )
    if has_something:
        return None
    if finish == _REFUSED:
        return Fault(reason=ProviderFailure.REJECTED, detail="content refused", tokens=tokens)
    return Fault(reason=ProviderFailure.EMPTY, detail=EMPTY, tokens=tokens)


def finish_reason_of(finish: object) -> FinishReason:
    match finish:
        case "length" | "max_output_tokens":
            return FinishReason.LENGTH
        case "content_filter":
            return FinishReason.CONTENT_FILTER
        case _:
            return FinishReason.STOP


_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")
_THINGS: Final = ("tool_calls", "function_call", "audio", "reasoning_details", "images")


def says_something(message: Mapping[str, object]) -> bool:
    """Whether a message, or a piece of one, brings the caller anything."""
    for name in _TEXTS:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return True
        if isinstance(value, list) and value:
            return True
    return any(message.get(name) for name in _THINGS)


def _embeddings(answer: Mapping[str, object]) -> _Found | Fault:
    tokens = response_tokens(answer.get("usage"))
    data = answer.get("data")
    if not isinstance(data, list):
        return Fault(reason=ProviderFailure.ERROR, detail="malformed answer", tokens=tokens)
    if not data:
        return Fault(reason=ProviderFailure.EMPTY, detail=EMPTY, tokens=tokens)
    return "", FinishReason.STOP, tokens


def response_of(answer: Mapping[str, object]) -> _Found | Fault:
    """A finished response: its text, how it ended, and what it used."""
    tokens = response_tokens(answer.get("usage"))
    output, status = answer.get("output"), answer.get("status")
    if not isinstance(output, list):
        return Fault(reason=ProviderFailure.ERROR, detail="malformed answer", tokens=tokens)
    if status in {"failed", "cancelled", "in_progress", "queued"}:
        return Fault(
            reason=ProviderFailure.ERROR, detail="broken off by the provider", tokens=tokens
        )
    details = answer.get("incomplete_details")
    finish = details.get("reason") if isinstance(details, dict) else None
    parts = [part for item in output if isinstance(item, dict) for part in _parts(item)]
    texts = [text for part in parts if isinstance(text := part.get("text"), str)]
    has_something = any(text.strip() for text in texts) or any(
        isinstance(item, dict) and item.get("type") not in {"message", "reasoning"}
        for item in output
    )
    has_something = has_something or any(part.get("refusal") for part in parts)
    if fault := interruption(finish, has_something=has_something, tokens=tokens):
        return fault
    said = (text for part in parts if isinstance(text := part.get("text"), str))
    return "\n\n".join(said), finish_reason_of(finish), tokens


def _parts(item: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The parts of an output item's content, and the text of reasoning that is shown."""
    for name in ("content", "summary"):
        found = item.get(name)
        if isinstance(found, list):
            yield from (part for part in found if isinstance(part, dict))


_READERS: Final = {
    Door.CHAT: _chat,
    Door.EMBEDDINGS: _embeddings,
    Door.RESPONSES: response_of,
}
