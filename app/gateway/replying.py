"""What goes back to the caller of a call that is passed on: head, events, and how it ended."""

import asyncio
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.types import Receive, Send

from app.gateway.errors import Failure
from domain.money import format_credits
from domain.passed_calls import Door
from domain.passing import PassedAnswer
from domain.units import AnswerId
from schema.ids import answer_name

_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")
# Proxies that would gather a stream are asked not to.
_UNBUFFERED: Final = (b"x-accel-buffering", b"no")

STALLED_SECONDS: Final = 30.0
"""How long a caller may take no byte of a stream that waits for it."""

_Header = tuple[bytes, bytes]


@dataclass(slots=True)
class _Watch:
    """Who looks after a caller that may leave."""

    loop: asyncio.AbstractEventLoop
    task: "asyncio.Task[object] | None"
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class Line:
    """The line to one caller; see `domain.passing.Caller`."""

    door: Door
    receive: Receive
    send: Send
    answer_id: AnswerId | None = None
    has_begun: bool = False
    """Whether the head of the response is out, and with it the status."""

    has_left: bool = False
    stalled_seconds: float = STALLED_SECONDS
    _watch: "_Watch | None" = None
    _waits_since: float | None = None
    """Since when the piece on its way has not been taken."""

    def accepted(self, answer_id: AnswerId) -> None:
        self.answer_id = answer_id

    async def deliver(self, piece: bytes) -> None:
        if self.has_left:
            return
        if not self.has_begun:
            await self._begin(200, [_EVENTS, _UNBUFFERED, *self._named()])
        message = {"type": "http.response.body", "body": piece, "more_body": True}
        if self._watch is not None:
            # One look every now and then costs less than a timeout for every piece.
            self._waits_since = self._watch.loop.time()
            await self.send(message)
            self._waits_since = None
            return
        try:
            async with asyncio.timeout(self.stalled_seconds):
                await self.send(message)
        except TimeoutError:
            self.has_left = True

    async def gone(self) -> None:
        """Return for who hangs up, be canceled for who stops reading: it has had what came."""
        watch = self._watch = _Watch(asyncio.get_running_loop(), asyncio.current_task())
        timer = watch.loop.call_later(self.stalled_seconds / 4, self._look)
        try:
            while (await self.receive())["type"] != "http.disconnect":
                pass
        finally:
            self._watch = None
            timer.cancel()
            if watch.timer is not None:
                watch.timer.cancel()
        self.has_left = True

    def _look(self) -> None:
        watch, since = self._watch, self._waits_since
        if watch is None:
            return
        if since is not None and watch.loop.time() - since > self.stalled_seconds:
            self.has_left = True
            if watch.task is not None:
                watch.task.cancel()
            return
        watch.timer = watch.loop.call_later(self.stalled_seconds / 4, self._look)

    async def finish(self, answered: PassedAnswer, *, is_stream: bool) -> None:
        """The answer, or the end of a stream, with what it cost and what is left."""
        if is_stream:
            await self.deliver(_cost_event(answered) + answered.rest)
            await self.send({"type": "http.response.body", "body": b""})
            return
        told = [
            (b"x-tallystick-charged", format_credits(answered.answer.charged).encode()),
            (b"x-tallystick-balance", format_credits(answered.balance.available).encode()),
        ]
        if answered.replayed:
            told.append((b"x-tallystick-replayed", b"true"))
        await self._whole(200, answered.rest, [_JSON, *self._named(), *told])

    async def fail(self, failure: Failure) -> None:
        """Say what went wrong: as the response, or as the last event of one that has begun."""
        if not self.has_begun:
            headers = failure.all_headers() + (self._named() if self.answer_id else [])
            await self._whole(int(failure.status), failure.body(), headers)
            return
        error = failure.error()
        if self.door is Door.RESPONSES:
            told = {"type": "error", **error, "error": error}
            event = b"event: error\ndata: " + orjson.dumps(told)
        else:
            event = b"data: " + orjson.dumps({"error": error})
        await self.send({"type": "http.response.body", "body": event + b"\n\n"})

    def _named(self) -> list[_Header]:
        if self.answer_id is None:
            return []
        return [(b"x-tallystick-answer-id", answer_name(self.answer_id).encode())]

    async def _begin(self, status: int, headers: list[_Header]) -> None:
        self.has_begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def _whole(self, status: int, body: bytes, headers: list[_Header]) -> None:
        length = (b"content-length", str(len(body)).encode())
        await self._begin(status, [length, *headers])
        await self.send({"type": "http.response.body", "body": body})


def _cost_event(answered: PassedAnswer) -> bytes:
    """A comment, which clients skip and people can read: headers are long gone by then."""
    told = {
        "charged": format_credits(answered.answer.charged),
        "balance": format_credits(answered.balance.available),
        "replayed": answered.replayed,
    }
    return b": tallystick " + orjson.dumps(told) + b"\n\n"
