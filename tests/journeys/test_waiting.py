"""Answers that wait for room, and runners that come and go: claims, leases, drains."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.models.simulated import Gate, SimulatedProvider
from domain.answers import AnswerStatus
from domain.errors import ProviderFailed, StateConflict, Unavailable
from domain.identity import Viewer
from domain.running import HandedBack, Running
from domain.units import AnswerId
from tests.journeys.desk import Desk, Limits, open_desk, question

GIVEN = 100_000_000
ONE_AT_ONCE = Limits(runs_max=1, lease_seconds=1)
NEVER_BEGINS = "Hello\nsimulate: timeout"
STALLS = "Hello\nsimulate: stall"
TAKES_A_WHILE = "Hello\nsimulate: slow 0.5"


@pytest.fixture
async def desk(database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url, deployment_secret, limits=ONE_AT_ONCE) as desk:
        yield desk
        assert await desk.differences() == []


@pytest.fixture
async def other(desk: Desk, database_url: str, deployment_secret: str) -> AsyncIterator[Desk]:
    """Another process on the same database, with a provider of its own."""
    assert desk.url == database_url
    async with open_desk(database_url, deployment_secret, limits=ONE_AT_ONCE) as other:
        yield other


@asynccontextmanager
async def working(*desks: Desk) -> AsyncIterator[None]:
    """These processes renew their leases, fetch what waits and sweep, as they do in production."""

    async def work(desk: Desk) -> None:
        while True:
            await desk.lease.renew()
            await desk.queueing.claim()
            await desk.sweeping.sweep()
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(work(desk)) for desk in desks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def questions_kept(desk: Desk) -> int:
    kept: int = await desk.database.fetchval("SELECT count(*) FROM tallystick.waiting_questions")
    return kept


async def status_of(desk: Desk, answer_id: AnswerId) -> AnswerStatus:
    return (await desk.asking.stored.find(answer_id))[0].status


async def ended(desk: Desk, answer_id: AnswerId) -> AnswerStatus:
    while not (status := await status_of(desk, answer_id)).is_final:  # noqa: ASYNC110 - as callers do
        await asyncio.sleep(0.02)
    return status


async def called(desk: Desk) -> None:
    while not desk.provider.calls_received:  # noqa: ASYNC110 - it only counts
        await asyncio.sleep(0.01)


async def asked(desk: Desk, viewer: Viewer, content: str, key: str) -> AnswerId:
    return (await desk.asking.ask(viewer, question(content), key, 0)).answer.id


async def test_beyond_the_cap_an_answer_waits_and_runs_when_there_is_room(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    running = await desk.asking.ask(viewer, question(TAKES_A_WHILE), "k1", 0)

    waiting = await desk.asking.ask(viewer, question("Hi"), "k2", 0)
    kept = await questions_kept(desk)
    async with working(desk):
        finished = await desk.asking.ask(viewer, question("Hi"), "k2", 10)

    assert running.answer.status is AnswerStatus.RUNNING
    assert waiting.answer.status is AnswerStatus.QUEUED
    assert not waiting.replayed
    assert waiting.balance.held == running.answer.held + waiting.answer.held
    assert kept == 1
    assert finished.answer.status is AnswerStatus.SUCCEEDED
    assert finished.answer.id == waiting.answer.id
    assert finished.answer.charged > 0
    assert await questions_kept(desk) == 0
    assert desk.provider.calls_received == 2


async def test_a_caller_may_wait_from_the_queue_to_the_end(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, TAKES_A_WHILE, "k1")

    async with working(desk):
        told = await desk.asking.ask(viewer, question("Hi"), "k2", 10)

    assert told.answer.status is AnswerStatus.SUCCEEDED
    assert not told.replayed


async def test_while_others_wait_nobody_goes_before_them(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, TAKES_A_WHILE, "k1")
    await asked(desk, viewer, "Hi", "k2")
    await desk.asking.ask(viewer, question(TAKES_A_WHILE), "k1", 10)

    late = await desk.asking.ask(viewer, question("Ho"), "k3", 0)

    assert desk.running.room == 1
    assert late.answer.status is AnswerStatus.QUEUED


async def test_when_too_many_wait_a_question_is_refused_and_costs_nothing(
    database_url: str, deployment_secret: str
) -> None:
    limits = Limits(runs_max=1, waiting_max=2)
    async with open_desk(database_url, deployment_secret, limits=limits) as desk:
        viewer = await desk.viewer(GIVEN)
        for number in range(3):
            await asked(desk, viewer, NEVER_BEGINS, f"k{number}")

        with pytest.raises(Unavailable):
            await asked(desk, viewer, NEVER_BEGINS, "k4")

        assert await desk.holds(viewer) == ["OPEN"] * 3


async def test_many_processes_claim_each_answer_once(
    database_url: str, deployment_secret: str
) -> None:
    provider, limits = SimulatedProvider(), Limits(runs_max=4)
    async with (
        open_desk(database_url, deployment_secret, provider=provider, limits=limits) as one,
        open_desk(database_url, deployment_secret, provider=provider, limits=limits) as two,
        open_desk(database_url, deployment_secret, provider=provider, limits=limits) as three,
    ):
        viewer = await one.viewer(GIVEN)
        one.running.admit(4)  # as if it were busy
        ids = [await asked(one, viewer, f"Hello {number}", f"k{number}") for number in range(40)]

        async with working(two, three):
            statuses = [await ended(one, answer_id) for answer_id in ids]

        assert statuses == [AnswerStatus.SUCCEEDED] * 40
        assert provider.calls_received == 40
        assert len(await one.outcomes(viewer)) == 40
        assert await one.differences() == []


async def test_a_dead_runners_answer_fails_free_and_it_charges_nothing_if_it_comes_back(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await asked(desk, viewer, "Hello\nsimulate: slow 4", "k")
    run = desk.running.find(answer_id)
    assert run is not None

    async with working(other):  # and nobody renews the lease of the first
        status = await asyncio.wait_for(ended(other, answer_id), timeout=3.5)

    assert status is AnswerStatus.FAILED
    assert await desk.holds(viewer) == ["EXPIRED"]
    assert (await desk.balance(viewer)).available == GIVEN
    with pytest.raises(Unavailable):
        await run
    assert await desk.outcomes(viewer) == [("FAILED", 0)]
    assert (await desk.balance(viewer)).available == GIVEN


async def test_after_the_database_was_away_nobody_is_thought_dead_at_once(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await asked(desk, viewer, NEVER_BEGINS, "k")
    await desk.database.execute("UPDATE tallystick.runners SET lease_until = now()")

    await other.lease.renew()
    await other.sweeping.sweep()
    was = await status_of(desk, answer_id)
    async with working(desk, other):
        await asyncio.sleep(1.5)

    assert was is AnswerStatus.RUNNING
    assert await status_of(desk, answer_id) is AnswerStatus.RUNNING


async def test_a_crash_before_the_question_was_kept_is_mended_by_whoever_repeats_it(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, NEVER_BEGINS, "k1")
    waiting = await asked(desk, viewer, "Hi", "k2")
    await desk.database.execute("DELETE FROM tallystick.waiting_questions")

    async with working(other):
        told = await other.asking.ask(viewer, question("Hi"), "k2", 10)

    assert told.answer.id == waiting
    assert told.answer.status is AnswerStatus.SUCCEEDED
    assert told.replayed


async def test_an_answer_whose_question_is_lost_fails_free(desk: Desk, other: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, TAKES_A_WHILE, "k1")
    waiting = await asked(desk, viewer, "Hi", "k2")
    await desk.database.execute("DELETE FROM tallystick.waiting_questions")

    async with working(other, desk):
        status = await asyncio.wait_for(ended(other, waiting), timeout=5)

    assert status is AnswerStatus.FAILED
    with pytest.raises(ProviderFailed):
        await other.asking.ask(viewer, question("Hi"), "k2", 10)
    assert (await desk.balance(viewer)).held == 0


async def test_a_crash_between_claim_and_start_fails_free_and_nobody_runs_it(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, NEVER_BEGINS, "k1")
    waiting = await asked(desk, viewer, "Hi", "k2")

    [claimed] = await desk.runners.claim(5, lasts_seconds=60)
    async with working(other):
        status = await asyncio.wait_for(ended(other, waiting), timeout=5)

    assert claimed.answer_id == waiting
    assert claimed.question.messages == question("Hi").messages
    assert claimed.answer_tokens_max == 100
    assert status is AnswerStatus.FAILED
    assert other.provider.calls_received == 0


async def test_a_lease_that_runs_out_races_with_the_end_and_nothing_happens_twice(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        viewer = await desk.viewer(GIVEN)
        ids = [await asked(desk, viewer, f"Hello {number}", f"k{number}") for number in range(30)]

        while desk.running.find(ids[-1]) is not None:
            await desk.database.execute("UPDATE tallystick.runners SET lease_until = now()")
            await desk.runners.give_up_lost(1)
            await desk.sweeping.sweep()
        await desk.sweeping.sweep()

        told = await desk.outcomes(viewer)
        balance = await desk.balance(viewer)
        assert len(told) == 30
        assert balance.held == 0
        assert balance.total == GIVEN - sum(charged for _, charged in told)
        assert await desk.differences() == []


async def test_a_runner_that_is_drained_hands_back_what_had_not_begun(
    database_url: str, deployment_secret: str
) -> None:
    silent = SimulatedProvider(gate=Gate(2))
    async with (
        open_desk(database_url, deployment_secret, provider=silent) as desk,
        open_desk(database_url, deployment_secret) as other,
    ):
        viewer = await desk.viewer(GIVEN)
        answer_id = await asked(desk, viewer, "Hi", "k")
        run = desk.running.find(answer_id)
        assert run is not None
        await called(desk)

        await desk.running.stop(within_seconds=0, hand_back=desk.queueing.hand_back)
        waiting = await status_of(desk, answer_id)
        async with working(other):
            told = await other.asking.ask(viewer, question("Hi"), "k", 10)

        assert waiting is AnswerStatus.QUEUED
        assert told.answer.id == answer_id
        assert told.answer.status is AnswerStatus.SUCCEEDED
        assert await desk.outcomes(viewer) == [("SUCCEEDED", told.answer.charged)]
        with pytest.raises(HandedBack):
            await run
        assert await desk.differences() == []


async def test_a_runner_that_is_drained_ends_what_had_begun_free(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await asked(desk, viewer, STALLS, "k")
    transcript = desk.running.transcript(answer_id)
    assert transcript is not None
    await transcript.more(0)

    await desk.running.stop(within_seconds=0, hand_back=desk.queueing.hand_back)

    assert await status_of(desk, answer_id) is AnswerStatus.FAILED
    assert (await desk.balance(viewer)).available == GIVEN


async def test_an_answer_that_waits_is_canceled_at_once_and_its_question_is_gone(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, NEVER_BEGINS, "k1")
    waiting = await asked(desk, viewer, "Hi", "k2")

    canceled = await other.canceling.cancel(viewer, waiting)

    assert canceled.answer.status is AnswerStatus.CANCELED
    assert canceled.answer.charged == 0
    assert await questions_kept(desk) == 0
    assert await other.queueing.claim() == 0


async def test_canceling_races_with_claiming_and_nothing_is_charged_unless_it_ran(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    await asked(desk, viewer, NEVER_BEGINS, "busy")
    ids = [await asked(desk, viewer, f"Hello {number}", f"k{number}") for number in range(20)]

    async def cancel(answer_id: AnswerId) -> None:
        try:
            await desk.canceling.cancel(viewer, answer_id)
        except StateConflict:
            assert await status_of(desk, answer_id) is AnswerStatus.SUCCEEDED

    async with working(other, desk):
        await asyncio.gather(*map(cancel, ids))

    told = await desk.outcomes(viewer)
    balance = await desk.balance(viewer)
    assert len(told) == 20
    assert other.provider.calls_received <= 20
    assert balance.total == GIVEN - sum(charged for _, charged in told)


@pytest.mark.parametrize("content", [NEVER_BEGINS, STALLS])
async def test_an_answer_is_canceled_in_whatever_process_it_runs(
    desk: Desk, other: Desk, content: str
) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await asked(desk, viewer, content, "k")
    transcript = desk.running.transcript(answer_id)
    assert transcript is not None
    if content == STALLS:
        await transcript.more(40)

    async with working(desk):
        canceled = await other.canceling.cancel(viewer, answer_id)

    assert canceled.answer.status is AnswerStatus.CANCELED
    assert (canceled.answer.charged > 0) is (content == STALLS)
    assert (await desk.balance(viewer)).held == 0


async def test_an_answer_whose_runner_died_cannot_be_canceled_any_more(
    desk: Desk, other: Desk
) -> None:
    viewer = await desk.viewer(GIVEN)
    answer_id = await asked(desk, viewer, NEVER_BEGINS, "k")

    async with working(other):
        with pytest.raises(StateConflict):
            await other.canceling.cancel(viewer, answer_id)

    assert (await desk.balance(viewer)).available == GIVEN


async def test_an_answer_keeps_the_price_it_was_held_for(desk: Desk) -> None:
    viewer = await desk.viewer(GIVEN)
    first = await desk.asking.ask(viewer, question("Hi"), "k0", 10)
    await asked(desk, viewer, TAKES_A_WHILE, "k1")
    await asked(desk, viewer, "Hi", "k2")
    await desk.database.execute(
        "INSERT INTO tallystick.model_prices (model_id, input_per_1k, cached_input_per_1k,"
        " output_per_1k, per_request) VALUES ('simulated', 9, 9, 9, 9)"
    )

    async with working(desk):
        later = await desk.asking.ask(viewer, question("Hi"), "k2", 10)

    assert later.answer.charged == first.answer.charged


async def test_no_more_run_at_once_than_may(database_url: str, deployment_secret: str) -> None:
    limits = Limits(runs_max=3)
    async with open_desk(database_url, deployment_secret, limits=limits) as desk:
        viewer = await desk.viewer(GIVEN)
        asks = [desk.asking.ask(viewer, question(TAKES_A_WHILE), f"k{n}", 0) for n in range(12)]
        told = await asyncio.gather(*asks)
        running = count_of(desk.running)

        async with working(desk):
            finished = await asyncio.gather(
                *(desk.asking.ask(viewer, question(TAKES_A_WHILE), f"k{n}", 20) for n in range(12))
            )

        assert running == 3
        assert sum(each.answer.status is AnswerStatus.RUNNING for each in told) == 3
        assert {each.answer.status for each in finished} == {AnswerStatus.SUCCEEDED}
        assert await desk.differences() == []


def count_of(running: Running) -> int:
    return running.runs_max - running.room
