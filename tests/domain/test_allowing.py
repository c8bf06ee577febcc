"""An allowance is never exceeded in any window, and comes back evenly."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allowing import Rate
from domain.errors import RateLimited

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIXTY_A_MINUTE = Rate(60, MINUTE)


def test_a_fresh_caller_has_the_whole_limit() -> None:
    allowance = SIXTY_A_MINUTE.take(1, empty_at=LONG_AGO, now=NOON)

    assert (allowance.cost, allowance.limit, allowance.remaining) == (1, 60, 59)
    assert allowance.reset_at == NOON + timedelta(seconds=1)


def test_the_whole_limit_fits_at_once_and_nothing_more() -> None:
    full = SIXTY_A_MINUTE.take(60, empty_at=LONG_AGO, now=NOON)

    assert full.remaining == 0
    with pytest.raises(RateLimited) as refused:
        SIXTY_A_MINUTE.take(1, empty_at=full.reset_at, now=NOON)
    assert refused.value.retry_after_seconds == 1


def test_waiting_as_long_as_told_is_long_enough() -> None:
    full = SIXTY_A_MINUTE.take(60, empty_at=LONG_AGO, now=NOON)
    with pytest.raises(RateLimited) as refused:
        SIXTY_A_MINUTE.take(7, empty_at=full.reset_at, now=NOON + timedelta(milliseconds=300))
    wait = timedelta(seconds=refused.value.retry_after_seconds)

    later = SIXTY_A_MINUTE.take(
        7, empty_at=full.reset_at, now=NOON + timedelta(milliseconds=300) + wait
    )

    assert later.remaining == 0


def test_a_refusal_takes_nothing() -> None:
    full = SIXTY_A_MINUTE.take(59, empty_at=LONG_AGO, now=NOON)
    with pytest.raises(RateLimited):
        SIXTY_A_MINUTE.take(2, empty_at=full.reset_at, now=NOON)

    assert SIXTY_A_MINUTE.take(1, empty_at=full.reset_at, now=NOON).remaining == 0


def test_an_amount_above_the_limit_never_fits() -> None:
    with pytest.raises(RateLimited):
        SIXTY_A_MINUTE.take(61, empty_at=LONG_AGO, now=NOON)


@given(
    limit=st.integers(1, 20_000),
    steps=st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 50)), max_size=60),
)
def test_no_window_lets_more_than_twice_the_limit_through(
    limit: int, steps: list[tuple[int, int]]
) -> None:
    rate, now, empty_at = Rate(limit, MINUTE), NOON, LONG_AGO
    taken: list[tuple[datetime, int]] = []
    for milliseconds, amount in steps:
        now += timedelta(milliseconds=milliseconds)
        try:
            allowance = rate.take(amount, empty_at=empty_at, now=now)
        except RateLimited:
            continue
        empty_at = allowance.reset_at
        taken.append((now, amount))
        assert 0 <= allowance.remaining <= limit - amount

    for start, _ in taken:
        in_window = sum(amount for at, amount in taken if start <= at < start + MINUTE)
        assert in_window <= 2 * limit
