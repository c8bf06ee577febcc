"""A run ends its hold once, for what was delivered, whoever interferes and whenever."""

import asyncio
from collections.abc import Callable

import pytest

from domain.answers import AnswerStatus, UsageOutcome
from domain.errors import ProviderFailure, StateConflict, Unavailable
from domain.outside import CallCanceled, Completion, FailedAttempt, ModelCall, ModelFailed
from domain.pricing import Tokens
from domain.running import SETTLING_SECONDS, Finished, HandedBack, Run, Running
from tests.domain.runs import (
    ENDED_AT,
    PURSE,
    FakeErrand,
    FakeHolds,
    FakeProvider,
    Hear,
    Script,
    answered,
    at_once,
    never,
    run_of,
)

USED = Tokens(input=10, output=6)
FAILED = FailedAttempt(reason=ProviderFailure.OVERLOADED, latency_ms=9, detail="status 529")


def running_of(script: Script, ledger: FakeHolds | None = None) -> Running:
    return Running(
        ledger=ledger or FakeHolds(), provider=FakeProvider(script), deadline_seconds=20, runs_max=5
    )


def started(running: Running, run: Run) -> "asyncio.Task[Finished]":
    running.admit()
    return running.start(run)


async def ended(task: "asyncio.Task[Finished]") -> Finished:
    return await asyncio.wait_for(task, 5)


def after(event: asyncio.Event, then: Callable[[], Completion], *heard: str) -> Script:
    """Some text comes at once, and the rest when it may."""

    async def script(call: ModelCall, hear: Hear) -> Completion:
        for text in heard:
            hear(text)
        await event.wait()
        return then()

    return script


def breaking(*attempts: FailedAttempt) -> Callable[[], Completion]:
    def break_off() -> Completion:
        raise ModelFailed(ProviderFailure.TIMEOUT, attempts)

    return break_off


def test_a_hold_lives_until_its_end_can_be_booked() -> None:
    assert running_of(never).hold_seconds == 20 + SETTLING_SECONDS


async def test_what_was_begun_is_not_begun_again() -> None:
    running = running_of(at_once)
    assert isinstance(running.provider, FakeProvider)

    first = started(running, run_of(1))
    second = started(running, run_of(1))

    assert first is second
    assert (running.count, running.room) == (1, 4)
    await ended(first)
    await asyncio.sleep(0)
    assert (running.provider.calls, running.count, running.room) == (1, 0, 5)


async def test_what_costs_nothing_is_captured_all_the_same() -> None:
    ledger = FakeHolds()

    async def free(call: ModelCall, hear: Hear) -> Completion:
        return answered(Tokens(input=0, output=0))

    finished = await ended(started(running_of(free, ledger), run_of(1)))

    assert finished.answer.status is AnswerStatus.SUCCEEDED
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("CAPTURED", 0)]


async def test_the_records_of_all_tries_are_named() -> None:
    async def at_last(call: ModelCall, hear: Hear) -> Completion:
        return Completion(
            text="one",
            finish_reason=answered().finish_reason,
            tokens=USED,
            latency_ms=70,
            failed_attempts=(FAILED, FAILED),
        )

    finished = await ended(started(running_of(at_last), run_of(1)))

    assert [each.purse for each in finished.answer.usage_ids] == [PURSE] * 3
    assert [each.moment - ENDED_AT for each in finished.answer.usage_ids] == [1, 2, 3]


async def test_a_hold_that_ended_otherwise_is_told_as_an_answer_given_up() -> None:
    ledger = FakeHolds([StateConflict("It is not open.")])

    with pytest.raises(Unavailable, match="Nothing was charged"):
        await ended(started(running_of(at_once, ledger), run_of(1)))


async def test_what_was_delivered_is_charged_though_the_database_was_away() -> None:
    ledger = FakeHolds([Unavailable("It is away.")])

    finished = await ended(started(running_of(at_once, ledger), run_of(1)))

    assert finished.answer.charged == 7
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("CAPTURED", 7)]


async def test_a_fault_in_an_adapter_gives_everything_back() -> None:
    ledger = FakeHolds()

    async def broken(call: ModelCall, hear: Hear) -> Completion:
        raise RuntimeError("a fault of ours")

    finished = await ended(started(running_of(broken, ledger), run_of(1)))

    assert finished.answer.status is AnswerStatus.FAILED
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("RELEASED", 0)]


async def test_what_an_errand_used_is_estimated_by_itself() -> None:
    ledger = FakeHolds()

    async def silent(call: ModelCall, hear: Hear) -> Completion:
        return answered(None, "four")

    await ended(started(running_of(never, ledger), run_of(1, FakeErrand(silent))))

    assert [(status, cost) for status, cost, _ in ledger.ends] == [("CAPTURED", 44)]


