"""Any provider that speaks chat completions, through the official openai SDK.

The SDK builds, signs and sends requests and reads statuses; its model classes are left out. On
`client.post` with our bytes in and a streamed response out, one call takes half the time of
`chat.completions.create` (benchmarks/providers.py), and a body can be bounded while it is read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import aiohttp
import httpx2
import structlog
from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    DefaultAioHttpClient,
)
from starlette.types import ASGIApp

from adapters.models.chat_completions import Reply, encode
from adapters.models.faults import (
    Fault,
    Remedy,
    TooLargeError,
    fault_of_connection,
    fault_of_status,
)
from adapters.models.in_process import InProcess
from adapters.models.passing import PassingRoute
from adapters.models.reading import Patience, Reading
from adapters.models.routes import Route
from adapters.models.trying import ATTEMPTS_PER_ROUTE_MAX, pause_before_retry
from domain.errors import ProviderFailure
from domain.outside import CallCanceled, Completion, FailedAttempt, ModelCall, ModelFailed
from domain.tracing import note, span

_ERROR_BYTES_MAX: Final = 64 * 1024
_CONNECT_TIMEOUT_SECONDS: Final = 5.0
_ERROR_STATUS_FROM: Final = 300
_NO_KEY: Final = "none"
"""Sent to servers that ask for no key: the SDK will not start without one."""

_LEFT_UNREAD: Final[bool] = True
"""What the SDK calls streaming; a plain bool, for its overloads know no unread response."""

# Reading waits as long as its call allows, which covers every try together.
_TIMEOUT: Final = httpx2.Timeout(None, connect=_CONNECT_TIMEOUT_SECONDS)
_TIMED_OUT: Final = Fault(
    reason=ProviderFailure.TIMEOUT, detail="no answer in time", remedy=Remedy.ANOTHER_ROUTE
)
_STALLED: Final = Fault(reason=ProviderFailure.TIMEOUT, detail="answer not finished in time")
_CUT: Final = Fault(reason=ProviderFailure.ERROR, detail="answer broken off")
_TOO_LARGE: Final = Fault(reason=ProviderFailure.ERROR, detail="answer too large")

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class _BoundedStream(httpx2.AsyncByteStream):
    """A response body that breaks off beyond a limit, and is closed however reading ends."""

    def __init__(self, stream: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_left = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                self._bytes_left -= len(piece)
                if self._bytes_left < 0:
                    raise TooLargeError
                yield piece
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Bound the body of an error, which the SDK reads by itself and without a limit."""
    is_error = response.status_code >= _ERROR_STATUS_FROM
    if is_error and isinstance(response.stream, httpx2.AsyncByteStream):  # always, of this client
        response.stream = _BoundedStream(response.stream, _ERROR_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class OpenAICompatible:
    """Answers questions through one route. Redirects are not followed."""

    route: Route
    client: AsyncOpenAI
    passing: PassingRoute
    """The way of calls that are passed on as they came."""

    @classmethod
    def over_network(cls, route: Route) -> Self:
        """Reach the route's base URL."""
        http_client = DefaultAioHttpClient(
            follow_redirects=False,
            timeout=_TIMEOUT,
            event_hooks={"response": [_bound]},
            # The environment may name a proxy, which is no way to a server on this machine.
            trust_env=not route.is_on_this_machine,
        )
        return cls(route, _sdk_client(route, http_client), PassingRoute.over_network(route))

    @classmethod
    def in_process(cls, route: Route, app: ASGIApp) -> Self:
        """Reach an application of ours by the same wire, without a socket."""
        http_client = httpx2.AsyncClient(
            transport=InProcess(app),
            timeout=_TIMEOUT,
            event_hooks={"response": [_bound]},
        )
        return cls(route, _sdk_client(route, http_client), PassingRoute.in_process(route, app))

    def serves(self, upstream_name: str) -> bool:
        return self.route.serves(upstream_name)

    async def complete(self, call: ModelCall, hear: Callable[[str], None]) -> Completion:
        """Answer, trying again while nothing of an answer has begun and there is time.

        A provider that says when to come back is not asked earlier; if that is past the
        deadline, it is not asked again.
        """
        deadline = _now() + call.deadline_seconds
        failed_attempts: list[FailedAttempt] = []
        tries = min(call.attempts_max, ATTEMPTS_PER_ROUTE_MAX)
        while True:
            started = _now()
            reading = Reading(hear)
            try:
                with span("provider attempt", {"tallystick.route": self.route.name}):
                    outcome = await self._try(call, reading, deadline, retries=len(failed_attempts))
                    if isinstance(outcome, Fault):
                        note({"error.type": outcome.reason})
            except asyncio.CancelledError:
                raise CallCanceled(failed_attempts, tokens=reading.tokens) from None
            latency_ms = round((_now() - started) * 1000)
            if isinstance(outcome, Reply):
                first_token_ms = _milliseconds(started, reading.first_text_at)
                return _completion(outcome, latency_ms, first_token_ms, failed_attempts)
            failed_attempts.append(self._failed(outcome, latency_ms))
            pause_seconds = pause_before_retry(outcome, len(failed_attempts))
            if len(failed_attempts) >= tries or _now() + pause_seconds >= deadline:
                break
            await _pause(pause_seconds, failed_attempts)
        raise ModelFailed(
            outcome.reason,
            failed_attempts,
            another_route_may_answer=outcome.remedy is not Remedy.NONE,
        )

    async def aclose(self) -> None:
        await self.client.close()
        await self.passing.aclose()

    async def _try(
        self, call: ModelCall, reading: Reading, deadline: float, *, retries: int
    ) -> Reply | Fault:
        """One try; once its first byte has come, no failure of it can be mended by another."""
        try:
            async with asyncio.timeout_at(deadline) as limit:
                patience = Patience(limit, call.idle_seconds)
                try:
                    return await self._post(call, reading, patience, retries=retries)
                finally:
                    patience.end()
        except TimeoutError:
            fault = _STALLED if reading.began else _TIMED_OUT
        except TooLargeError:
            fault = _TOO_LARGE
        except APIStatusError as error:
            return fault_of_status(error)
        except (APIConnectionError, aiohttp.ClientError) as error:
            fault = _CUT if reading.began else fault_of_connection(error)
        except httpx2.HTTPError:
            fault = _CUT
        return replace(fault, tokens=reading.tokens)

    async def _post(
        self, call: ModelCall, reading: Reading, patience: Patience, *, retries: int
    ) -> Reply | Fault:
        response = await self.client.post(
            self.route.chat_completions_url,
            content=encode(
                call,
                model=self.route.name_here(call.upstream_name),
                answer_limit_field=self.route.answer_limit_field,
            ),
            options={"headers": {"x-stainless-retry-count": str(retries)}} if retries else {},
            cast_to=httpx2.Response,
            stream=_LEFT_UNREAD,
            stream_cls=AsyncStream[bytes],
        )
        if not isinstance(response, httpx2.Response):
            raise TypeError("The SDK no longer hands out the response that `cast_to` asks for.")
        try:
            return await reading.read(response, patience)
        finally:
            await response.aclose()

    def _failed(self, fault: Fault, latency_ms: int) -> FailedAttempt:
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


def _sdk_client(route: Route, http_client: httpx2.AsyncClient) -> AsyncOpenAI:
    client = AsyncOpenAI(
        api_key=route.api_key or _NO_KEY,
        base_url=route.base_url,
        max_retries=0,
        timeout=_TIMEOUT,
        http_client=http_client,
    )
    # The SDK takes these from OpenAI's own variables and would send them to any provider.
    client.organization = client.project = client.admin_api_key = None
    return client


def _completion(
    reply: Reply,
    latency_ms: int,
    first_token_ms: int | None,
    failed_attempts: Sequence[FailedAttempt],
) -> Completion:
    return Completion(
        text=reply.text,
        finish_reason=reply.finish_reason,
        tokens=reply.tokens,
        latency_ms=latency_ms,
        first_token_ms=first_token_ms,
        failed_attempts=tuple(failed_attempts),
    )


async def _pause(seconds: float, failed_attempts: Sequence[FailedAttempt]) -> None:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        raise CallCanceled(failed_attempts) from None


def _milliseconds(since: float, until: float | None) -> int | None:
    return None if until is None else round((until - since) * 1000)


def _now() -> float:
    return asyncio.get_running_loop().time()
