"""One response on its way in: heard piece by piece, bounded in size and in silence."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final

import httpx2

from adapters.models.chat_completions import Draft, Reply, decode
from adapters.models.events import Events
from adapters.models.faults import Fault, TooLargeError
from domain.pricing import Tokens

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""Some two million tokens of text: beyond it nobody is answering, somebody is flooding us."""

STREAM_BYTES_MAX: Final = 256 * 1024 * 1024
"""The same with some hundred bytes around every token."""

_LAST_BYTES_SECONDS: Final = 0.25
_WHOLE: Final = (b"{", b"[")


class Patience:
    """Ends a try when nothing has come for a while: one timer, however many pieces come."""

    __slots__ = ("_idle_seconds", "_limit", "_loop", "_timer", "heard_at")

    def __init__(self, limit: asyncio.Timeout, idle_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._idle_seconds = idle_seconds
        self.heard_at = self._loop.time()
        self._timer = self._loop.call_at(self.heard_at + idle_seconds, self._look)

    def _look(self) -> None:
        due_at = self.heard_at + self._idle_seconds
        if self._loop.time() >= due_at:
            self._limit.reschedule(due_at)
        else:
            self._timer = self._loop.call_at(due_at, self._look)

    def end(self) -> None:
        self._timer.cancel()


class Reading:
    """What one try brings: its text is told as it comes, the rest when all has come."""

    __slots__ = (
        "_body", "_bytes_read", "_draft", "_events", "_hear", "_take",
        "_text_length", "began", "first_text_at",
    )  # fmt: skip

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear
        self._take: Callable[[bytes], bool] = self._take_head
        """Takes a piece in, as what the body has turned out to be; true at an answer's end."""
        self._body = bytearray()
        self._bytes_read = self._text_length = 0
        self._events: Events | None = None
        self._draft = Draft()
        self.began = False
        """Whether the first byte has come; from then on nothing is tried again."""
        self.first_text_at: float | None = None

    @property
    def tokens(self) -> Tokens | None:
        """The usage that was reported so far."""
        return self._draft.tokens

    async def read(self, response: httpx2.Response, patience: Patience) -> Reply | Fault:
        """All of a response: events, or one JSON text from a provider that does not stream.

        Raises TooLargeError.
        """
        time = asyncio.get_running_loop().time
        pieces = aiter(_unpacked(response))
        async for piece in pieces:
            self.began = True
            patience.heard_at = time()
            self._bytes_read += len(piece)
            if self._take(piece):
                if self._draft.fault is None:
                    await _hear_out(pieces)
                break
        return self._reply()

    def _take_head(self, piece: bytes) -> bool:
        """See what the body is by its first byte; blank lines may come before it."""
        self._take_body(piece)
        if first := piece.lstrip()[:1]:
            if first in _WHOLE:
                self._take = self._take_body
                return False
            self._events, self._take = Events(), self._take_events
            return self._add(self._events.feed(bytes(self._body)))
        return False

    def _take_body(self, piece: bytes) -> bool:
        # Counted unpacked: a small compressed body may be a huge one.
        if self._bytes_read > ANSWER_BYTES_MAX:
            raise TooLargeError
        self._body += piece
        return False

    def _take_events(self, piece: bytes) -> bool:
        if self._bytes_read > STREAM_BYTES_MAX:
            raise TooLargeError
        return self._events is not None and self._add(self._events.feed(piece))

    def _add(self, chunks: list[bytes]) -> bool:
        """Whether that was the last of the answer."""
        draft = self._draft
        for chunk in chunks:
            if text := draft.add(chunk):
                if self.first_text_at is None:
                    self.first_text_at = asyncio.get_running_loop().time()
                self._text_length += len(text)
                if self._text_length > ANSWER_BYTES_MAX:
                    raise TooLargeError
                self._hear(text)
            elif draft.is_done or draft.fault is not None:
                return True
        return False

    def _reply(self) -> Reply | Fault:
        if self._events is not None:
            self._add(self._events.close())
            return self._draft.reply()
        reply = decode(bytes(self._body))
        if isinstance(reply, Reply):
            self._hear(reply.text)
        return reply


def _unpacked(response: httpx2.Response) -> AsyncIterable[bytes]:
    """The body's pieces, past the layers that would only hand on what is not compressed."""
    is_packed = "content-encoding" in response.headers
    if is_packed or not isinstance(response.stream, httpx2.AsyncByteStream):
        return response.aiter_bytes()
    return response.stream


async def _hear_out(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of a body whose answer is whole, so that its connection is used again."""
    try:
        async with asyncio.timeout(_LAST_BYTES_SECONDS):
            async for _ in pieces:
                pass
    except (TimeoutError, httpx2.HTTPError):
        pass
