"""A call is charged by the price its hold was made under, whatever the price book says by then."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from adapters.models.simulated import Gate, SimulatedProvider
from domain.answers import AnswerStatus
from domain.asking import OPERATION, Asking, Bounds
from domain.identity import Viewer
from domain.ledger import Once
from domain.passing import once_of
from domain.pricing import Model, prompt_tokens_bound
from domain.questions import Question, digest
from domain.running import HandedBack
from domain.units import Microcredits, ModelId, PriceId
from tests.journeys.desk import MODEL, Desk, Limits, open_desk, question
from tests.journeys.passing_on import passed, passing, two_choices

GIVEN = 100_000_000
HELLO = question("Hello")


@dataclass(frozen=True, slots=True)
class Prices:
    """A price book that says something else by now."""

    model: Model

    async def find(self, model_id: ModelId | None) -> Model:
        return self.model


@pytest.fixture
async def desk(database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url, deployment_secret) as desk:
        yield desk
        assert await desk.differences() == []


@pytest.fixture
async def viewer(desk: Desk) -> Viewer:
    return await desk.viewer(GIVEN)


async def with_new_prices(desk: Desk) -> Asking:
    """The same process, when the model has become cheap, and its answers short."""
    price_id = await desk.database.fetchval(
        "INSERT INTO tallystick.model_prices (model_id, input_per_1k, cached_input_per_1k,"
        " output_per_1k, per_request) VALUES ('simulated', 9, 9, 9, 9) RETURNING id"
    )
    cheap = replace(
        MODEL.price,
        id=PriceId(price_id),
        input_per_1k=Microcredits(9),
        cached_input_per_1k=Microcredits(9),
        output_per_1k=Microcredits(9),
        per_request=Microcredits(9),
    )
    return replace(desk.asking, prices=Prices(replace(MODEL, price=cheap, answer_tokens_max=1)))


async def held_and_forgotten(desk: Desk, viewer: Viewer, bounds: Bounds, once: Once) -> None:
    """The hold is committed, and its caller never hears of it: the connection broke."""
    await desk.asking.accept(viewer, MODEL, bounds, once)
    desk.running.withdraw()


async def question_forgotten(desk: Desk, viewer: Viewer, asked: Question, key: str) -> None:
    bounds = Bounds(prompt_tokens_bound(asked.messages), 100)
    await held_and_forgotten(desk, viewer, bounds, Once.of(OPERATION, key, digest(asked)))


async def test_a_question_that_is_asked_again_after_its_hold_was_lost_from_sight(
    desk: Desk, viewer: Viewer
) -> None:
    first = await desk.asking.ask(viewer, HELLO, "first", 10)
    await question_forgotten(desk, viewer, HELLO, "lost")
    asking = await with_new_prices(desk)

    told = await asyncio.gather(*(asking.ask(viewer, HELLO, "lost", 10) for _ in range(5)))

    assert {each.answer.status for each in told} == {AnswerStatus.SUCCEEDED}
    assert {each.answer.charged for each in told} == {first.answer.charged}
    assert {each.answer.text for each in told} == {first.answer.text}
    assert desk.provider.calls_received == 2


@pytest.mark.parametrize("content", ["Hello", "Hello\nsimulate: no-usage"])
async def test_a_call_that_is_passed_on_again_after_its_hold_was_lost_from_sight(
    desk: Desk, viewer: Viewer, content: str
) -> None:
    call = two_choices(content)
    first = await passed(passing(desk, desk.asking), viewer, call, "first")
    bounds = Bounds(call.prompt_tokens_max(MODEL), 50, choices=2)
    await held_and_forgotten(desk, viewer, bounds, once_of("lost", call))
    calls = passing(desk, await with_new_prices(desk))

    told = await asyncio.gather(*(passed(calls, viewer, call, "lost") for _ in range(5)))

    assert {each.answer.charged for each in told} == {first.answer.charged}
    assert {each.rest for each in told} == {first.rest}
    assert desk.provider.calls_received == 2


async def test_an_answer_that_another_process_takes_from_the_queue(
    database_url: str, deployment_secret: str
) -> None:
    silent = SimulatedProvider(gate=Gate(9))
    async with (
        open_desk(
            database_url, deployment_secret, provider=silent, limits=Limits(runs_max=1)
        ) as desk,
        open_desk(database_url, deployment_secret) as other,
    ):
        viewer = await desk.viewer(GIVEN)
        first = await other.asking.ask(viewer, HELLO, "first", 10)
        begun = await desk.asking.ask(viewer, HELLO, "handed back", 0)
        waiting = await desk.asking.ask(viewer, HELLO, "waiting", 0)
        run = desk.running.find(begun.answer.id)
        assert run is not None
        while not silent.calls_received:  # noqa: ASYNC110 - it only counts
            await asyncio.sleep(0.01)
        asking = await with_new_prices(other)

        await desk.running.stop(within_seconds=0, hand_back=desk.queueing.hand_back)
        claimed = await other.queueing.claim()
        told = [await asking.ask(viewer, HELLO, key, 10) for key in ("handed back", "waiting")]

        assert claimed == 2
        assert [each.answer.id for each in told] == [begun.answer.id, waiting.answer.id]
        assert {each.answer.charged for each in told} == {first.answer.charged}
        assert await other.differences() == []
        with pytest.raises(HandedBack):
            await run
