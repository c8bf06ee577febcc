"""The simulated provider's other doors: responses, and embeddings that mean nothing."""

import struct
from base64 import b64encode
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import orjson

from adapters.models.simulated_wire import Answer, Request, UsageAt, text_of

_DIMENSIONS: Final = 8
_DIMENSIONS_MAX: Final = 64


def read_request(body: bytes) -> Request | None:
    """The question in a call of the responses API; None when it is not one."""
    try:
        request: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    match request:
        case {"model": str(model), "input": str() | list() as given, **options}:
            pass
        case _:
            return None
    items: list[object] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = tuple(
        (str(item.get("role", "user")), text_of(item.get("content")))
        for item in items
        if isinstance(item, dict)
    )
    limit = options.get("max_output_tokens")
    return Request(
        model=model,
        messages=messages,
        answer_tokens_max=limit if isinstance(limit, int) else None,
        is_stream=options.get("stream") is True,
        wants_usage=True,
    )


def whole_answer(answer: Answer) -> bytes:
    return orjson.dumps(_response(answer, is_done=True))


def chunks(answer: Answer, usage_at: UsageAt) -> Iterator[bytes]:
    """The events of a response, numbered, to the one that has all of it."""
    del usage_at  # a response tells its usage at its end, and nowhere else
    item = _message(answer)
    begun = _response(answer, is_done=False)
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *(
            {
                "type": "response.output_text.delta",
                "item_id": item["id"],
                "output_index": 0,
                "content_index": 0,
                "delta": piece,
                "logprobs": [],
            }
            for piece in answer.pieces
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.incomplete"
            if answer.finish_reason == "length"
            else "response.completed",
            "response": _response(answer, is_done=True),
        },
    ]
    for number, event in enumerate(events):
        data = orjson.dumps({**event, "sequence_number": number})
        yield b"event: " + str(event["type"]).encode() + b"\ndata: " + data + b"\n\n"


def embeddings(body: bytes) -> bytes | None:
    """A vector for each input, the same for the same text; None for what is no input."""
    try:
        request: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    match request:
        case {"model": str(model), "input": str() | [_, *_] as given, **options}:
            pass
        case _:
            return None
    texts = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    asked = options.get("dimensions")
    dimensions = min(asked, _DIMENSIONS_MAX) if isinstance(asked, int) else _DIMENSIONS
    as_text = options.get("encoding_format") == "base64"
    vectors = [_vector(text, dimensions) for text in texts]
    tokens = sum(len(text.split()) if isinstance(text, str) else len(text) for text in texts)
    return orjson.dumps(
        {
            "object": "list",
            "model": model,
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _packed(vector) if as_text else vector,
                }
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _vector(text: object, dimensions: int) -> list[float]:
    digest = blake2b(repr(text).encode(), digest_size=_DIMENSIONS_MAX).digest()
    return [byte / 256 for byte in digest[:dimensions]]


def _packed(vector: list[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _message(answer: Answer) -> dict[str, object]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "".join(answer.pieces), "annotations": []},
        ],
    }


def _response(answer: Answer, *, is_done: bool) -> dict[str, object]:
    is_cut = answer.finish_reason == "length"
    status = "incomplete" if is_cut else "completed"
    usage = answer.usage
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": 0,
        "model": answer.model,
        "status": status if is_done else "in_progress",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_done and is_cut else None,
        "output": [_message(answer)] if is_done and answer.pieces else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None
        if usage is None or not is_done
        else {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens": usage.answer_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt_tokens + usage.answer_tokens,
        },
    }
