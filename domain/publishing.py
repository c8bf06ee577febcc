"""Publishing answers of this process to those who follow them in another one.

Nothing is written as long as nobody there follows. Pieces of all answers together are written by
one statement a tick, each piece once: a text that grows is never rewritten. They are removed when
the answer has ended and its whole text is stored.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from domain.errors import Problem
from domain.following import RunsHere
from domain.streaming import Transcript, utf16_length
from domain.units import AnswerId
from domain.waiting import happening

TICK_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WrittenPiece:
    """A part of an answer's text, and the offset at which it begins."""

    answer_id: AnswerId
    begin: int
    text: str


class KeepsPieces(Protocol):
    """The pieces that runners leave for others."""

    async def followed(self) -> Sequence[AnswerId]:
        """The answers that somebody follows in another process than their runner's."""
        ...

    async def add(self, pieces: Sequence[WrittenPiece]) -> None: ...

    async def remove(self, answer_ids: Sequence[AnswerId]) -> None: ...

    async def forget(self) -> int:
        """Remove what runners that died have left."""
        ...


@dataclass(slots=True)
class _Published:
    """An answer of ours that is followed elsewhere."""

    transcript: Transcript
    written: int = 0


@dataclass(slots=True, kw_only=True)
class Publishing:
    """The answers of this process that are followed in another one."""

    here: RunsHere
    pieces: KeepsPieces
    _published: dict[AnswerId, _Published] = field(default_factory=dict)
    _call: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, answer_ids: Sequence[AnswerId]) -> None:
        """Somebody elsewhere follows these answers; nobody knows which, when there are none."""
        for answer_id in answer_ids:
            transcript = self.here.transcript(answer_id)
            if transcript is not None and answer_id not in self._published:
                self._published[answer_id] = _Published(transcript)
                self._call.set()

    async def go_on(self) -> None:
        """Publish for ever; a database that is away is tried again."""
        loop = asyncio.get_running_loop()
        look_at = forget_at = loop.time()
        while True:
            try:
                if loop.time() >= forget_at:
                    forget_at = loop.time() + FORGET_SECONDS
                    await self.pieces.forget()
                if loop.time() >= look_at:
                    look_at = loop.time() + LOOK_SECONDS
                    self.hear(await self.pieces.followed())
                await self._publish()
            except Problem as problem:
                _log.warning("pieces_not_published", extra={"cause": type(problem).__name__})
            except Exception:  # noqa: BLE001 - the edge: others wait for what is written here
                _log.exception("pieces_not_published")
            await self._pause()

    async def _pause(self) -> None:
        """A tick while there is something to publish, else until somebody calls."""
        if self._published:
            await asyncio.sleep(TICK_SECONDS)
            return
        self._call.clear()
        await happening(self._call, within_seconds=LOOK_SECONDS)

    async def _publish(self) -> None:
        ended = [id for id, each in self._published.items() if each.transcript.is_closed]
        if ended:
            # Whoever follows finds the whole text, or how it failed, where it is kept.
            await self.pieces.remove(ended)
            for answer_id in ended:
                del self._published[answer_id]
        pieces = [
            WrittenPiece(answer_id, begin, text)
            for answer_id, each in self._published.items()
            for begin, text in _unwritten(each)
        ]
        if pieces:
            await self.pieces.add(pieces)
            for piece in pieces:
                if (each := self._published.get(piece.answer_id)) is not None:
                    each.written = piece.begin + utf16_length(piece.text)


def _unwritten(published: _Published) -> Iterator[tuple[int, str]]:
    offset = published.written
    while True:
        begin, text = published.transcript.read(offset)
        if not text:
            return
        yield begin, text
        offset = begin + utf16_length(text)
