"""GraphQL over server-sent events: one operation a request, in graphql-sse's distinct connections.

Each result is a `next` event, and `complete` follows the last. A stream whose right ends says so
in `errors` and completes; one that just breaks off was cut by the network.
"""

import asyncio
from contextlib import ExitStack, aclosing, suppress
from typing import Final, Generic

import orjson
import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.errors import Stopping, told
from app.graphql.door import Calling, Door
from app.graphql.operations import Body, Operation
from app.logging import kind_and_places
from domain.errors import AccessError, Problem, Unauthenticated

_COMPLETE: Final = b"event: complete\ndata:\n\n"
_COMMENT: Final = b":\n\n"
_FAREWELL_SECONDS_MAX: Final = 5.0
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Whoever lies between must neither keep it nor pack it: packing waits for more to pack.
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)

_log = structlog.get_logger("events")


class EventStream(Response, Generic[Calling]):
    """The answer to one operation, as it comes; raises RateLimited when too many are open."""

    def __init__(self, door: Door[Calling], request: Request, operation: Operation) -> None:
        self._door = door
        self._request = request
        self._operation = operation
        self._error: AccessError | Problem | None = None
        self._writer: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._is_sending = False
        self._is_over = False
        self._send: Send = _nowhere
        self._open = ExitStack()
        self._open.enter_context(door.streams.running(operation.caller.principal))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        self._send = send
        with self._open:
            self._open.enter_context(self._door.streams.watched(self))
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            self._writer = asyncio.create_task(self._write(), name="stream of events")
            reader = asyncio.create_task(_gone(receive), name="end of a stream of events")
            timer = self._timer()
            try:
                await asyncio.wait({self._writer, reader}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._error = Stopping()
            finally:
                if timer is not None:
                    timer.cancel()
                tasks = (self._writer, reader, *self._chores)
                for task in tasks:
                    # What changes something is not left half done, whoever has left.
                    if task is not self._writer or not self._operation.is_change:
                        task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if self._error is not None:
                await self._say_farewell(self._error)

    async def look(self) -> None:
        authorization = self._request.headers.getlist("authorization")
        caller = await self._door.context(self._request, authorization)
        if (error := self._operation.refusal(caller.viewer)) is not None:
            raise error

    def end(self, error: AccessError | Problem) -> None:
        if not self._operation.is_change and self._writer is not None:
            self._error = error
            self._writer.cancel()

    def beat(self) -> None:
        if not self._is_sending:
            task = asyncio.create_task(self._show_life())
            self._chores.add(task)
            task.add_done_callback(self._chores.discard)

    def _timer(self) -> asyncio.TimerHandle | None:
        seconds = self._door.seconds_left(self._operation.caller.viewer)
        if seconds is None:
            return None
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, lambda: self.end(Unauthenticated()))

    async def _write(self) -> None:
        try:
            async with aclosing(self._operation.results()) as results:
                async for body in results:
                    await self._put(_next(body))
            await self._put(_COMPLETE, is_last=True)
        except OSError:
            pass  # the other side left while we wrote
        except Exception as fault:  # noqa: BLE001 - the edge: nobody else would hear of it
            _log.error("stream failed", **kind_and_places(fault))

    async def _show_life(self) -> None:
        with suppress(OSError):  # the other side has left
            await self._put(_COMMENT)

    async def _put(self, event: bytes, *, is_last: bool = False) -> None:
        if self._is_over:
            return
        self._is_over = is_last
        self._is_sending = True
        await self._send({"type": "http.response.body", "body": event, "more_body": not is_last})
        self._is_sending = False

    async def _say_farewell(self, error: AccessError | Problem) -> None:
        formatted = GraphQLError(str(error), extensions=told(error)).formatted
        last = _next({"errors": [formatted]}) + _COMPLETE
        # Whoever does not read is not waited for.
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS_MAX):
                await self._put(last, is_last=True)
        except (TimeoutError, OSError):
            pass


def _next(body: Body) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(body) + b"\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nowhere(_: Message) -> None:
    """Before the response has begun nothing can be sent."""
