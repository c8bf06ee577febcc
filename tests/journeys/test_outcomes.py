"""What a question costs, for each way it can end: the outcome table, row by row."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.models.simulated import Gate, SimulatedProvider
from domain.answers import AnswerStatus
from domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    NotFound,
    ProviderFailed,
    ProviderFailure,
)
from domain.pricing import prompt_tokens_bound
from domain.questions import Question
from domain.units import Microcredits, ModelId
from tests.journeys.desk import MODEL, Desk, Limits, open_desk, question

GIVEN = 10_000_000


@pytest.fixture
async def desk(database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    async with open_desk(
        database_url, deployment_secret, limits=Limits(deadline_seconds=1.5)
    ) as desk:
        yield desk


def ceiling_of(asked: Question) -> int:
    return MODEL.price.ceiling(
        prompt_tokens_max=prompt_tokens_bound(asked.messages),
        answer_tokens_max=MODEL.answer_tokens_for(asked.answer_tokens_max),
    )


async def test_an_answer_is_charged_what_its_tokens_cost(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await desk.asking.ask(viewer, question("What is a ledger?"), "k", 10)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    cost = -(-(usage["input_tokens"] * 300_000 + usage["output_tokens"] * 1_200_000) // 1000)
    assert asked.answer.status is AnswerStatus.SUCCEEDED
    assert asked.answer.text
    assert asked.answer.charged == cost == usage["charged"] > 0
    assert not usage["is_estimated"]
    assert asked.balance.available == GIVEN - cost
    assert await desk.holds(viewer) == ["CAPTURED"]
    assert (await desk.balance(viewer)).total == asked.balance.total


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        ("500", ProviderFailure.ERROR),
        ("429", ProviderFailure.OVERLOADED),
        ("cut", ProviderFailure.ERROR),
        ("broken", ProviderFailure.ERROR),
        ("silent-end", ProviderFailure.ERROR),
        ("stall", ProviderFailure.TIMEOUT),
        ("timeout", ProviderFailure.TIMEOUT),
        ("drip", ProviderFailure.TIMEOUT),
        ("empty", ProviderFailure.EMPTY),
        ("content-filter", ProviderFailure.REJECTED),
        ("malformed", ProviderFailure.ERROR),
        ("huge", ProviderFailure.ERROR),
    ],
)
async def test_a_failed_answer_is_free(desk: Desk, directive: str, reason: ProviderFailure) -> None:
    viewer = await desk.viewer(GIVEN)

    with pytest.raises(ProviderFailed) as failed:
        await desk.asking.ask(viewer, question(f"Hello\nsimulate: {directive}"), "k", 20)

    assert failed.value.reason is reason
    balance = await desk.balance(viewer)
    assert (balance.available, balance.held) == (GIVEN, 0)
    assert await desk.holds(viewer) == ["RELEASED"]
    assert {*await desk.outcomes(viewer)} == {("FAILED", 0)}
    assert await desk.differences() == []


async def test_each_try_is_a_usage_record_and_only_the_delivered_one_is_charged(
    desk: Desk,
) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await desk.asking.ask(viewer, question("Hello\nsimulate: 500 once"), "k", 10)

    assert await desk.outcomes(viewer) == [("FAILED", 0), ("SUCCEEDED", asked.answer.charged)]
    assert len(asked.answer.usage_ids) == 2


@pytest.mark.parametrize("directive", ["early-usage", "whole", "slow 0.1"])
async def test_usage_counts_on_whatever_chunk_it_comes(desk: Desk, directive: str) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await desk.asking.ask(viewer, question(f"Hello\nsimulate: {directive}"), "k", 10)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    assert asked.answer.text is not None
    assert usage["output_tokens"] == len(asked.answer.text.split())
    assert not usage["is_estimated"]
    assert asked.answer.charged == usage["charged"] > 0


async def test_what_came_of_a_broken_answer_is_written_down_as_our_loss(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    with pytest.raises(ProviderFailed):
        await desk.asking.ask(viewer, question("Hello\nsimulate: cut"), "k", 10)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    assert usage["is_estimated"]
    assert usage["output_tokens"] > 0
    assert usage["charged"] == 0


async def test_the_time_to_the_first_token_is_kept(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    await desk.asking.ask(viewer, question("Hello\nsimulate: slow 0.4"), "k", 10)

    usage = await desk.database.fetchrow("SELECT * FROM tallystick.usage_records")
    assert usage is not None
    assert 0 <= usage["first_token_ms"] < usage["latency_ms"] / 2


async def test_an_answer_without_usage_is_counted_from_its_text_and_marked(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await desk.asking.ask(viewer, question("Hello\nsimulate: no-usage"), "k", 10)

    estimated = await desk.database.fetchval("SELECT is_estimated FROM tallystick.usage_records")
    assert estimated
    assert 0 < asked.answer.charged <= ceiling_of(question("Hello\nsimulate: no-usage"))


async def test_a_reported_zero_is_a_zero(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await desk.asking.ask(viewer, question("Hello\nsimulate: zero-usage"), "k", 10)

    assert asked.answer.status is AnswerStatus.SUCCEEDED
    assert asked.answer.charged == 0
    assert await desk.outcomes(viewer) == [("SUCCEEDED", 0)]
    assert await desk.holds(viewer) == ["CAPTURED"]


async def test_a_question_beyond_the_balance_reaches_no_provider(desk: Desk) -> None:
    asked = question("What is a ledger?")
    viewer = await desk.viewer(ceiling_of(asked) - 1)

    with pytest.raises(InsufficientCredits) as refused:
        await desk.asking.ask(viewer, asked, "k", 10)

    assert desk.provider.calls_received == 0
    assert await desk.outcomes(viewer) == [("REFUSED", 0)]
    assert await desk.holds(viewer) == []
    assert refused.value.required == ceiling_of(asked)
    assert refused.value.affordable_answer_tokens == 99


async def test_the_affordable_length_is_accepted_at_once(desk: Desk) -> None:
    viewer = await desk.viewer(ceiling_of(question("What is a ledger?")) - 1)
    with pytest.raises(InsufficientCredits) as refused:
        await desk.asking.ask(viewer, question("What is a ledger?"), "k", 10)
    affordable = refused.value.affordable_answer_tokens

    asked = await desk.asking.ask(viewer, question("What is a ledger?", affordable), "k", 10)

    assert asked.answer.status is AnswerStatus.SUCCEEDED


async def test_an_unknown_model_costs_nothing_and_leaves_the_key_unused(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    unknown = Question(messages=question("Hi").messages, model=ModelId("no-such-model"))

    with pytest.raises(NotFound):
        await desk.asking.ask(viewer, unknown, "k", 10)
    asked = await desk.asking.ask(viewer, question("Hi"), "k", 10)

    assert not asked.replayed


async def test_a_caller_who_does_not_wait_is_told_that_the_answer_runs(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    slow = question("Hello\nsimulate: slow 0.3")

    first = await desk.asking.ask(viewer, slow, "k", 0)
    second = await desk.asking.ask(viewer, slow, "k", 10)

    assert first.answer.status is AnswerStatus.RUNNING
    assert first.balance.held == first.answer.held == ceiling_of(slow)
    assert second.replayed
    assert second.answer.id == first.answer.id
    assert second.answer.status is AnswerStatus.SUCCEEDED
    assert second.balance.held == 0
    assert desk.provider.calls_received == 1


async def test_a_caller_who_leaves_changes_nothing(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    slow = question("Hello\nsimulate: slow 0.3")
    waiting = asyncio.create_task(desk.asking.ask(viewer, slow, "k", 10))
    await asyncio.sleep(0.1)

    waiting.cancel()
    await asyncio.wait({waiting})
    asked = await desk.asking.ask(viewer, slow, "k", 10)

    assert waiting.cancelled()
    assert asked.answer.status is AnswerStatus.SUCCEEDED
    assert desk.provider.calls_received == 1


async def test_a_repeated_key_replays_a_finished_answer(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    first = await desk.asking.ask(viewer, question("Hi"), "k", 10)
    second = await desk.asking.ask(viewer, question("Hi"), "k", 10)

    assert second.replayed
    assert second.answer == first.answer
    assert second.balance.total == first.balance.total
    assert desk.provider.calls_received == 1


async def test_a_repeated_key_replays_a_failure(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    failing = question("Hello\nsimulate: empty")
    with pytest.raises(ProviderFailed):
        await desk.asking.ask(viewer, failing, "k", 10)
    calls = desk.provider.calls_received

    with pytest.raises(ProviderFailed) as again:
        await desk.asking.ask(viewer, failing, "k", 10)

    assert again.value.reason is ProviderFailure.EMPTY
    assert desk.provider.calls_received == calls


async def test_a_key_with_another_question_is_a_conflict(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await desk.asking.ask(viewer, question("Hi"), "k", 10)

    with pytest.raises(IdempotencyKeyReused):
        await desk.asking.ask(viewer, question("Ho"), "k", 10)


async def test_fifty_calls_with_one_key_have_one_effect(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)

    asked = await asyncio.gather(
        *(desk.asking.ask(viewer, question("Hi"), "k", 10) for _ in range(50))
    )

    assert desk.provider.calls_received == 1
    assert sum(not each.replayed for each in asked) == 1
    assert len({each.answer.id for each in asked}) == 1
    assert await desk.outcomes(viewer) == [("SUCCEEDED", asked[0].answer.charged)]


async def test_credits_for_ten_questions_let_ten_of_two_hundred_through(
    database_url: str, deployment_secret: str
) -> None:
    provider = SimulatedProvider(gate=Gate(10))
    asked = question("Hi")
    async with open_desk(database_url, deployment_secret, provider=provider) as desk:
        viewer = await desk.viewer(10 * ceiling_of(asked))

        told = await asyncio.gather(
            *(desk.asking.ask(viewer, asked, f"k{n}", 20) for n in range(200)),
            return_exceptions=True,
        )

        assert provider.calls_received == 10
        assert sum(isinstance(each, InsufficientCredits) for each in told) == 190
        answered = [each for each in told if not isinstance(each, BaseException)]
        assert [each.answer.status for each in answered] == [AnswerStatus.SUCCEEDED] * 10
        charged = sum(each.answer.charged for each in answered)
        balance = await desk.balance(viewer)
        assert balance.total == 10 * ceiling_of(asked) - charged
        assert balance.held == 0


async def test_a_dead_runners_answer_fails_free_when_its_hold_runs_out(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    abandoned = await desk.asking.ask(viewer, question("Hi\nsimulate: timeout"), "k", 0)
    await desk.asking.running.stop(within_seconds=0)
    assert await desk.holds(viewer) == ["RELEASED"]

    # A killed process books nothing: the same hold as it would have left it.
    await desk.database.execute(
        "UPDATE tallystick.holds SET status = 'OPEN', ended_moment = NULL,"
        " failure = NULL, attempts = 0,"
        " expires_at = now() - interval '1 second'"
    )
    await desk.database.execute("UPDATE tallystick.balances SET held = $1", abandoned.answer.held)
    ended = await desk.sweeping.sweep()

    assert ended == 1
    assert await desk.holds(viewer) == ["EXPIRED"]
    balance = await desk.balance(viewer)
    assert (balance.available, balance.held) == (Microcredits(GIVEN), 0)
    with pytest.raises(ProviderFailed):
        await desk.asking.ask(viewer, question("Hi\nsimulate: timeout"), "k", 10)


async def test_stopping_lets_answers_finish(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await desk.asking.ask(viewer, question("Hello\nsimulate: slow 0.3"), "k", 0)

    await desk.asking.running.stop(within_seconds=5)

    assert await desk.holds(viewer) == ["CAPTURED"]


async def test_stopping_releases_what_does_not_finish_in_time(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await desk.asking.ask(viewer, question("Hello\nsimulate: slow 1"), "k", 0)

    await desk.asking.running.stop(within_seconds=0.1)

    assert await desk.holds(viewer) == ["RELEASED"]
    assert (await desk.balance(viewer)).held == 0
