"""Everything under /v1: who calls, what is called, and one answer in the shape OpenAI's has.

A plain ASGI application: on this path a router's work would be a tenth of ours.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import unquote

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.errors import Refused, Stopping
from app.gateway.errors import failure_of, internal
from app.gateway.reading import fingerprint, read
from app.gateway.replying import Line
from app.http import read_body
from app.logging import REQUEST_ID, kind_and_places
from domain import key_texts
from domain.allowing import Allowances
from domain.checking import issues_of_key
from domain.errors import (
    AccessError,
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
)
from domain.identity import Scope as KeyScope
from domain.identity import Viewer
from domain.passed_calls import Door, PassedRequest
from domain.passing import Caller, PassedAnswer
from domain.pricing import Model
from domain.units import AccountId
from resolvers.context import FindsCallers, principal_of

PREFIX: Final = "/v1/"
BODY_SECONDS_MAX: Final = 60.0
LARGE_AT_ONCE_MAX: Final = 32
LARGE_OF_ONE_MAX: Final = 16
_SMALL_BYTES_MAX: Final = 1024 * 1024
_DIGITS_MAX: Final = 15
_BYTES_PER_POINT: Final = 32 * 1024
_POINTS_MAX: Final = 1_000
"""No body costs more than the smallest allowance there can be."""

_CALLS: Final = {f"{PREFIX}{door}": door for door in Door}
_MODELS: Final = f"{PREFIX}models"
_NO_CREDENTIAL: Final = (
    f"This is neither an API key of this server ({key_texts.PREFIX}…) nor an access token in force."
)

_log = structlog.get_logger("gateway")


class PassesOn(Protocol):
    """See `domain.passing.Passing`."""

    async def pass_on(
        self, viewer: Viewer, request: PassedRequest, key: str | None, caller: Caller
    ) -> PassedAnswer | None: ...


@dataclass(slots=True)
class Room:
    """How many more calls with large bodies there may be: each is kept until it has ended.

    Half of them are the most that one account has, so that one who sends slowly stops nobody else.
    """

    places: int = LARGE_AT_ONCE_MAX
    taken_by: Counter[AccountId] = field(default_factory=Counter)

    @contextmanager
    def taken(self, who: AccountId) -> Iterator[None]:
        if self.places < 1 or self.taken_by[who] >= LARGE_OF_ONE_MAX:
            raise Unavailable("Too many large calls are in progress. Try again shortly.")
        self.places -= 1
        self.taken_by[who] += 1
        try:
            yield
        finally:
            self.places += 1
            self.taken_by[who] -= 1
            if not self.taken_by[who]:
                del self.taken_by[who]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The door for OpenAI's clients."""

    callers: FindsCallers
    passing: PassesOn
    models: Callable[[], Awaitable[Sequence[Model]]]
    """Those that can be asked here."""

    points: Allowances
    """What reading costs, large bodies too; a call of a model is counted as the question it is."""

    body_bytes_max: int
    room: Room = field(default_factory=Room)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        door = _CALLS.get(path)
        line = Line(door or Door.CHAT, receive, send)
        try:
            if door is not None:
                await self._pass_on(door, scope, line)
            else:
                await self._tell_models(path, scope, send)
        except ClientDisconnect:
            return
        except (AccessError, Problem, Refused) as error:
            has_key = b"idempotency-key" in dict(scope["headers"])
            await line.fail(failure_of(error, is_final=has_key))
        except asyncio.CancelledError:
            await line.fail(failure_of(Stopping()))
        except Exception as fault:  # noqa: BLE001 - the edge: nobody else would tell the caller
            _log.error("call failed", **kind_and_places(fault))
            await line.fail(internal(REQUEST_ID.get()))

    async def _pass_on(self, door: Door, scope: Scope, line: Line) -> None:
        _require(scope, "POST")
        headers = Headers(scope=scope)
        viewer = await self._viewer(headers, needs=KeyScope.ASK)
        content_type = headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise Refused(
                "Send the body as application/json.", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            )
        key = _key(headers)
        if _is_small(headers):
            await self._call(viewer, door, key, scope, line)
            return
        with self.room.taken(viewer.account_id):
            await self._call(viewer, door, key, scope, line)

    async def _call(
        self, viewer: Viewer, door: Door, key: str | None, scope: Scope, line: Line
    ) -> None:
        body = await read_body(
            scope, line.receive, bytes_max=self.body_bytes_max, seconds_max=BODY_SECONDS_MAX
        )
        if points := min(len(body) // _BYTES_PER_POINT, _POINTS_MAX):
            await self.points.take(principal_of(viewer, ""), points)
        request = read(door, body)
        if key is not None:
            request = replace(request, fingerprint=fingerprint(request))
        answered = await self.passing.pass_on(viewer, request, key, line)
        if answered is not None:
            await line.finish(answered, is_stream=request.is_stream)

    async def _tell_models(self, path: str, scope: Scope, send: Send) -> None:
        if path.rstrip("/") != _MODELS and not path.startswith(f"{_MODELS}/"):
            raise Refused(
                f"There is no {scope['method']} {path} here.", status=HTTPStatus.NOT_FOUND
            )
        _require(scope, "GET")
        viewer = await self._viewer(Headers(scope=scope), needs=None)
        await self.points.take(principal_of(viewer, ""))
        wanted = unquote(path.removeprefix(_MODELS).strip("/"))
        found = await self.models()
        models = {str(model.id): model for model in found if viewer.may_ask(model.id)}
        if not wanted:
            told: object = {"object": "list", "data": [_told(each) for each in models.values()]}
        elif wanted in models:
            told = _told(models[wanted])
        else:
            raise NotFound("model")
        body = orjson.dumps(told)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _viewer(self, headers: Headers, *, needs: KeyScope | None) -> Viewer:
        sent = headers.getlist("authorization")
        try:
            viewer = await self.callers.viewer(sent)
        except Unauthenticated as refused:
            if any(key_texts.PREFIX in each for each in sent):
                raise
            raise Unauthenticated(_NO_CREDENTIAL) from refused
        if viewer is None:
            raise Unauthenticated("Send an API key, as `Authorization: Bearer …`.")
        if needs is not None and needs not in viewer.scopes:
            raise Forbidden(f"This API key does not reach this far: it needs the scope {needs}.")
        return viewer


def _require(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise Refused(
            f"{scope['method']} is not answered here. Use {method}.",
            status=HTTPStatus.METHOD_NOT_ALLOWED,
            headers={"allow": method},
        )


def _is_small(headers: Headers) -> bool:
    """Whether a body says that it is; one that does not say may be large."""
    length = headers.get("content-length", "")
    return length.isdecimal() and len(length) < _DIGITS_MAX and int(length) <= _SMALL_BYTES_MAX


def _key(headers: Headers) -> str | None:
    key = headers.get("idempotency-key")
    for issue in issues_of_key(key) if key is not None else ():
        raise InvalidInput.at("Idempotency-Key", issue.message)
    return key


def _told(model: Model) -> dict[str, object]:
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.price.effective_from.timestamp()),
        "owned_by": model.vendor,
    }
