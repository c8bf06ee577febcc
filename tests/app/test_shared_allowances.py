"""However many processes count, a caller gets the limit, give or take a block for each of them."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared_allowances import BLOCKS_IN_LIMIT, SharedAllowances
from domain.allowing import Filling, Level, Rate
from domain.errors import RateLimited, Unavailable
from tests.app.clocks import MovedClock

MINUTE = timedelta(minutes=1)
LIMIT = 200
BLOCK = LIMIT // BLOCKS_IN_LIMIT


@dataclass(slots=True)
class BucketsInMemory:
    """Buckets that any number of processes may fill, and how often they did."""

    clock: MovedClock
    empty_at: dict[str, datetime] = field(default_factory=dict)
    asked: int = 0
    is_away: bool = False
    is_silent: bool = False

    async def fill(self, name: str, filling: Filling) -> Level:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_silent:
            await asyncio.sleep(3_600)
        if self.is_away:
            raise Unavailable("away")
        now = self.clock.now()
        begins_at = max(now, self.empty_at.get(name, now))
        room = filling.window - (begins_at - now)
        taken = min(filling.wanted, room) if filling.needed <= room else timedelta(0)
        self.empty_at[name] = begins_at + taken
        return Level(taken=taken, runs_empty_in=begins_at + taken - now)


def process(buckets: BucketsInMemory, limit: int = LIMIT) -> SharedAllowances:
    return SharedAllowances(
        kind="points", rate=Rate(limit, MINUTE), buckets=buckets, clock=buckets.clock
    )


async def admitted(allowances: SharedAllowances, tries: int, amount: int = 1) -> int:
    """How many points of so many tries get through."""
    points = 0
    for _ in range(tries):
        with suppress(RateLimited):
            points += (await allowances.take("ada", amount)).cost
    return points


async def test_most_requests_ask_nobody() -> None:
    buckets = BucketsInMemory(MovedClock())

    points = await admitted(process(buckets), LIMIT)

    assert (points, buckets.asked) == (LIMIT, BLOCKS_IN_LIMIT)


async def test_one_process_lets_exactly_the_limit_through() -> None:
    buckets = BucketsInMemory(MovedClock())
    allowances = process(buckets)

    points = await admitted(allowances, LIMIT + 50, amount=1)

    assert points == LIMIT
    with pytest.raises(RateLimited) as refused:
        await allowances.take("ada", 10)
    assert refused.value.retry_after_seconds == 3


async def test_what_is_told_goes_down_by_what_each_request_costs() -> None:
    allowances = process(BucketsInMemory(MovedClock()))

    told = [await allowances.take("ada", 3) for _ in range(5)]

    assert [allowance.remaining for allowance in told] == [197, 194, 191, 188, 185]
    assert [allowance.limit for allowance in told] == [LIMIT] * 5
    assert told[-1].reset_at - allowances.clock.now() == timedelta(seconds=4.5)


async def test_two_processes_together_let_no_more_through_than_one() -> None:
    buckets = BucketsInMemory(MovedClock())
    one, other = process(buckets), process(buckets)

    points = 0
    for _ in range(LIMIT):
        points += await admitted(one, 1) + await admitted(other, 1)

    assert points == LIMIT


async def test_what_a_process_does_not_use_is_given_up_when_it_has_drained() -> None:
    clock = MovedClock()
    buckets = BucketsInMemory(clock)
    one, other = process(buckets), process(buckets)
    await one.take("ada")
    assert await admitted(other, LIMIT) == LIMIT - BLOCK

    clock.pass_on(seconds=MINUTE.total_seconds() / BLOCKS_IN_LIMIT)
    asked = buckets.asked
    await one.take("ada")

    assert buckets.asked == asked + 1


async def test_a_caller_whom_nobody_counted_is_told_what_is_left() -> None:
    allowances = process(BucketsInMemory(MovedClock()))

    told = await allowances.take("ada", 0)

    assert (told.cost, told.remaining) == (0, LIMIT)


async def test_callers_and_kinds_have_buckets_of_their_own() -> None:
    buckets = BucketsInMemory(MovedClock())
    points, questions = process(buckets, limit=1), process(buckets, limit=1)
    questions.kind = "questions"
    await points.take("ada")

    await points.take("bob")
    await questions.take("ada")
    with pytest.raises(RateLimited):
        await points.take("ada")


async def test_many_at_once_share_a_block_and_none_is_counted_twice() -> None:
    buckets = BucketsInMemory(MovedClock())
    allowances = process(buckets)

    told = await asyncio.gather(
        *(allowances.take("ada") for _ in range(LIMIT + 30)), return_exceptions=True
    )

    assert sum(isinstance(each, RateLimited) for each in told) == 30
    assert buckets.asked == 1


async def test_a_caller_who_is_refused_again_and_again_asks_the_books_once() -> None:
    clock = MovedClock()
    buckets = BucketsInMemory(clock)
    await admitted(process(buckets), LIMIT)
    other = process(buckets)

    points = await admitted(other, 50)
    asked = buckets.asked
    clock.pass_on(seconds=0.3)

    assert (points, asked) == (0, BLOCKS_IN_LIMIT + 1)
    assert await admitted(other, 50) == 1


@pytest.mark.parametrize("is_silent", [False, True], ids=["away", "silent"])
async def test_while_the_books_are_away_each_process_counts_by_itself(
    *, is_silent: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("app.shared_allowances.ANSWER_SECONDS_MAX", 0.01)
    clock = MovedClock()
    buckets = BucketsInMemory(clock, is_away=True, is_silent=is_silent)
    allowances = process(buckets)

    points = await admitted(allowances, LIMIT + 50)

    assert points == LIMIT
    assert buckets.asked == 1
    buckets.is_away = buckets.is_silent = False
    clock.pass_on(seconds=1)
    assert (await allowances.take("ada")).remaining == LIMIT - 1
    assert buckets.asked == 2


async def test_only_callers_seen_last_are_remembered() -> None:
    buckets = BucketsInMemory(MovedClock())
    allowances = process(buckets)
    allowances.callers_kept_max = 2
    for who in ("ada", "bob", "eve", "eve", "bob"):
        await allowances.take(who)
    assert buckets.asked == 3

    await allowances.take("ada")
    assert buckets.asked == 4


@given(
    moves=st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(1, 30), st.floats(0, 4, allow_nan=False), st.booleans()
        ),
        max_size=300,
    )
)
def test_no_minute_ever_holds_more_than_the_limit_and_what_drains_and_the_blocks(
    moves: list[tuple[int, int, float, bool]],
) -> None:
    clock = MovedClock()
    buckets = BucketsInMemory(clock)
    processes = [process(buckets) for _ in range(3)]
    granted: list[tuple[datetime, int]] = []

    async def run() -> None:
        for number, amount, seconds, waits in moves:
            if waits:
                clock.pass_on(seconds=seconds)
            try:
                await processes[number].take("ada", amount)
            except RateLimited:
                continue
            granted.append((clock.now(), amount))

    asyncio.run(run())

    for index, (begins_at, _) in enumerate(granted):
        for ends_at, _ in granted[index:]:
            window = [amount for at, amount in granted if begins_at <= at <= ends_at]
            drained = (ends_at - begins_at) / MINUTE * LIMIT
            assert sum(window) <= LIMIT + drained + len(processes) * max(BLOCK, 30) + 1
