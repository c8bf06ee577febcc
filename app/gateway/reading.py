"""Reads the body of a call as far as its price depends on it, and refuses what cannot be priced.

Every field that is not named here travels on as it came, known or unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import orjson

from domain.errors import InputIssue, InvalidInput
from domain.passed_calls import Door, PassedRequest
from domain.pricing import TOKENS_MAX
from domain.units import ModelId

CHOICES_MAX: Final = 128
DEPTH_MAX: Final = 200
"""Deeper values cannot be written again by everybody who has to read them."""

PARTS_MAX: Final = 100_000
"""Reading millions of them would keep a process from everybody else for seconds."""

_TEXT_PARTS: Final = frozenset(
    {"text", "refusal", "input_text", "output_text", "summary_text", "reasoning_text"}
)
_SIGHT_PARTS: Final = frozenset({"image_url", "input_image", "file", "input_file"})
_OWN_TOOLS: Final = frozenset({"function", "custom"})
_UNPRICED: Final = {
    "audio": "Audio has no price here; ask for text.",
    "web_search_options": "Searches of the provider have no price here.",
}
_DIRECTING: Final = frozenset(
    {
        "api_base", "api_key", "base_url", "fallbacks", "mock_response", "models", "plugins",
        "provider", "route", "user_config",
    }
)  # fmt: skip
"""What routers among the providers take for orders: another model, another server, a paid extra."""

_STATEFUL: Final = {
    "previous_response_id": "Conversations are not kept here. Send the whole input each time.",
    "conversation": "Conversations are not kept here. Send the whole input each time.",
    "prompt": "Prompts kept by the provider are not used here. Send the text as instructions.",
}


def read(door: Door, body: bytes) -> PassedRequest:
    """What is asked for; raises InvalidInput at the field that is wrong."""
    if _parts(body) > PARTS_MAX:
        raise InvalidInput.at("body", f"At most {PARTS_MAX} objects, lists and fields in all.")
    try:
        fields: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput.at("body", "This is not valid JSON.") from None
    if not isinstance(fields, dict):
        raise InvalidInput.at("body", "Send a JSON object.")
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_too_deep(fields):
        raise InvalidInput.at("body", f"At most {DEPTH_MAX} levels of nesting.")
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidInput.at("model", "Name the model, as in GET /v1/models.")
    match door:
        case Door.CHAT:
            return _chat(ModelId(model), fields, len(body))
        case Door.EMBEDDINGS:
            return _embeddings(ModelId(model), fields, len(body))
        case Door.RESPONSES:
            return _response(ModelId(model), fields, len(body))


def fingerprint(request: PassedRequest) -> bytes:
    """By which a repeated body is known, in whatever order its fields are written."""
    return blake2b(
        orjson.dumps(request.fields, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).digest()


def _chat(model: ModelId, fields: dict[str, object], body_bytes: int) -> PassedRequest:
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidInput.at("messages", "Send a list of at least one message.")
    _refuse(_issues_of_chat(fields))
    limits = [
        limit
        for name in ("max_tokens", "max_completion_tokens")
        if (limit := _limit(fields, name)) is not None
    ]
    options = fields.get("stream_options")
    return PassedRequest(
        door=Door.CHAT,
        model=model,
        fields=fields,
        body_bytes=body_bytes,
        messages=len(messages),
        choices=max(_choices(fields, "n"), _choices(fields, "best_of")),
        answer_tokens_asked=min(limits, default=None),
        has_more_than_text=_has_more_than_text(messages, "messages"),
        is_stream=_flag(fields, "stream"),
        wants_usage=not _flag(fields, "stream")
        or (isinstance(options, dict) and options.get("include_usage") is True),
    )


def _embeddings(model: ModelId, fields: dict[str, object], body_bytes: int) -> PassedRequest:
    given = fields.get("input")
    if not isinstance(given, str | list) or not given:
        raise InvalidInput.at("input", "Send a text, a list of texts, or tokens.")
    return PassedRequest(
        door=Door.EMBEDDINGS,
        model=model,
        fields=fields,
        body_bytes=body_bytes,
        messages=len(given) if isinstance(given, list) else 1,
    )


def _response(model: ModelId, fields: dict[str, object], body_bytes: int) -> PassedRequest:
    given = fields.get("input")
    if not isinstance(given, str | list) or not given:
        raise InvalidInput.at("input", "Send a text or a list of items.")
    _refuse(_issues_of_response(fields))
    items = given if isinstance(given, list) else []
    return PassedRequest(
        door=Door.RESPONSES,
        model=model,
        fields=fields,
        body_bytes=body_bytes,
        messages=len(items) or 1,
        answer_tokens_asked=_limit(fields, "max_output_tokens"),
        has_more_than_text=_has_more_than_text(items, "input"),
        is_stream=_flag(fields, "stream"),
    )


def _issues_of_chat(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    yield from _issues_of_unpriced(fields)
    modalities = fields.get("modalities")
    if isinstance(modalities, list) and any(each != "text" for each in modalities):
        yield "modalities", "Only text has a price here."
    yield from _issues_of_tools(fields)
    if fields.get("prediction"):
        yield "prediction", "Predicted output has no bound here; leave it out."
    options = fields.get("stream_options")
    if options is not None and not isinstance(options, dict):
        yield "stream_options", 'Send an object, such as {"include_usage": true}.'


def _issues_of_response(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    yield from _issues_of_unpriced(fields)
    yield from ((name, why) for name, why in _STATEFUL.items() if fields.get(name) is not None)
    if fields.get("store") is True:
        yield "store", "Responses are not kept by the provider here; leave it out."
    if fields.get("background"):
        yield "background", "Responses are answered at once here. Leave it out, or use stream."
    items = fields.get("input")
    if isinstance(items, list) and any(
        isinstance(item, dict) and item.get("type") == "item_reference" for item in items
    ):
        yield "input", "Items are not kept here. Send them whole instead of references."
    yield from _issues_of_tools(fields)


def _issues_of_unpriced(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    yield from ((name, why) for name, why in _UNPRICED.items() if fields.get(name) is not None)
    for name in fields.keys() & _DIRECTING:
        yield name, "Who answers is for the operator to say; leave it out."
    if fields.get("service_tier") in {"priority", "scale"}:
        yield "service_tier", "This tier has no price here; leave it out."


def _issues_of_tools(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Tools that the provider runs by itself cost what no hold pays for."""
    tools = fields.get("tools")
    for number, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in _OWN_TOOLS:
            yield f"tools.{number}", "Only your own functions can be offered; others have no price."
            return


