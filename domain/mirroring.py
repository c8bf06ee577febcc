"""Transcripts of answers that other processes run, kept from the pieces those leave in the books.

However many follow an answer here, it is looked for once; and all answers together are looked for
by one query, when a notice says that there is something, and every second without one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from domain.asking import StoredAnswers
from domain.errors import NotFound, Problem
from domain.following import RunsHere
from domain.streaming import Transcript
from domain.units import AnswerId
from domain.waiting import happening

LOOK_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.02
"""Notices that come closer together than this are answered by one look."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What there is of an answer after some offset."""

    answer_id: AnswerId
    pieces: Sequence[tuple[int, str]]
    """Each with the offset at which it begins, in order."""
    is_over: bool


class LooksForPieces(Protocol):
    """The pieces that runners leave."""

    async def look(self, sought: Sequence[tuple[AnswerId, int]]) -> Sequence[News]:
        """What there is of each answer after an offset; also says that they are followed."""
        ...


@dataclass(slots=True)
class _Mirror:
    """One answer that is followed here."""

    transcript: Transcript = field(default_factory=Transcript)
    followers: int = 0


@dataclass(slots=True, kw_only=True)
class Mirrors:
    """The answers of other processes that are followed in this one."""

    pieces: LooksForPieces
    stored: StoredAnswers
    here: RunsHere
    look_seconds: float = LOOK_SECONDS
    _stopped: Callable[[], Problem] | None = None
    _mirrors: dict[AnswerId, _Mirror] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: "asyncio.Task[None] | None" = None

    @contextmanager
    def mirrored(self, answer_id: AnswerId) -> Iterator[Transcript]:
        """See `domain.following.RunsElsewhere`."""
        if self._stopped is not None:
            raise self._stopped()
        mirror = self._mirrors.get(answer_id)
        if mirror is None or mirror.transcript.is_closed:
            mirror = self._mirrors[answer_id] = _Mirror()
            self._news.set()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever(), name="mirrors of answers")
        mirror.followers += 1
        try:
            yield mirror.transcript
        finally:
            mirror.followers -= 1
            if not mirror.followers and self._mirrors.get(answer_id) is mirror:
                del self._mirrors[answer_id]
            if not self._mirrors and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def stop(self, told: Callable[[], Problem]) -> None:
        """See `domain.following.RunsElsewhere`."""
        self._stopped = told
        for mirror in self._mirrors.values():
            # Whoever follows looks again, and is told that nothing is mirrored here any more.
            mirror.transcript.close(None)

    def hear(self, answer_ids: Sequence[AnswerId]) -> None:
        """There is something new of these answers; of any, when there are none."""
        if not answer_ids or not self._mirrors.keys().isdisjoint(answer_ids):
            self._news.set()

    async def _look_for_ever(self) -> None:
        while True:
            self._news.clear()
            try:
                await self._look()
            except Problem as problem:
                _log.warning("mirrors_not_updated", extra={"cause": type(problem).__name__})
            except Exception:  # noqa: BLE001 - the edge: followers wait for whoever looks for them
                _log.exception("mirrors_not_updated")
            await asyncio.sleep(_PAUSE_SECONDS)
            await happening(self._news, within_seconds=self.look_seconds)

    async def _look(self) -> None:
        """Bring every mirror up to date, with one query for all."""
        sought = [
            (answer_id, mirror.transcript.length)
            for answer_id, mirror in self._mirrors.items()
            if not mirror.transcript.is_closed
        ]
        for answer_id, _ in sought:
            # A queued answer may have been claimed by this very process.
            if self.here.transcript(answer_id) is not None:
                self._mirrors[answer_id].transcript.close(None)
        for news in await self.pieces.look(sought) if sought else ():
            mirror = self._mirrors.get(news.answer_id)
            if mirror is None:
                continue
            for begin, text in news.pieces:
                if begin == mirror.transcript.length:
                    mirror.transcript.append(text)
            if news.is_over:
                await self._end(news.answer_id, mirror.transcript)

    async def _end(self, answer_id: AnswerId, transcript: Transcript) -> None:
        try:
            answer, _ = await self.stored.find(answer_id)
        except NotFound:
            transcript.close(None)
            return
        whole = Transcript()
        whole.append(answer.text or "")
        while transcript.length < whole.length:
            _, rest = whole.read(transcript.length)
            transcript.append(rest)
        transcript.close(answer if answer.status.is_final else None)
