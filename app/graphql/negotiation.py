"""Which JSON type to answer in, and whether a body claims to be JSON at all."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from app.errors import Refused

GRAPHQL_RESPONSE: Literal["application/graphql-response+json"] = "application/graphql-response+json"
JSON: Literal["application/json"] = "application/json"
EVENT_STREAM: Literal["text/event-stream"] = "text/event-stream"
MediaType = Literal["application/graphql-response+json", "application/json"]


@dataclass(frozen=True, slots=True)
class _Range:
    """One entry of an Accept header."""

    kind: str
    weight: float

    @classmethod
    def of(cls, text: str) -> "_Range":
        """Read one entry; a weight that is no number counts as none given."""
        kind, *parameters = (part.strip().lower() for part in text.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = _weight(value.strip())
        return cls(kind, weight)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return weight if 0 <= weight <= 1 else 1.0


def answer_type(accept: str | None) -> MediaType:
    """The type the caller wants most.

    Plain JSON goes to callers that name no preference, as clients older than the newer type
    expect; a caller that names both as equals gets the newer one, whose statuses say more.
    Raises `Refused` (406) when neither would be read.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = [_Range.of(text) for text in accept.split(",")]
    newer, plain = _wish(ranges, GRAPHQL_RESPONSE), _wish(ranges, JSON)
    if newer <= 0 and plain <= 0:
        raise Refused(
            f"Answers are {GRAPHQL_RESPONSE} or {JSON}. Accept one of them.",
            status=HTTPStatus.NOT_ACCEPTABLE,
        )
    named = any(entry.kind == GRAPHQL_RESPONSE for entry in ranges)
    return GRAPHQL_RESPONSE if newer > plain or (named and newer == plain) else JSON


def wants_events(accept: str | None) -> bool:
    """Whether the caller reads server-sent events and no JSON.

    Some clients name events beside JSON in every request they send, queries too: they get JSON.
    """
    if accept is None or EVENT_STREAM not in accept.lower():
        return False
    ranges = [_Range.of(text) for text in accept.split(",")]
    events = max((entry.weight for entry in ranges if entry.kind == EVENT_STREAM), default=0)
    return events > 0 and _wish(ranges, GRAPHQL_RESPONSE) <= 0 and _wish(ranges, JSON) <= 0


def _wish(ranges: list[_Range], kind: str) -> float:
    """How much a type is wanted: the most exact entry that covers it decides."""
    for pattern in (kind, "application/*", "*/*"):
        weights = [entry.weight for entry in ranges if entry.kind == pattern]
        if weights:
            return max(weights)
    return 0


def require_json(content_type: str | None) -> None:
    """Raise `Refused` (415) unless a body is declared as JSON in UTF-8.

    The type is compared whole: `application/jsonp` is not JSON. A page of another site can send
    forms and plain text without being asked, but not this type; that is a part of the guard
    against requests forged by other sites.
    """
    kind, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if kind != JSON:
        raise Refused(
            f"Send the request with Content-Type: {JSON}.",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in {"utf-8", "utf8"}:
            raise Refused("JSON is read as UTF-8.", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
