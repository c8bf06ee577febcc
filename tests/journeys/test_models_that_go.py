"""What was asked by a key is told again by it, though its model cannot be asked any more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.answers import AnswerStatus
from domain.asking import Asking
from domain.errors import IdempotencyKeyReused, NotFound
from domain.identity import Viewer
from domain.units import KeyNumber, ModelId
from tests.journeys.desk import Desk, open_desk, question
from tests.journeys.passing_on import passed, passing, two_choices

GIVEN = 100_000_000
HELLO = question("Hello")


class NoModels:
    """The price book when the model has been disabled, or nobody serves it any more."""

    async def find(self, model_id: ModelId | None) -> None:
        return None


@pytest.fixture
async def desk(database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url, deployment_secret) as desk:
        yield desk
        assert desk.provider.calls_received == 1
        assert await desk.differences() == []


@pytest.fixture
async def viewer(desk: Desk) -> Viewer:
    return await desk.viewer(GIVEN)


def afterwards(desk: Desk) -> Asking:
    return replace(desk.asking, prices=NoModels())


async def test_a_question_is_answered_as_it_was(desk: Desk, viewer: Viewer) -> None:
    first = await desk.asking.ask(viewer, HELLO, "one", 10)
    asking = afterwards(desk)

    again = await asking.ask(viewer, HELLO, "one", 10)

    assert first.answer.status is AnswerStatus.SUCCEEDED
    assert again == replace(first, replayed=True, balance=again.balance)
    assert again.balance.total == first.balance.total
    with pytest.raises(IdempotencyKeyReused):
        await asking.ask(viewer, question("Good evening"), "one", 10)
    with pytest.raises(NotFound):
        await asking.ask(viewer, HELLO, "another", 10)


async def test_a_question_that_is_still_being_answered_is_told_as_it_stands(
    desk: Desk, viewer: Viewer
) -> None:
    slow = question("Hello\nsimulate: timeout")
    first = await desk.asking.ask(viewer, slow, "one", 0)
    while not desk.provider.calls_received:  # noqa: ASYNC110 - it only counts
        await asyncio.sleep(0.01)

    again = await afterwards(desk).ask(viewer, slow, "one", 10)

    assert (again.answer.id, again.answer.status) == (first.answer.id, AnswerStatus.RUNNING)
    assert again.replayed


async def test_so_it_is_for_a_key_that_may_not_ask_the_model_any_more(
    desk: Desk, viewer: Viewer
) -> None:
    first = await desk.asking.ask(viewer, HELLO, "one", 10)
    narrowed = replace(viewer, allowed_models=frozenset({ModelId("another")}))

    again = await desk.asking.ask(narrowed, HELLO, "one", 10)

    assert (again.answer, again.replayed) == (first.answer, True)
    with pytest.raises(NotFound):
        await desk.asking.ask(narrowed, HELLO, "another", 10)


async def test_what_one_credential_asked_is_not_told_to_another(desk: Desk, viewer: Viewer) -> None:
    await desk.asking.ask(viewer, HELLO, "one", 10)
    program = replace(viewer, api_key_number=KeyNumber(1))

    with pytest.raises(IdempotencyKeyReused):
        await afterwards(desk).ask(program, HELLO, "one", 10)


async def test_a_call_that_was_passed_on_is_replied_to_as_it_was(
    desk: Desk, viewer: Viewer
) -> None:
    call = two_choices("Hello")
    first = await passed(passing(desk, desk.asking), viewer, call, "one")
    calls = passing(desk, afterwards(desk))

    again = await passed(calls, viewer, call, "one")

    assert (again.answer, again.rest, again.replayed) == (first.answer, first.rest, True)
    with pytest.raises(IdempotencyKeyReused):
        await passed(calls, viewer, replace(call, fingerprint=b"another"), "one")
    with pytest.raises(NotFound):
        await passed(calls, viewer, call, "another")
