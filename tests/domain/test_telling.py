"""What follows from how an endpoint takes an event."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.telling import (
    JITTER,
    RETRIES_AFTER,
    DeliveryState,
    Endpoint,
    EventType,
    Reply,
    Verdict,
    judged,
    types_wanted,
)

FAILED = Reply(status=500)
DEAD = Verdict(state=DeliveryState.DEAD)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_is_accepted_is_delivered(status: int) -> None:
    verdict = judged(Reply(status=status), failed_before=3, jitter=0)

    assert verdict == Verdict(state=DeliveryState.DELIVERED)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=100),
        Reply(status=301),
        Reply(status=307),
        Reply(status=400),
        Reply(status=404),
        FAILED,
        Reply(fault="no connection"),
    ],
    ids=lambda reply: str(reply.status),
)
def test_whatever_else_is_said_is_tried_again(reply: Reply) -> None:
    verdict = judged(reply, failed_before=0, jitter=0)

    assert verdict == Verdict(state=DeliveryState.WAITING, again_in=timedelta(seconds=5))


def test_an_event_is_given_up_after_three_days() -> None:
    waits = [judged(FAILED, failed_before=n, jitter=0).again_in for n in range(len(RETRIES_AFTER))]

    assert waits == list(RETRIES_AFTER)
    assert waits == sorted(waits, key=lambda wait: wait or timedelta(0))
    assert timedelta(days=3) < sum(RETRIES_AFTER, timedelta(0)) < timedelta(days=3.2)
    assert judged(FAILED, failed_before=len(RETRIES_AFTER), jitter=0) == DEAD


@given(st.integers(0, len(RETRIES_AFTER) - 1), st.floats(0, 1))
def test_a_wait_is_never_shorter_and_little_longer_than_its_step(tries: int, jitter: float) -> None:
    wait = judged(FAILED, failed_before=tries, jitter=jitter).again_in

    step = RETRIES_AFTER[tries]
    assert wait is not None
    assert step <= wait <= step * (1 + JITTER) + timedelta(microseconds=1)


def test_an_endpoint_that_is_gone_wants_nothing_more() -> None:
    assert judged(Reply(status=410), failed_before=0, jitter=0) == Verdict(
        state=DeliveryState.DEAD, is_gone=True
    )


@pytest.mark.parametrize(
    ("status", "said", "waits"),
    [
        (429, timedelta(minutes=2), timedelta(minutes=2)),
        (503, timedelta(minutes=2), timedelta(minutes=2)),
        (503, timedelta(seconds=1), timedelta(seconds=5)),
        (429, timedelta(days=400), timedelta(days=1)),
        (500, timedelta(minutes=2), timedelta(seconds=5)),
        (429, None, timedelta(seconds=5)),
    ],
)
def test_an_endpoint_may_say_when_it_can_be_asked_again(
    status: int, said: timedelta | None, waits: timedelta
) -> None:
    reply = Reply(status=status, retry_after=said)

    assert judged(reply, failed_before=0, jitter=0).again_in == waits


def test_an_event_is_wanted_when_one_endpoint_wants_it() -> None:
    low = Endpoint(name="a", url="", secrets=(), types=frozenset({EventType.BALANCE_LOW}))
    alert = Endpoint(name="b", url="", secrets=(), types=frozenset({EventType.ALERT_RAISED}))

    assert types_wanted([]) == frozenset()
    assert types_wanted([low, alert]) == {EventType.BALANCE_LOW, EventType.ALERT_RAISED}
    assert types_wanted([Endpoint(name="c", url="", secrets=())]) == set(EventType)
