"""Where the buckets of a time series begin: hours, days and months as a time zone has them.

Zones put clocks forward and back, by an hour or less, at midnight or not, and one of them skipped a
whole day. A bucket is therefore what lies between two moments, never a number of seconds: a day has
23 or 25 hours where clocks change, an hour that a change cuts short is a bucket of its own, and a
day that never was is none.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InvalidInput
from domain.reporting import Span

BUCKETS_MAX: Final = 750
FIRST_YEAR: Final = 1970
AHEAD_MAX: Final = timedelta(days=366)
"""How far past now a range may end: calendars show the whole month, or year, that has begun."""

_ZONE_LENGTH_MAX: Final = 64
_HOUR: Final = timedelta(hours=1)
_TICK: Final = timedelta(microseconds=1)
_LONGEST: Final = {"HOUR": _HOUR, "DAY": timedelta(hours=26), "MONTH": timedelta(days=32)}
"""A range that has too many of these has too many buckets, without counting them."""


class TimeBucket(StrEnum):
    """Width of one point of a time series."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


def zone_named(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises InvalidInput for a name that is none."""
    if len(name) <= _ZONE_LENGTH_MAX and name.isascii():
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidInput.at(
        "time_zone", 'Unknown. Use a name of the IANA database, such as "UTC" or "Europe/Berlin".'
    )


def checked(start: datetime, end: datetime | None, *, now: datetime) -> Span:
    """The range from a time to another, or to now. Raises InvalidInput for one that cannot be."""
    if start.year < FIRST_YEAR:
        raise InvalidInput.at("range.from", f"Begin in {FIRST_YEAR} or later.")
    if end is None and start >= now:
        raise InvalidInput.at("range.from", "Lies in the future; begin before now.")
    if end is not None and start >= end:
        raise InvalidInput.at("range.to", "Must be later than `from`.")
    if end is not None and end > now + AHEAD_MAX:
        raise InvalidInput.at(
            "range.to", f"At most {AHEAD_MAX.days} days ahead. Leave it out to end now."
        )
    return Span(start, now if end is None else end)


def buckets(span: Span, width: TimeBucket, zone: ZoneInfo) -> list[datetime]:
    """Where each bucket of a range begins, the first of them at or before the range itself.

    Raises InvalidInput when there are more than 750.
    """
    end = _end(span)
    found: list[datetime] = []
    if (end - span.start) / _LONGEST[width] <= BUCKETS_MAX + 1:
        for start in _starts(span.start, width, zone):
            if start >= end or len(found) > BUCKETS_MAX:
                break
            found.append(start)
    if not 0 < len(found) <= BUCKETS_MAX:
        raise InvalidInput.at(
            "range",
            f"Has more than {BUCKETS_MAX} buckets of one {width}. "
            "Narrow the range, or choose a wider `bucket`.",
        )
    return found


def _end(span: Span) -> datetime:
    if span.end is None:
        raise AssertionError("a range that was checked has an end")
    return span.end


def _starts(start: datetime, width: TimeBucket, zone: ZoneInfo) -> Iterator[datetime]:
    """Beginnings of buckets, without an end: from the bucket that a time lies in."""
    match width:
        case TimeBucket.HOUR:
            yield from _hours(start, zone)
        case TimeBucket.DAY:
            local = start.astimezone(zone).date()
            # The day before is there for clocks that are put back past midnight.
            yield from _from(start, (_midnight(day, zone) for day in _days(local)))
        case TimeBucket.MONTH:
            local = start.astimezone(zone).date()
            yield from _from(start, (_midnight(day, zone) for day in _months(local)))


def _from(start: datetime, beginnings: Iterator[datetime]) -> Iterator[datetime]:
    """Beginnings in their order, each once, from the last one that is not after a time."""
    for beginning, following in pairwise(beginnings):
        if following > start and following > beginning:
            yield beginning


def _days(first: date) -> Iterator[date]:
    day = first - timedelta(days=1)
    while True:
        yield day
        day += timedelta(days=1)


def _months(first: date) -> Iterator[date]:
    month = first.year * 12 + first.month - 2
    while True:
        yield date(month // 12, month % 12 + 1, 1)
        month += 1


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day; of a day that never was, the first one after it."""
    naive = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone is what is asked for
    told = naive.replace(tzinfo=zone).astimezone(UTC)
    before = (told - _TICK).astimezone(zone)
    if before.date() < day or told.astimezone(zone).date() < day:
        return told
    # Clocks were put forward from the day before to past midnight.
    return _change(told - timedelta(days=1), told, zone)


def _hours(start: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Beginnings of hours by the clock; one that is cut by a change begins with it."""
    hour = start.astimezone(UTC)
    floor = hour - _past_the_hour(hour, zone)
    if _offset(floor, zone) != _offset(hour, zone):
        floor = _change(floor, hour, zone)
    hour = floor
    while True:
        yield hour
        following = hour + _HOUR - _past_the_hour(hour, zone)
        if _offset(following - _TICK, zone) != _offset(hour, zone):
            following = _change(hour, following - _TICK, zone)
        hour = following


def _past_the_hour(time: datetime, zone: ZoneInfo) -> timedelta:
    local = time.astimezone(zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _offset(time: datetime, zone: ZoneInfo) -> timedelta | None:
    return time.astimezone(zone).utcoffset()


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """When the offset became what it is after, to the second; it was another before."""
    offset = _offset(after, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == offset:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)
