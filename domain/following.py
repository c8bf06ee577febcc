"""Following answers: what has arrived of one, from where the follower left off, and how it ended.

Following starts no work and changes nothing, so whoever lost the connection follows again.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from domain.answers import Answer, AnswerStatus
from domain.errors import InvalidInput, NotFound, Problem
from domain.identity import Viewer
from domain.reporting import Reader
from domain.streaming import Transcript, storable, utf16_length
from domain.units import AnswerId


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer's text, and where it begins, counted in UTF-16 units.

    `answer` is the finished answer, and none but the last piece has it.
    """

    offset: int
    text: str
    status: AnswerStatus
    answer: Answer | None = None


class ReadsAnswers(Protocol):
    """Answers as a reader may see them."""

    async def answers(self, reader: Reader, ids: Sequence[AnswerId]) -> dict[AnswerId, Answer]: ...


class RunsHere(Protocol):
    """The runs of this process."""

    def transcript(self, answer_id: AnswerId) -> Transcript | None: ...


class RunsElsewhere(Protocol):
    """What other processes run."""

    def mirrored(self, answer_id: AnswerId) -> AbstractContextManager[Transcript]:
        """The transcript of an answer that is run elsewhere, kept up to date meanwhile.

        It closes without an end when the answer had better be looked up again.
        """
        ...

    def stop(self, told: Callable[[], Problem]) -> None:
        """Mirror nothing any more: followers are told this, and can follow from elsewhere."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Follows answers, whoever runs them."""

    books: ReadsAnswers
    here: RunsHere
    elsewhere: RunsElsewhere

    async def follow(
        self, viewer: Viewer, answer_id: AnswerId, after: int
    ) -> AsyncGenerator[Piece, None]:
        """Everything after an offset, as it arrives; the last piece has the finished answer.

        An offset that nothing has reached yet is waited for. Raises InvalidInput, and NotFound for
        an answer that is not the viewer's.
        """
        if after < 0:
            raise InvalidInput.at("after", "Must be 0 or more.")
        reading = _Reading(after)
        answer = await self._find(viewer, answer_id)
        while not answer.status.is_final:
            transcript = self.here.transcript(answer_id)
            with (
                nullcontext(transcript)
                if transcript
                else self.elsewhere.mirrored(answer_id) as followed
            ):
                while (piece := await reading.next(followed)) is not None:
                    yield piece
                    if piece.answer is not None:
                        return
            answer = followed.end or await self._find(viewer, answer_id)
        whole = _whole(answer)
        while (piece := await reading.next(whole)) is not None:
            yield piece
            if piece.answer is not None:
                return

    async def _find(self, viewer: Viewer, answer_id: AnswerId) -> Answer:
        if answer_id.purse.account_id != viewer.account_id:
            raise NotFound("answer")
        found = await self.books.answers(Reader(viewer.session_id), [answer_id])
        if answer_id not in found:
            raise NotFound("answer")
        return found[answer_id]


@dataclass(slots=True)
class _Reading:
    """How far one follower has read."""

    offset: int

    async def next(self, transcript: Transcript) -> Piece | None:
        """The next piece; None when the transcript has nothing more and does not know the end."""
        await transcript.more(self.offset)
        begin, text = transcript.read(self.offset)
        end = transcript.end
        through = begin + utf16_length(text)
        if end is not None and through >= transcript.length and _is_told(end, transcript):
            # Whoever claims to have more than there is learns how much there is.
            at = begin if end.text is None else min(begin, transcript.length)
            return Piece(at, text, end.status, end)
        if not text:
            return None
        self.offset = through
        return Piece(begin, text, AnswerStatus.RUNNING)


def _is_told(end: Answer, transcript: Transcript) -> bool:
    """Whether the transcript has the whole text; one that came whole was perhaps never heard."""
    return end.text is None or utf16_length(storable(end.text)) <= transcript.length


def _whole(answer: Answer) -> Transcript:
    transcript = Transcript()
    transcript.append(answer.text or "")
    transcript.close(answer)
    return transcript
