"""Buckets begin where a zone's clocks say, on the days on which clocks change too."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.calendars import BUCKETS_MAX, TimeBucket, buckets, checked, zone_named
from domain.errors import InvalidInput
from domain.reporting import Span

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def span(start: str, end: str) -> Span:
    return Span(datetime.fromisoformat(start), datetime.fromisoformat(end))


def local_starts(zone: str, width: TimeBucket, start: str, end: str) -> list[str]:
    """What the zone's clocks show when each bucket begins."""
    found = buckets(span(start, end), width, ZoneInfo(zone))
    return [each.astimezone(ZoneInfo(zone)).isoformat() for each in found]


def test_the_first_bucket_is_the_one_that_the_range_begins_in() -> None:
    found = buckets(span("2026-03-01T10:20Z", "2026-03-03T00:00Z"), TimeBucket.DAY, ZoneInfo("UTC"))

    assert found == [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("zone", "width", "start", "end", "expected"),
    [
        pytest.param(
            "Europe/Berlin", TimeBucket.DAY, "2026-03-28T12:00Z", "2026-03-30T12:00Z",
            ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"],
            id="a day of 23 hours",
        ),
        pytest.param(
            "Europe/Berlin", TimeBucket.HOUR, "2026-10-25T00:30Z", "2026-10-25T02:30Z",
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
            id="an hour that comes twice",
        ),
        pytest.param(
            "Europe/Berlin", TimeBucket.HOUR, "2026-03-29T00:30Z", "2026-03-29T01:30Z",
            ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"],
            id="an hour that never was",
        ),
        pytest.param(
            "Europe/Berlin", TimeBucket.MONTH, "2026-03-15T00:00Z", "2026-05-01T00:00Z",
            ["2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00", "2026-05-01T00:00:00+02:00"],
            id="months of two offsets",
        ),
        pytest.param(
            "Asia/Kolkata", TimeBucket.HOUR, "2026-01-01T00:00Z", "2026-01-01T01:00Z",
            ["2026-01-01T05:00:00+05:30", "2026-01-01T06:00:00+05:30"],
            id="hours that begin at half past",
        ),
        pytest.param(
            "America/Sao_Paulo", TimeBucket.DAY, "2018-11-03T12:00Z", "2018-11-05T03:00Z",
            ["2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
            id="a day without a midnight",
        ),
        pytest.param(
            "America/Sao_Paulo", TimeBucket.DAY, "2018-02-17T12:00Z", "2018-02-18T12:00Z",
            ["2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"],
            id="midnight comes an hour late",
        ),
        pytest.param(
            "America/Havana", TimeBucket.DAY, "2024-11-02T12:00Z", "2024-11-04T12:00Z",
            ["2024-11-02T00:00:00-04:00", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00"],
            id="a midnight that comes twice",
        ),
        pytest.param(
            "Pacific/Apia", TimeBucket.DAY, "2011-12-29T12:00Z", "2011-12-31T12:00Z",
            ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"],
            id="a day that never was",
        ),
        pytest.param(
            "Australia/Lord_Howe", TimeBucket.HOUR, "2026-10-03T15:00Z", "2026-10-03T16:30Z",
            ["2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"],
            id="clocks put forward by half an hour",
        ),
    ],
)  # fmt: skip
def test_buckets_begin_when_the_clocks_of_the_zone_say(
    zone: str, width: TimeBucket, start: str, end: str, expected: list[str]
) -> None:
    assert local_starts(zone, width, start, end) == expected


@given(
    zone=some.sampled_from(sorted(available_timezones())),
    width=some.sampled_from(TimeBucket),
    start=some.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001
    minutes=some.integers(1, 40 * 24 * 60),
)
def test_buckets_of_any_zone_follow_each_other_and_cover_the_range(
    zone: str, width: TimeBucket, start: datetime, minutes: int
) -> None:
    wanted = Span(start, start + timedelta(minutes=min(minutes, 700 * 60)))

    found = buckets(wanted, width, ZoneInfo(zone))

    assert found[0] <= wanted.start
    assert all(earlier < later for earlier, later in pairwise(found))
    assert len(found) == 1 or found[1] > wanted.start
    assert wanted.end is not None
    assert found[-1] < wanted.end
    longest = {"HOUR": timedelta(hours=1), "DAY": timedelta(hours=49), "MONTH": timedelta(days=32)}
    assert wanted.end - found[-1] <= longest[width]


def test_750_months_are_not_too_many() -> None:
    wanted = span("1970-01-01T00:00Z", "2032-07-01T00:00Z")

    assert len(buckets(wanted, TimeBucket.MONTH, ZoneInfo("UTC"))) == BUCKETS_MAX


def test_750_buckets_are_the_most() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    most = Span(start, start + timedelta(hours=BUCKETS_MAX))
    too_long = Span(start, start + timedelta(hours=BUCKETS_MAX, microseconds=1))

    assert len(buckets(most, TimeBucket.HOUR, ZoneInfo("UTC"))) == BUCKETS_MAX
    with pytest.raises(InvalidInput, match="more than 750 buckets of one HOUR"):
        buckets(too_long, TimeBucket.HOUR, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../UTC", "/etc/passwd", "UTC\0", "Zürich", "x" * 5_000]
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="IANA"):
        zone_named(name)


@pytest.mark.parametrize(
    ("start", "end", "path"),
    [
        ("2026-07-01T12:00Z", None, "range.from"),
        ("1969-12-31T23:59Z", None, "range.from"),
        ("2026-01-01T00:00Z", "2026-01-01T00:00Z", "range.to"),
        ("2026-01-02T00:00Z", "2026-01-01T00:00Z", "range.to"),
        ("2026-01-01T00:00Z", "2027-07-02T12:00:01Z", "range.to"),
    ],
)
def test_a_range_that_cannot_be_is_refused(start: str, end: str | None, path: str) -> None:
    ends = None if end is None else datetime.fromisoformat(end)

    with pytest.raises(InvalidInput, match=path):
        checked(datetime.fromisoformat(start), ends, now=NOW)


def test_a_range_without_an_end_ends_now() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)

    assert checked(start, None, now=NOW) == Span(start, NOW)
