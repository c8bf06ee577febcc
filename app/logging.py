"""Log lines: one event with fields each, without anybody's words or secrets.

A line says which operation, where and what kind of failure. It never holds a document, its
variables, the words of an exception, a token, a key or a mail address: exceptions are reduced to
their kind and to the lines of code they passed, and what looks like a secret is struck out of
every value, in lines of other libraries too.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Literal

import orjson
import structlog
from structlog.typing import Processor

from domain.tracing import TRACING

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

_CHECKOUT = f"{Path(__file__).parents[1]}/"
_INSTALLED = "site-packages"
_LENGTH_MAX = 2_000
_PLACES_MAX = 5
_STRUCK = "[redacted]"
_SECRET_NAMES = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "cookie",
        "id_token",
        "messages",
        "password",
        "prompt",
        "query",
        "refresh_token",
        "secret",
        "set-cookie",
        "text",
        "token",
        "variables",
    }
)
# Found in one pass in whatever the patterns below would strike out, and seldom elsewhere.
_SUSPICIOUS = re.compile(
    r"(?i)bearer|basic|eyj|@|\b(?:ck|sk|pk|rk|rt|lt|whsec)[_-]|password|secret|api_?key|_token"
)
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',]+"), rf"\1 {_STRUCK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _STRUCK),
    (re.compile(r"\b(?:ck|sk|pk|rk|rt|lt|whsec)[_-][\w-]{8,}"), _STRUCK),
    (
        re.compile(
            r"(?i)\b(password|secret|api_?key|\w+_token)([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
        ),
        rf"\1\2{_STRUCK}",
    ),
    (re.compile(r"://[^/\s@]*@"), f"://{_STRUCK}@"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[address]"),
)

_Event = MutableMapping[str, object]
_OURS = ("adapters.", "app.", "domain.", "persistence.")
_add_fields = structlog.stdlib.ExtraAdder()


def configure(form: Literal["json", "console"], level: int = logging.INFO) -> None:
    """Send every log line of the process to standard error, as JSON or for people to read.

    uvicorn's access log stays off: it prints addresses with their query strings.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request_id,
        _without_words,
        _without_secrets,
    ]
    renderer = _renderer(form)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[_with_fields, *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("uvicorn.access").disabled = True


def _renderer(form: Literal["json", "console"]) -> Processor:
    if form == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(
        lambda event, **_: orjson.dumps(event, default=str).decode()
    )


def _with_fields(_logger: object, method: str, event: _Event) -> _Event:
    """Keep the fields of our own log lines; what libraries attach to theirs may be anything."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and record.name.startswith(_OURS):
        _add_fields(logging.getLogger(record.name), method, event)
    return event


def _with_request_id(_logger: object, _method: str, event: _Event) -> _Event:
    if (request_id := REQUEST_ID.get()) is not None:
        event["request_id"] = request_id
    if (tracing := TRACING.get()) is not None:
        event.update(tracing.ids())
    return event


def _without_words(_logger: object, _method: str, event: _Event) -> _Event:
    match event.pop("exc_info", None):
        case True:
            error = sys.exc_info()[1]
        case BaseException() as error:
            pass
        case (_, BaseException() as error, TracebackType() | None):
            pass
        case _:
            error = None
    if error is not None:
        event.update(kind_and_places(error))
    return event


def _without_secrets(_logger: object, _method: str, event: _Event) -> _Event:
    for name, value in event.items():
        event[name] = _STRUCK if name.lower() in _SECRET_NAMES else _clean(value)
    return event


def _clean(value: object) -> object:
    match value:
        case str():
            # Callers can make a value long, such as a path; searching it must not take long.
            text = value if len(value) <= _LENGTH_MAX else f"{value[:_LENGTH_MAX]}…"
            if _SUSPICIOUS.search(text) is not None:
                for pattern, instead in _SECRETS:
                    text = pattern.sub(instead, text)
            return text
        case Mapping():
            return {
                name: _STRUCK if str(name).lower() in _SECRET_NAMES else _clean(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case _:
            return value


def kind_and_places(error: BaseException) -> dict[str, object]:
    """What a log may say of an exception: its class and the lines it passed, innermost last.

    Lines of ours come first to mind; those of libraries are named only when there are no others.
    """
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _INSTALLED not in frame.filename] or frames
    return {
        "raised": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [
            f"{frame.filename.removeprefix(_CHECKOUT)}:{frame.lineno} {frame.name}"
            for frame in ours[-_PLACES_MAX:]
        ],
    }
