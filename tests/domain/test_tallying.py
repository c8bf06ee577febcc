"""Strangers can cause as much as they like; what is written of it stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerting import AlertKind
from domain.errors import Unavailable
from domain.tallying import OTHERS, SUBJECTS_MAX, WRITTEN_MAX, Count, Tally
from domain.units import AccountId
from tests.domain.tallies import KeptCounts

ABUSE, REJECTED = AlertKind.SIGN_IN_ABUSE, AlertKind.WEBHOOK_REJECTED


def tally_of(kept: KeptCounts) -> Tally:
    return Tally(keeper=kept, hidden=lambda text: f"<{len(text)}>")


async def test_what_happened_often_is_one_row() -> None:
    kept = KeptCounts()
    tally = tally_of(kept)
    for _ in range(1_000):
        tally.webhook_rejected("STRIPE")

    await tally.write()
    await tally.write()

    assert kept.written == [[Count(kind=REJECTED, subject="STRIPE", times=1_000)]]


async def test_a_refused_try_counts_for_its_network_and_for_its_address() -> None:
    kept = KeptCounts()
    tally = tally_of(kept)
    tally.identity_refused("192.0.2.7", "signIn abc", AccountId(7))
    tally.identity_refused("2001:db8::1", "signIn abc")
    tally.identity_refused("2001:db8::2", None)

    await tally.write()

    assert kept.written == [
        [
            Count(kind=ABUSE, subject="address <10>", times=2, account_id=AccountId(7)),
            Count(kind=ABUSE, subject="network 2001:db8::/64", times=2),
            Count(kind=ABUSE, subject="network 192.0.2.7", times=1),
        ]
    ]


async def test_what_could_not_be_written_is_written_next_time() -> None:
    kept = KeptCounts(is_away=True)
    tally = tally_of(kept)
    tally.identity_refused("192.0.2.7", "signIn abc", AccountId(7))
    with pytest.raises(Unavailable):
        await tally.write()
    tally.identity_refused("192.0.2.7", "signIn abc")
    kept.is_away = False

    await tally.write()

    assert kept.written == [
        [
            Count(kind=ABUSE, subject="address <10>", times=2, account_id=AccountId(7)),
            Count(kind=ABUSE, subject="network 192.0.2.7", times=2),
        ]
    ]


@given(st.lists(st.integers(0, 3_000), max_size=4_000))
async def test_nothing_is_lost_and_little_is_written_whatever_comes(networks: list[int]) -> None:
    kept = KeptCounts()
    tally = tally_of(kept)
    for number in networks:
        tally.identity_refused(f"10.0.{number // 256}.{number % 256}", None)

    await tally.write()

    counts = [count for written in kept.written for count in written]
    assert sum(count.times for count in counts) == len(networks)
    assert len(counts) <= WRITTEN_MAX + 1
    assert len({count.subject for count in counts}) == len(counts)


async def test_the_most_frequent_are_told_by_name() -> None:
    kept = KeptCounts()
    tally = tally_of(kept)
    for number in range(SUBJECTS_MAX + 500):
        tally.identity_refused(f"10.0.{number // 256}.{number % 256}", None)
    for _ in range(100):
        tally.identity_refused("10.0.0.77", None)

    await tally.write()

    [counts] = kept.written
    assert counts[0] == Count(kind=ABUSE, subject="network 10.0.0.77", times=101)
    assert counts[-1].subject == OTHERS
    assert counts[-1].times == SUBJECTS_MAX + 600 - 101 - (WRITTEN_MAX - 1)
