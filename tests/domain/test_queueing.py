"""Whether a question runs at once or waits, and how many are fetched when there is room."""

import asyncio

import pytest

from domain.answers import AnswerStatus
from domain.errors import Unavailable
from domain.leasing import Lease
from domain.queueing import Queueing
from domain.running import SETTLING_SECONDS, Running
from tests.domain.runs import (
    FakeHolds,
    FakeLeases,
    FakeProvider,
    FakeQueue,
    at_once,
    never,
    run_of,
)

AWAY = Unavailable("The database is away.")


def queueing_of(queue: FakeQueue, *, runs_max: int = 3, waiting_max: int = 1_000) -> Queueing:
    """A process that runs a few at once; nothing it begins ends by itself."""
    leases = FakeLeases()
    running = Running(
        ledger=FakeHolds(), provider=FakeProvider(never), deadline_seconds=20, runs_max=runs_max
    )
    lease = Lease(leases=leases, running=running, clock=leases.now)
    return Queueing(queue=queue, running=running, lease=lease, waiting_max=waiting_max)


async def holding(queueing: Queueing) -> Queueing:
    await queueing.lease.renew()
    return queueing


async def test_a_hold_lives_as_long_as_its_answer_may_wait_and_run() -> None:
    queueing = queueing_of(FakeQueue())

    assert queueing.hold_seconds(AnswerStatus.RUNNING) == 20 + SETTLING_SECONDS
    assert queueing.hold_seconds(AnswerStatus.QUEUED) == 600 + 20 + SETTLING_SECONDS


async def test_a_question_runs_at_once_only_where_others_know_that_somebody_lives() -> None:
    queueing = queueing_of(FakeQueue())
    before = await queueing.status_of_next()

    await queueing.lease.renew()

    assert before is AnswerStatus.QUEUED
    assert await queueing.status_of_next() is AnswerStatus.RUNNING


async def test_without_room_a_question_waits_until_too_many_do() -> None:
    queue = FakeQueue()
    queueing = await holding(queueing_of(queue, waiting_max=2))
    queueing.running.admit(3)

    first = await queueing.status_of_next()
    queue.waiting += [run_of(1), run_of(2)]

    assert first is AnswerStatus.QUEUED
    with pytest.raises(Unavailable):
        await queueing.status_of_next()


async def test_while_others_wait_a_question_waits_behind_them() -> None:
    queue = FakeQueue()
    queueing = await holding(queueing_of(queue))

    for number in range(3):
        await queueing.keep(run_of(number))
    behind = await queueing.status_of_next()
    claimed = [await queueing.claim()]
    queueing.running.runs_max = 5
    still_behind = await queueing.status_of_next()
    claimed.append(await queueing.claim())

    assert behind is still_behind is AnswerStatus.QUEUED
    assert claimed == [3, 0]
    assert await queueing.status_of_next() is AnswerStatus.RUNNING


async def test_no_more_are_fetched_than_there_is_room_for() -> None:
    queue = FakeQueue([run_of(number) for number in range(4)])
    queueing = await holding(queueing_of(queue))
    queueing.running.admit()

    claimed = await queueing.claim(), await queueing.claim()

    assert claimed == (2, 0)
    assert queue.claims == [(2, 20 + SETTLING_SECONDS)]
    assert [run.answer_id for run in queue.waiting] == [run_of(2).answer_id, run_of(3).answer_id]
    assert queueing.running.count == 2


async def test_room_that_nothing_was_fetched_for_is_given_back() -> None:
    queue = FakeQueue([run_of(1)], failing=[AWAY])
    queueing = await holding(queueing_of(queue))

    with pytest.raises(Unavailable):
        await queueing.claim()
    after_failure = queueing.running.room
    await queueing.claim()

    assert (after_failure, queueing.running.room) == (3, 2)


@pytest.mark.parametrize("reason", ["closing", "no lease"])
async def test_who_could_not_finish_it_fetches_nothing(reason: str) -> None:
    queue = FakeQueue([run_of(1)])
    queueing = queueing_of(queue)
    if reason == "closing":
        await queueing.lease.renew()
        queueing.is_closing = True

    assert await queueing.claim() == 0

    assert queue.claims == []


async def test_an_answer_that_may_be_on_its_way_here_is_not_begun_by_who_asks_for_it() -> None:
    queue = FakeQueue([run_of(1)])
    queueing = await holding(queueing_of(queue))
    queue.may_claim = asyncio.Event()
    claiming = asyncio.create_task(queueing.claim())
    await asyncio.sleep(0)
    queueing.running.runs_max = 10

    await queueing.adopt(run_of(1))
    meanwhile = queueing.running.count
    queue.may_claim.set()
    await claiming
    await queueing.adopt(run_of(1))

    assert (meanwhile, queueing.running.count, queueing.running.room) == (0, 1, 9)


async def test_an_answer_that_ended_here_is_not_begun_again_by_who_asks_for_it() -> None:
    queueing = await holding(queueing_of(FakeQueue()))
    queueing.running.provider = provider = FakeProvider(at_once)

    await queueing.adopt(run_of(1))
    task = queueing.running.find(run_of(1).answer_id)
    assert task is not None
    await task
    await asyncio.sleep(0)
    await queueing.adopt(run_of(1))

    assert queueing.running.count == 0
    assert (provider.calls, queueing.running.room) == (1, 3)


async def test_without_room_nothing_is_begun_by_who_asks_for_it() -> None:
    queueing = await holding(queueing_of(FakeQueue()))
    queueing.running.admit(3)

    await queueing.adopt(run_of(1))

    assert queueing.running.count == 0


async def test_what_cannot_be_handed_back_is_told_so() -> None:
    queue = FakeQueue(failing=[AWAY])
    queueing = queueing_of(queue)

    handed_back = [await queueing.hand_back(run_of(number)) for number in range(2)]

    assert handed_back == [False, True]
