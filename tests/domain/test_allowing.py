"""An allowance is never exceeded in any window, and comes back evenly."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allowing import Allowance, IdentityTries, Rate, network_of
from domain.errors import RateLimited
from tests.domain.entrance import FakeWatch

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


@dataclass(slots=True)
class ThreeEach:
    """Three at noon for each name, and none afterwards."""

    empty_at: dict[str, datetime] = field(default_factory=dict)

    async def take(self, who: str, amount: int = 1) -> Allowance:
        allowance = Rate(3, MINUTE).take(
            amount, empty_at=self.empty_at.get(who, LONG_AGO), now=NOON
        )
        self.empty_at[who] = allowance.reset_at
        return allowance


async def test_one_place_cannot_try_many_identities() -> None:
    tries = IdentityTries(by_network=ThreeEach(), by_identity=ThreeEach(), watch=FakeWatch())
    for name in ("ada", "bob", "eve"):
        await tries.count("192.0.2.1", name)

    await tries.count("192.0.2.2", "zoe")
    with pytest.raises(RateLimited):
        await tries.count("192.0.2.1", "zoe")


async def test_many_places_cannot_try_one_identity() -> None:
    tries = IdentityTries(by_network=ThreeEach(), by_identity=ThreeEach(), watch=FakeWatch())
    for number in range(3):
        await tries.count(f"192.0.2.{number}", "ada")

    await tries.count("192.0.2.9", "bob")
    with pytest.raises(RateLimited):
        await tries.count("192.0.2.9", "ada")


async def test_refused_tries_are_noted_and_others_are_not() -> None:
    watch = FakeWatch()
    tries = IdentityTries(by_network=ThreeEach(), by_identity=ThreeEach(), watch=watch)
    for number in range(3):
        await tries.count(f"192.0.2.{number}", "ada")
    assert watch.refused == []

    with pytest.raises(RateLimited):
        await tries.count("192.0.2.9", "ada")

    assert watch.refused == [("192.0.2.9", "ada", None)]


async def test_a_try_that_names_nobody_is_counted_by_its_place() -> None:
    tries = IdentityTries(by_network=ThreeEach(), by_identity=ThreeEach(), watch=FakeWatch())
    for _ in range(3):
        await tries.count("2001:db8::1")

    with pytest.raises(RateLimited):
        await tries.count("2001:db8::ffff:2")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_a_subscribers_addresses_are_one(address: str, network: str) -> None:
    assert network_of(address) == network
