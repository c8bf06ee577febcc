"""An answer is stopped: before its first word, after it, while it waits, and too late."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.answers import AnswerStatus, FinishReason
from domain.errors import NotFound, ProviderFailed, RateLimited, StateConflict
from domain.identity import Role, Viewer
from domain.units import AccountId, AnswerId, KeyNumber
from tests.journeys.desk import Desk, Limits, open_desk, question

GIVEN = 10_000_000
STALLS = "Hello\nsimulate: stall"
NEVER_BEGINS = "Hello\nsimulate: timeout"


@pytest.fixture
async def desk(database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    async with open_desk(
        database_url, deployment_secret, limits=Limits(free_cancels_max=3)
    ) as desk:
        yield desk
        assert await desk.differences() == []


async def begun(desk: Desk, viewer: Viewer, content: str, key: str = "k") -> AnswerId:
    """An answer in progress, with as much text as it will get by itself."""
    asked = await desk.asking.ask(viewer, question(content), key, 0)
    transcript = desk.running.transcript(asked.answer.id)
    if content == STALLS:
        assert transcript is not None
        await asyncio.wait_for(transcript.more(40), timeout=10)
    else:
        await until_called(desk)
    return asked.answer.id


async def until_called(desk: Desk) -> None:
    while not desk.provider.calls_received:  # noqa: ASYNC110 - it only counts
        await asyncio.sleep(0.01)


async def test_before_any_text_it_is_free_and_the_provider_is_left_at_once(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await begun(desk, viewer, NEVER_BEGINS)

    canceled = await asyncio.wait_for(desk.canceling.cancel(viewer, answer_id), timeout=1)

    assert canceled.answer.status is AnswerStatus.CANCELED
    assert canceled.answer.finish_reason is FinishReason.CANCELED
    assert canceled.answer.charged == 0
    assert canceled.answer.text is None
    assert (canceled.balance.available, canceled.balance.held) == (GIVEN, 0)
    assert await desk.holds(viewer) == ["RELEASED"]
    assert await desk.outcomes(viewer) == [("CANCELED", 0)]


async def test_after_text_what_was_produced_is_counted_and_charged(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await begun(desk, viewer, STALLS)

    canceled = await desk.canceling.cancel(viewer, answer_id)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    assert canceled.answer.status is AnswerStatus.CANCELED
    assert canceled.answer.text
    assert canceled.answer.text.startswith("This answer is simulated")
    assert usage["is_estimated"]
    assert 0 < canceled.answer.charged == usage["charged"]
    assert canceled.balance.available == GIVEN - canceled.answer.charged
    assert await desk.holds(viewer) == ["CAPTURED"]
    assert await desk.outcomes(viewer) == [("CANCELED", canceled.answer.charged)]


async def test_an_answer_that_ends_while_it_is_read_on_is_charged_what_its_provider_says(
    desk: Desk,
) -> None:
    viewer = await desk.viewer(GIVEN)
    asked = await desk.asking.ask(viewer, question("Hello\nsimulate: slow 0.5"), "k", 0)
    transcript = desk.running.transcript(asked.answer.id)
    assert transcript is not None
    await transcript.more(0)

    canceled = await desk.canceling.cancel(viewer, asked.answer.id)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    assert canceled.answer.status is AnswerStatus.CANCELED
    assert canceled.answer.text is not None
    assert not usage["is_estimated"]
    assert usage["output_tokens"] == len(canceled.answer.text.split())
    assert canceled.answer.charged == usage["charged"] > 0


async def test_an_answer_that_breaks_while_it_is_read_on_is_charged_what_came(
    database_url: str, deployment_secret: str
) -> None:
    impatient = Limits(idle_seconds=0.4)
    async with open_desk(database_url, deployment_secret, limits=impatient) as desk:
        viewer = await desk.viewer(GIVEN)
        answer_id = await begun(desk, viewer, STALLS)

        canceled = await desk.canceling.cancel(viewer, answer_id)

        assert canceled.answer.charged > 0
        assert await desk.outcomes(viewer) == [("CANCELED", canceled.answer.charged)]
        assert await desk.differences() == []


async def test_stopping_it_again_tells_the_same(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await begun(desk, viewer, NEVER_BEGINS)

    first, second = await asyncio.gather(
        desk.canceling.cancel(viewer, answer_id), desk.canceling.cancel(viewer, answer_id)
    )
    third = await desk.canceling.cancel(viewer, answer_id)

    assert first.answer == second.answer == third.answer
    assert await desk.outcomes(viewer) == [("CANCELED", 0)]


async def test_a_finished_answer_cannot_be_stopped(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    asked = await desk.asking.ask(viewer, question("Hello"), "k", 10)

    with pytest.raises(StateConflict):
        await desk.canceling.cancel(viewer, asked.answer.id)

    assert await desk.outcomes(viewer) == [("SUCCEEDED", asked.answer.charged)]


async def test_a_failed_answer_cannot_be_stopped(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    with pytest.raises(ProviderFailed):
        await desk.asking.ask(viewer, question("Hello\nsimulate: empty"), "k", 10)
    moment = await desk.database.fetchval("SELECT moment FROM tallystick.holds")

    with pytest.raises(StateConflict):
        await desk.canceling.cancel(viewer, AnswerId(viewer.purse, moment))


async def test_an_answer_of_somebody_else_is_not_found(desk: Desk) -> None:
    viewer, other = await desk.viewer(GIVEN), await desk.viewer(GIVEN)
    answer_id = await begun(desk, viewer, NEVER_BEGINS)

    with pytest.raises(NotFound):
        await desk.canceling.cancel(other, answer_id)
    with pytest.raises(NotFound):
        await desk.canceling.cancel(stranger(), answer_id)

    assert await desk.holds(viewer) == ["OPEN"]


async def test_a_key_stops_nothing_that_was_asked_without_it(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    program = replace(viewer, api_key_number=KeyNumber(1))
    answer_id = await begun(desk, viewer, NEVER_BEGINS)

    with pytest.raises(NotFound):
        await desk.canceling.cancel(program, answer_id)

    assert await desk.holds(viewer) == ["OPEN"]


async def test_stopping_what_has_not_begun_is_limited_and_what_has_begun_is_not(
    desk: Desk,
) -> None:
    viewer = await desk.viewer(GIVEN)
    for number in range(3):
        answer_id = await begun(desk, viewer, NEVER_BEGINS, f"k{number}")
        await desk.canceling.cancel(viewer, answer_id)
    not_begun = await begun(desk, viewer, NEVER_BEGINS, "late")
    with_text = await begun(desk, viewer, STALLS, "begun")

    with pytest.raises(RateLimited):
        await desk.canceling.cancel(viewer, not_begun)
    canceled = await desk.canceling.cancel(viewer, with_text)

    assert canceled.answer.charged > 0
    assert desk.running.find(not_begun) is not None


async def test_stopping_races_with_finishing_and_one_of_them_wins(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        viewer = await desk.viewer(10 * GIVEN)

        won = await asyncio.gather(*(stopped_late(desk, viewer, number) for number in range(40)))

        told = await desk.outcomes(viewer)
        balance = await desk.balance(viewer)
        assert sorted(outcome for outcome, _ in told) == sorted(won)
        assert {*won} == {"CANCELED", "SUCCEEDED"}
        assert balance.held == 0
        assert balance.total == 10 * GIVEN - sum(charged for _, charged in told)
        assert await desk.differences() == []


async def stopped_late(desk: Desk, viewer: Viewer, number: int) -> str:
    """How an answer ends that is stopped as it ends: some never begin, the others are quick."""
    content = NEVER_BEGINS if number < 5 else f"Hello {number}"
    asked = await desk.asking.ask(viewer, question(content), f"k{number}", 0)
    await asyncio.sleep(0.005 * number)
    try:
        canceled = await desk.canceling.cancel(viewer, asked.answer.id)
    except StateConflict:
        return "SUCCEEDED"
    return canceled.answer.status


def stranger() -> Viewer:
    return Viewer(account_id=AccountId(1), session_id=uuid4(), role=Role.USER)
