"""The provider's side of the chat-completions wire: requests read, answers and errors written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import orjson

_ANSWER_LIMIT_FIELDS: Final = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question as it arrives at the provider."""

    model: str
    messages: tuple[tuple[str, str], ...]
    """Role and content."""

    answer_tokens_max: int | None
    is_stream: bool
    wants_usage: bool
    """In a stream; whole answers always carry it."""

    choices: int = 1
    tool: str | None = None
    """The function to call instead of saying anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The token counts that go with an answer."""

    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider answers."""

    id: str
    model: str
    pieces: tuple[str, ...]
    """The text, token by token."""

    finish_reason: str
    usage: Usage | None
    choices: int = 1
    tool: str | None = None


def read_request(body: bytes) -> Request | None:
    """The question; None when it is not one."""
    try:
        request: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    match request:
        case {"model": str(model), "messages": [_, *_] as messages, **options}:
            pass
        case _:
            return None
    read = tuple(
        (role, text_of(message.get("content")))
        for message in messages
        if isinstance(message, dict) and isinstance(role := message.get("role"), str)
    )
    if len(read) != len(messages):
        return None
    limits = [
        limit for field in _ANSWER_LIMIT_FIELDS if isinstance(limit := options.get(field), int)
    ]
    choices, options_of_stream = options.get("n"), options.get("stream_options")
    return Request(
        model=model,
        messages=read,
        answer_tokens_max=min(limits, default=None),
        is_stream=options.get("stream") is True,
        wants_usage=isinstance(options_of_stream, dict)
        and options_of_stream.get("include_usage") is True,
        choices=choices if isinstance(choices, int) else 1,
        # What a tool gave back is answered in words.
        tool=None if read[-1][0] == "tool" else _first_function(options),
    )


def text_of(content: object) -> str:
    """The text of a message, whole or in parts; what is not text is named in brackets."""
    match content:
        case str():
            return content
        case list():
            return " ".join(map(_text_of_part, content))
        case _:
            return ""


def _text_of_part(part: object) -> str:
    match part:
        case {"text": str(text)}:
            return text
        case {"type": str(kind)}:
            return f"[{kind}]"
        case _:
            return ""


def _first_function(options: Mapping[object, object]) -> str | None:
    match options:
        case {"tool_choice": "none"}:
            return None
        case {"tools": [{"function": {"name": str(name)}}, *_]}:
            return name
        case _:
            return None


def whole_answer(answer: Answer) -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": "".join(answer.pieces)}
    if answer.tool is not None:
        message = {"role": "assistant", "content": None, "tool_calls": [_tool_call(answer)]}
    choice = {"message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    body: dict[str, object] = {
        **_head(answer, "chat.completion"),
        "choices": [{"index": index, **choice} for index in range(answer.choices)],
    }
    if answer.usage is not None:
        body["usage"] = _usage(answer.usage)
    return orjson.dumps(body)


class UsageAt(Enum):
    """On which chunk of a stream its usage is told."""

    NOWHERE = "nowhere"
    FIRST = "first"
    LAST = "last"


def chunks(answer: Answer, usage_at: UsageAt) -> Iterator[bytes]:
    """The answer as server-sent events, to the end that every whole stream has."""
    usage = answer.usage
    first = usage if usage_at is UsageAt.FIRST else None
    yield _chunk(answer, {"role": "assistant", "content": ""}, None, first)
    if answer.tool is not None:
        call = _tool_call(answer)
        yield _chunk(answer, {"tool_calls": [{"index": 0, **call}]}, None)
    for piece in answer.pieces if answer.tool is None else ():
        yield _chunk(answer, {"content": piece}, None)
    yield _chunk(answer, {}, answer.finish_reason)
    if usage_at is UsageAt.LAST and usage is not None:
        head = _head(answer, "chat.completion.chunk")
        yield _event({**head, "choices": [], "usage": _usage(usage)})
    yield b"data: [DONE]\n\n"


def error_event(message: str) -> bytes:
    return b"data: " + error(message, code="server_error") + b"\n\n"


def error(message: str, *, code: str) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": code, "param": None, "code": code}})


def models(names: tuple[str, ...]) -> bytes:
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names
    ]
    return orjson.dumps({"object": "list", "data": data})


def _chunk(
    answer: Answer, delta: dict[str, object], finish_reason: str | None, usage: Usage | None = None
) -> bytes:
    choice = {"delta": delta, "logprobs": None, "finish_reason": finish_reason}
    chunk: dict[str, object] = {
        **_head(answer, "chat.completion.chunk"),
        "choices": [{"index": index, **choice} for index in range(answer.choices)],
    }
    if usage is not None:
        chunk["usage"] = _usage(usage)
    return _event(chunk)


def _tool_call(answer: Answer) -> dict[str, object]:
    arguments = orjson.dumps({"simulated": True}).decode()
    return {
        "id": f"call_{answer.id}",
        "type": "function",
        "function": {"name": answer.tool, "arguments": arguments},
    }


def _event(data: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _head(answer: Answer, kind: str) -> dict[str, object]:
    return {
        "id": answer.id,
        "object": kind,
        "created": 0,
        "model": answer.model,
        "system_fingerprint": "simulated",
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.answer_tokens,
        "total_tokens": usage.prompt_tokens + usage.answer_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
