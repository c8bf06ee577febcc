"""Calls passed on to one route, as bytes both ways."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final, Self

import aiohttp
import orjson
import structlog
from starlette.types import ASGIApp

from adapters.models.exchange import AppExchange, BrokenOff, Exchange, NetworkExchange, Response
from adapters.models.faults import (
    Fault,
    Remedy,
    TooLargeError,
    fault_of_connection,
    fault_of_refusal,
)
from adapters.models.passed_events import Events, Interrupted, events_of
from adapters.models.passed_wire import Whole, decode, encode
from adapters.models.reading import ANSWER_BYTES_MAX, STREAM_BYTES_MAX, Patience
from adapters.models.routes import Route
from adapters.models.trying import ATTEMPTS_PER_ROUTE_MAX, pause_before_retry
from domain.errors import ProviderFailure
from domain.outside import CallCanceled, Completion, FailedAttempt, ModelFailed
from domain.passed_calls import Deliver, Door, Hear, Passed, PassedCall
from domain.pricing import Tokens
from domain.tracing import note, span

_ERROR_BYTES_MAX: Final = 64 * 1024
_SUCCESS: Final = 200
_LAST_BYTES_SECONDS: Final = 0.25
_NOT_OFFERED: Final = frozenset({404, 405, 501})
_REQUEST_AT_FAULT: Final = frozenset({400, 413, 415, 422})
_TIMED_OUT: Final = Fault(
    reason=ProviderFailure.TIMEOUT, detail="no answer in time", remedy=Remedy.ANOTHER_ROUTE
)
_STALLED: Final = Fault(reason=ProviderFailure.TIMEOUT, detail="answer not finished in time")
_CUT: Final = Fault(reason=ProviderFailure.ERROR, detail="answer broken off")
_TOO_LARGE: Final = Fault(reason=ProviderFailure.ERROR, detail="answer too large")

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Try:
    """One try at a route: what it has brought so far, and to whom that goes."""

    call: PassedCall
    hear: Hear
    deliver: Deliver
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    events: Events | None = None
    began: bool = False
    """Whether the first byte of an answer has come; from then on nothing is tried again."""

    first_text_at: float | None = None

    @property
    def tokens(self) -> Tokens | None:
        return None if self.events is None else self.events.tokens

    @property
    def latency_ms(self) -> int:
        return round((_now() - self.started) * 1000)

    async def read(self, response: Response, patience: Patience) -> Whole | Fault:
        """All of a response. Raises TooLargeError, BrokenOff or Interrupted."""
        if response.status != _SUCCESS:
            return await _refusal(response, self.call.request.door)
        if not self.call.request.is_stream:
            return decode(await self._whole(response, patience), self.call)
        self.events = events = events_of(self.call, self.hear)
        bytes_left = STREAM_BYTES_MAX
        time = asyncio.get_running_loop().time
        pieces = aiter(response.pieces())
        async for piece in pieces:
            self.began = True
            patience.heard_at = time()
            bytes_left -= len(piece)
            if bytes_left < 0:
                raise TooLargeError
            if kept := events.feed(piece):
                await self.deliver(kept)
            if self.first_text_at is None and events.has_something:
                self.first_text_at = time()
            if events.is_done:
                await _hear_out(pieces)
                break
        return events.end()

    async def _whole(self, response: Response, patience: Patience) -> bytes:
        body = b""
        async for piece in response.pieces():
            self.began = True
            patience.heard_at = _now()
            body = body + piece if body else piece
            if len(body) > ANSWER_BYTES_MAX:
                raise TooLargeError
        return body

    def passed(self, whole: Whole, failed_attempts: list[FailedAttempt]) -> Passed:
        first = self.first_text_at
        return Passed(
            completion=Completion(
                text=whole.text,
                words=whole.words,
                finish_reason=whole.finish_reason,
                tokens=whole.tokens,
                latency_ms=self.latency_ms,
                first_token_ms=None if first is None else round((first - self.started) * 1000),
                failed_attempts=tuple(failed_attempts),
            ),
            rest=whole.body,
        )


@dataclass(frozen=True, slots=True)
class PassingRoute:
    """Passes calls on to one route."""

    route: Route
    exchange: Exchange

    @classmethod
    def over_network(cls, route: Route) -> Self:
        """Reach the route's base URL."""
        return cls(route, NetworkExchange(route))

    @classmethod
    def in_process(cls, route: Route, app: ASGIApp) -> Self:
        """Reach an application of ours by the same wire, without a socket."""
        return cls(route, AppExchange.of(route, app))

    async def pass_on(self, call: PassedCall, *, hear: Hear, deliver: Deliver) -> Passed:
        """See PassesCalls. Tried again while nothing of an answer has begun and there is time."""
        deadline = _now() + call.deadline_seconds
        failed_attempts: list[FailedAttempt] = []
        tries = min(call.attempts_max, ATTEMPTS_PER_ROUTE_MAX)
        while True:
            this = _Try(call, hear, deliver)
            try:
                with span("provider attempt", {"tallystick.route": self.route.name}):
                    outcome = await self._try(this, deadline, retries=len(failed_attempts))
                    if isinstance(outcome, Fault):
                        note({"error.type": outcome.reason})
                if isinstance(outcome, Whole):
                    return this.passed(outcome, failed_attempts)
                failed_attempts.append(self._failed(outcome, this))
                pause = pause_before_retry(outcome, len(failed_attempts))
                if len(failed_attempts) >= tries or _now() + pause >= deadline:
                    break
                await asyncio.sleep(pause)
            except asyncio.CancelledError:
                raise CallCanceled(failed_attempts, tokens=this.tokens) from None
        raise ModelFailed(
            outcome.reason,
            failed_attempts,
            another_route_may_answer=outcome.remedy is not Remedy.NONE,
        )

    async def aclose(self) -> None:
        await self.exchange.aclose()

    async def _try(self, this: _Try, deadline: float, *, retries: int) -> Whole | Fault:
        try:
            async with asyncio.timeout_at(deadline) as limit:
                patience = Patience(limit, this.call.idle_seconds)
                try:
                    return await self._post(this, patience, retries)
                finally:
                    patience.end()
        except TimeoutError:
            fault = _STALLED if this.began else _TIMED_OUT
        except TooLargeError:
            fault = _TOO_LARGE
        except Interrupted as interrupted:
            fault = interrupted.fault
        except BrokenOff:
            fault = _CUT
        except aiohttp.ClientError as error:
            fault = _CUT if this.began else fault_of_connection(error)
        return replace(fault, tokens=this.tokens) if fault.tokens is None else fault

    async def _post(self, this: _Try, patience: Patience, retries: int) -> Whole | Fault:
        headers = {"x-stainless-retry-count": str(retries)} if retries else {}
        body = encode(this.call, self.route)
        async with self.exchange.post(this.call.request.door, body, headers) as response:
            return await this.read(response, patience)

    def _failed(self, fault: Fault, this: _Try) -> FailedAttempt:
        latency_ms = this.latency_ms
        _log.warning(
            "model_attempt_failed",
            route=self.route.name,
            reason=fault.reason,
            detail=fault.detail,
            latency_ms=latency_ms,
        )
        return FailedAttempt(
            reason=fault.reason, latency_ms=latency_ms, detail=fault.detail, tokens=fault.tokens
        )


async def _refusal(response: Response, door: Door) -> Fault:
    """What a status other than success means for a call of somebody else's making."""
    status = response.status
    try:
        told: object = orjson.loads(await _gathered(response.pieces(), _ERROR_BYTES_MAX))
    except (orjson.JSONDecodeError, TooLargeError, BrokenOff):
        told = None
    match told:
        case {"error": {"code": code}}:
            pass
        case _:
            code = ""
    fault = fault_of_refusal(status, str(code), response.headers)
    if status in _REQUEST_AT_FAULT or (status in _NOT_OFFERED and door is not Door.CHAT):
        return replace(fault, reason=ProviderFailure.REJECTED)
    return fault


async def _gathered(pieces: AsyncIterator[bytes], bytes_max: int) -> bytes:
    body = b""
    async for piece in pieces:
        body = body + piece if body else piece
        if len(body) > bytes_max:
            raise TooLargeError
    return body


async def _hear_out(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of a body whose answer is whole, so that its connection is used again."""
    try:
        async with asyncio.timeout(_LAST_BYTES_SECONDS):
            async for _ in pieces:
                pass
    except (TimeoutError, BrokenOff):
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