async def test_what_its_provider_says_of_a_call_that_was_cut_off_is_written_down() -> None:
    ledger = FakeHolds()

    async def told(call: ModelCall, hear: Hear) -> Completion:
        try:
            return await never(call, hear)
        except asyncio.CancelledError:
            raise CallCanceled([FAILED], tokens=USED) from None

    running = running_of(told, ledger)
    task = started(running, run_of(1))
    await asyncio.sleep(0)
    running.cancel(run_of(1).answer_id)
    await ended(task)

    [(status, _, end)] = ledger.ends
    assert end is not None
    assert status == "RELEASED"
    assert [(each.outcome, each.input_tokens) for each in end.attempts] == [
        (UsageOutcome.FAILED, 0),
        (UsageOutcome.CANCELED, 10),
    ]


@pytest.mark.parametrize(
    ("heard", "asker", "expected"),
    [
        ("one", "leaves", ("CAPTURED", 16, AnswerStatus.CANCELED)),
        ("one", "stays", ("RELEASED", 0, AnswerStatus.FAILED)),
        (" \n", "leaves", ("RELEASED", 0, AnswerStatus.FAILED)),
    ],
)
async def test_what_breaks_off_is_charged_only_if_its_asker_had_enough_of_it(
    heard: str, asker: str, expected: tuple[str, int, AnswerStatus]
) -> None:
    ledger, may_break = FakeHolds(), asyncio.Event()
    failed = FailedAttempt(reason=ProviderFailure.TIMEOUT, latency_ms=9, detail="", tokens=USED)
    running = running_of(after(may_break, breaking(failed), heard), ledger)
    task = started(running, run_of(1))
    await asyncio.sleep(0)

    if asker == "leaves":
        running.cancel(run_of(1).answer_id)
    may_break.set()
    finished = await ended(task)

    [(status, cost, _)] = ledger.ends
    assert (status, cost, finished.answer.status) == expected


async def test_before_any_text_the_provider_is_left_at_once() -> None:
    ledger = FakeHolds()
    running = running_of(never, ledger)
    task = started(running, run_of(1))
    await asyncio.sleep(0)

    running.cancel(run_of(1).answer_id)
    for _ in range(10):
        await asyncio.sleep(0)

    assert task.done()
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("RELEASED", 0)]


async def test_an_answer_that_ends_as_it_is_canceled_is_booked() -> None:
    ledger, may_answer = FakeHolds(may_end=asyncio.Event()), asyncio.Event()
    running = running_of(after(may_answer, answered), ledger)
    task = started(running, run_of(1))
    await asyncio.sleep(0)

    may_answer.set()
    running.cancel(run_of(1).answer_id)
    running.cancel(run_of(1).answer_id)
    await book_late(ledger)
    finished = await ended(task)

    assert finished.answer.status is AnswerStatus.CANCELED
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("CAPTURED", 7)]


@pytest.mark.parametrize("how", ["canceled", "stopped"])
async def test_nobody_interferes_with_an_end_that_is_being_booked(how: str) -> None:
    ledger = FakeHolds(may_end=asyncio.Event())
    running = running_of(at_once, ledger)
    task = started(running, run_of(1))
    await ledger.is_asked.wait()

    if how == "canceled":
        running.cancel(run_of(1).answer_id)
        await book_late(ledger)
    else:
        await asyncio.gather(running.stop(within_seconds=0), book_late(ledger))
    finished = await ended(task)

    assert finished.answer.status is AnswerStatus.SUCCEEDED
    assert [(status, cost) for status, cost, _ in ledger.ends] == [("CAPTURED", 7)]


@pytest.mark.parametrize("errand", [None, FakeErrand(never)])
async def test_what_has_not_begun_is_handed_back_unless_only_its_caller_could_hear_it(
    errand: FakeErrand | None,
) -> None:
    ledger = FakeHolds()
    running = running_of(never, ledger)
    handed_back = []

    async def hand_back(run: Run) -> bool:
        handed_back.append(run)
        return True

    run = run_of(1, errand)
    task = started(running, run)
    await asyncio.sleep(0)
    await running.stop(within_seconds=0, hand_back=hand_back)

    if errand:
        assert (await ended(task)).answer.status is AnswerStatus.FAILED
        assert [(status, cost) for status, cost, _ in ledger.ends] == [("RELEASED", 0)]
        assert handed_back == []
    else:
        with pytest.raises(HandedBack):
            await ended(task)
        assert (handed_back, ledger.ends) == ([run], [])


async def book_late(ledger: FakeHolds) -> None:
    """Let a few turns pass before what is being booked is booked."""
    assert ledger.may_end is not None
    for _ in range(5):
        await asyncio.sleep(0)
    ledger.may_end.set()
