"""A follower gets the whole text from where it left off, and the end, wherever the answer runs."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from domain.answers import Answer, AnswerStatus
from domain.errors import InvalidInput, NotFound, Problem, ProviderFailure
from domain.following import Following, Piece
from domain.identity import Role, Viewer
from domain.reporting import Reader
from domain.streaming import Transcript
from domain.units import AccountId, AnswerId, KeyNumber, Microcredits, ModelId, Moment, PurseId

ADA = Viewer(account_id=AccountId(1), session_id=UUID(int=1), role=Role.USER)
ID = AnswerId(PurseId(AccountId(1)), Moment(7))
RUNNING = Answer(
    id=ID,
    status=AnswerStatus.RUNNING,
    model_id=ModelId("m"),
    api_key_number=KeyNumber(0),
    text=None,
    finish_reason=None,
    failure=None,
    charged=Microcredits(0),
    held=Microcredits(5),
    usage_ids=(),
    finished_at=None,
)
FAILED = replace(RUNNING, status=AnswerStatus.FAILED, failure=ProviderFailure.ERROR)


def succeeded(text: str | None) -> Answer:
    return replace(RUNNING, status=AnswerStatus.SUCCEEDED, text=text)


@dataclass(slots=True)
class World:
    """One answer in the books, run here, elsewhere or nowhere."""

    answer: Answer = RUNNING
    here: Transcript | None = None
    elsewhere: list[Transcript] = field(default_factory=list)

    async def answers(self, reader: Reader, ids: Sequence[AnswerId]) -> dict[AnswerId, Answer]:
        return {self.answer.id: self.answer} if self.answer.id in ids else {}

    def transcript(self, answer_id: AnswerId) -> Transcript | None:
        return self.here

    @contextmanager
    def mirrored(self, answer_id: AnswerId) -> Iterator[Transcript]:
        yield self.elsewhere.pop(0)

    def stop(self, told: Callable[[], Problem]) -> None:
        raise told()

    async def follow(self, after: int = 0, answer_id: AnswerId = ID) -> list[Piece]:
        following = Following(books=self, here=self, elsewhere=self)
        return [piece async for piece in following.follow(ADA, answer_id, after)]


def shown(pieces: Sequence[Piece], before: str = "") -> str:
    """What a client shows that keeps to the rule."""
    units = before.encode("utf-16-le")
    for piece in pieces:
        units = units[: 2 * piece.offset] + piece.text.encode("utf-16-le")
    return units.decode("utf-16-le")


@pytest.mark.parametrize("after", [0, 3, 5, 7, 99])
async def test_a_finished_answer_is_told_at_once(after: int) -> None:
    answer = succeeded("Hi 😀!!")
    before = "Hi 😀!!".encode("utf-16-le")[: 2 * after].decode("utf-16-le", "ignore")

    pieces = await World(answer).follow(after)

    assert [piece.answer for piece in pieces] == [answer]
    assert shown(pieces, before) == "Hi 😀!!"


async def test_a_long_finished_answer_is_told_in_portions() -> None:
    text = "word " * 10_000

    pieces = await World(succeeded(text)).follow()

    assert len(pieces) > 1
    assert shown(pieces) == text
    assert [piece.answer is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]


@pytest.mark.parametrize("answer", [FAILED, succeeded(None)])
async def test_an_answer_without_a_text_leaves_what_is_shown(answer: Answer) -> None:
    [piece] = await World(answer).follow(4)

    assert (piece.offset, piece.text, piece.answer) == (4, "", answer)


async def test_a_text_is_followed_as_it_arrives_here() -> None:
    transcript = Transcript()
    world = World(here=transcript)
    transcript.append("one ")
    following = asyncio.create_task(world.follow())
    await asyncio.sleep(0.01)
    transcript.append("two ")
    transcript.append("three")
    await asyncio.sleep(0.01)
    transcript.close(succeeded("one two three"))

    pieces = await asyncio.wait_for(following, 1)

    assert [(piece.offset, piece.text) for piece in pieces] == [
        (0, "one "),
        (4, "two three"),
        (13, ""),
    ]
    assert [piece.status for piece in pieces] == ["RUNNING", "RUNNING", "SUCCEEDED"]


async def test_an_offset_that_nothing_has_reached_is_waited_for() -> None:
    transcript = Transcript()
    world = World(here=transcript)
    transcript.append("one two")
    following = asyncio.create_task(world.follow(10))
    await asyncio.sleep(0.01)
    is_waiting = not following.done()
    transcript.append(" three")
    transcript.close(succeeded("one two three"))

    pieces = await asyncio.wait_for(following, 1)

    assert is_waiting
    assert shown(pieces, "one two th") == "one two three"


async def test_what_was_never_heard_is_told_in_the_end() -> None:
    transcript = Transcript()
    world = World(here=transcript)
    transcript.append("one ")
    transcript.close(succeeded("one two\0"))

    assert shown(await asyncio.wait_for(world.follow(), 1)) == "one two\ufffd"


async def test_a_failure_after_some_text_ends_the_stream_and_keeps_the_text() -> None:
    transcript = Transcript()
    world = World(here=transcript)
    transcript.append("one ")
    transcript.close(FAILED)

    pieces = await asyncio.wait_for(world.follow(), 1)

    assert (shown(pieces), pieces[-1].answer) == ("one ", FAILED)


async def test_a_run_that_ends_without_its_end_booked_is_followed_on() -> None:
    lost, mirror = Transcript(), Transcript()
    world = World(here=lost, elsewhere=[mirror])
    lost.append("one ")
    following = asyncio.create_task(world.follow())
    await asyncio.sleep(0.01)
    world.here = None
    lost.close(None)
    await asyncio.sleep(0.01)
    mirror.close(FAILED)

    pieces = await asyncio.wait_for(following, 1)

    assert [piece.answer for piece in pieces] == [None, FAILED]


async def test_a_queued_answer_is_followed_from_the_queue_to_its_runner() -> None:
    queue, here = Transcript(), Transcript()
    world = World(replace(RUNNING, status=AnswerStatus.QUEUED), elsewhere=[queue])
    following = asyncio.create_task(world.follow())
    await asyncio.sleep(0.01)
    world.here = here
    queue.close(None)
    here.append("text")
    here.close(succeeded("text"))

    assert shown(await asyncio.wait_for(following, 1)) == "text"


async def test_what_is_not_ones_own_is_not_found() -> None:
    others = AnswerId(PurseId(AccountId(2)), Moment(7))

    with pytest.raises(NotFound):
        await World().follow(answer_id=others)
    with pytest.raises(NotFound):
        await World().follow(answer_id=AnswerId(PurseId(AccountId(1)), Moment(8)))
    with pytest.raises(InvalidInput):
        await World().follow(after=-1)