def _has_more_than_text(items: Sequence[object], field: str) -> bool:
    """Whether there are images or files; raises InvalidInput for what has no bound or price."""
    has_more = False
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidInput.at(f"{field}.{number}", "Send an object.")
        content = item.get("content")
        parts = content if isinstance(content, list) else ()
        # What a tool gave back may hold images too.
        output = item.get("output")
        for part in (*parts, *(output if isinstance(output, list) else ())):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in _SIGHT_PARTS:
                has_more = True
            elif kind not in _TEXT_PARTS:
                raise InvalidInput.at(
                    f"{field}.{number}.content",
                    "Parts may be text, images and files; others have no price here.",
                )
    return has_more


def _choices(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= CHOICES_MAX:
        raise InvalidInput.at(name, f"Must be a whole number from 1 to {CHOICES_MAX}.")
    return value


def _limit(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= TOKENS_MAX:
        raise InvalidInput.at(name, "Must be a whole number of at least 1.")
    return value


def _flag(fields: Mapping[str, object], name: str) -> bool:
    value = fields.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidInput.at(name, "Must be true or false.")
    return value


def _refuse(issues: Iterator[tuple[str, str]]) -> None:
    found = [InputIssue((name,), why) for name, why in issues]
    if found:
        raise InvalidInput(found)


def _parts(body: bytes) -> int:
    """How many objects, lists and fields there are, told before anything is made of them."""
    found = _marks(body)
    if found <= PARTS_MAX:
        return found
    # Most may stand in texts: every second piece between quotes that are not escaped.
    pieces = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return _marks(b"".join(pieces[::2]))


def _marks(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{") + text.count(b":")


def _is_too_deep(fields: object) -> bool:
    level = [fields]
    for _ in range(DEPTH_MAX):
        below: list[object] = []
        for value in level:
            match value:
                case dict():
                    below += [each for each in value.values() if isinstance(each, dict | list)]
                case list():
                    below += [each for each in value if isinstance(each, dict | list)]
                case _:
                    pass
        if not below:
            return False
        level = below
    return True
