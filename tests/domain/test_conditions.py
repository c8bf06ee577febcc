"""A condition is told when it begins, counted while it lasts, and over after a calm."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.conditions import (
    CALM_FOR,
    COUNTED_EVERY,
    REMINDED_AFTER,
    Height,
    Lasting,
    Reading,
    judged,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HIGH, BETWEEN, LOW = Height.HIGH, Height.BETWEEN, Height.LOW


@dataclass(slots=True)
class Story:
    """A condition as looks see it, a minute apart, and what is told of it."""

    now: datetime = NOON
    lasting: Lasting | None = None
    told: list[datetime] = field(default_factory=list)

    def see(self, *heights: Height, every: timedelta = MINUTE) -> "Story":
        for height in heights:
            verdict = judged(self.lasting, Reading(subject="s", height=height), self.now)
            self.lasting = verdict.lasting
            if verdict.is_told:
                self.told.append(self.now)
            self.now += every
        return self

    def acknowledge(self) -> "Story":
        if self.lasting is not None:
            self.lasting = replace(self.lasting, acknowledged_at=self.now)
        return self


def test_what_never_was_high_is_not_told() -> None:
    assert Story().see(LOW, BETWEEN, BETWEEN, LOW).told == []


def test_what_is_high_is_told_at_once() -> None:
    assert Story().see(BETWEEN, HIGH).told == [NOON + MINUTE]


def test_what_stays_high_is_counted_now_and_then() -> None:
    told = Story().see(*[HIGH] * 25).told

    assert told == [NOON, NOON + COUNTED_EVERY, NOON + 2 * COUNTED_EVERY]


def test_what_swings_within_minutes_is_one_condition() -> None:
    story = Story().see(*[HIGH, LOW, LOW, HIGH, BETWEEN, LOW] * 10)

    assert story.told == [NOON + times * 12 * MINUTE for times in range(5)]


def test_what_was_calm_for_long_enough_is_over_and_begins_anew() -> None:
    story = Story().see(HIGH, *[LOW] * 6)
    assert story.lasting is None

    assert len(story.see(HIGH).told) == 2


def test_calm_that_was_broken_begins_anew() -> None:
    story = Story().see(HIGH, *[LOW] * 4, BETWEEN, *[LOW] * 4)

    assert story.lasting is not None


def test_what_somebody_has_seen_is_left_alone_for_a_day() -> None:
    story = Story().see(HIGH).acknowledge()

    story.see(*[HIGH] * 23, every=timedelta(hours=1))
    assert len(story.told) == 1

    story.see(HIGH, HIGH, every=timedelta(hours=1))
    assert len(story.told) == 2


def test_what_was_seen_and_is_over_is_told_when_it_begins_again() -> None:
    story = Story().see(HIGH).acknowledge().see(*[LOW] * 6)

    assert len(story.see(HIGH).told) == 2


def test_one_finding_is_not_counted_twice() -> None:
    finding = Reading(subject="s", height=HIGH, measured_at=NOON - MINUTE)
    first = judged(None, finding, NOON)

    again = judged(first.lasting, finding, NOON + 2 * COUNTED_EVERY)
    newer = judged(
        again.lasting,
        replace(finding, measured_at=NOON + COUNTED_EVERY),
        NOON + 2 * COUNTED_EVERY,
    )

    assert [first.is_told, again.is_told, newer.is_told] == [True, False, True]


STEPS = st.lists(
    st.tuples(st.sampled_from(Height), st.integers(1, 3_000), st.booleans()), max_size=120
)
"""What a look sees, the seconds until the next one, and whether somebody takes note meanwhile."""


@given(STEPS)
def test_whatever_is_seen_no_condition_is_told_too_often(
    steps: Sequence[tuple[Height, int, bool]],
) -> None:
    story = Story()
    begun_at: datetime | None = None
    """When the condition that lasts was told last."""
    calm_since: datetime | None = None
    seen_at: datetime | None = None

    for height, seconds, takes_note in steps:
        now, before = story.now, len(story.told)
        story.see(height, every=timedelta(seconds=seconds))
        is_told = len(story.told) > before
        calm_since = None if height is not LOW else calm_since or now

        if height is not HIGH:
            assert not is_told
        elif begun_at is None:
            assert is_told
        elif is_told and seen_at is None:
            assert now - begun_at >= COUNTED_EVERY
        elif is_told and seen_at is not None:
            assert now - seen_at >= REMINDED_AFTER
        if is_told:
            begun_at, seen_at = now, None
        if story.lasting is None and begun_at is not None:
            assert calm_since is not None
            assert now - calm_since >= CALM_FOR
            begun_at = seen_at = None
        if takes_note and story.lasting is not None and seen_at is None:
            story.acknowledge()
            seen_at = story.now
        assert (story.lasting is None) == (begun_at is None)


@given(st.lists(st.sampled_from(Height), min_size=1, max_size=200))
def test_flapping_faster_than_calm_is_one_condition(heights: Sequence[Height]) -> None:
    longest_calm = max(
        (len(run) for run in "".join(h[0] for h in heights).replace("H", "|").split("|")), default=0
    )
    story = Story().see(HIGH, *heights)
    beginnings = 1 + len(heights) // (CALM_FOR // MINUTE)

    if longest_calm <= CALM_FOR // MINUTE:
        assert story.lasting is not None
    assert len(story.told) <= beginnings
