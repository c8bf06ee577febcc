"""A cover has everything of a range once, and no cell that reaches over an edge."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as some

from domain.covering import (
    MINUTE,
    NO_RECORDS_BEFORE,
    Cover,
    Range,
    cover,
)

DAY = 1440 * MINUTE
BASE = NO_RECORDS_BEFORE + 9_000 * DAY

MOMENTS = some.one_of(
    some.integers(0, 5 * DAY), some.integers(0, 5 * 96).map(lambda n: n * 15 * MINUTE)
).map(lambda offset: BASE + offset)


def as_read(covered: Cover, mark: int) -> list[Range]:
    """What is read: of cells the part before the mark, and records."""
    cells = [(start, min(end, mark)) for _, (start, end) in covered.cells if start < mark]
    return sorted([*cells, *covered.records])


def joined(ranges: Sequence[Range]) -> list[Range]:
    found: list[Range] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


@given(
    span=some.tuples(MOMENTS, MOMENTS),
    edges=some.lists(MOMENTS, max_size=6, unique=True).map(sorted),
    mark=some.one_of(some.just(0), MOMENTS),
)
def test_everything_within_a_range_is_read_once(span: Range, edges: list[int], mark: int) -> None:
    covered = cover(span, edges, mark)

    assert joined(as_read(covered, mark)) == ([span] if span[0] < span[1] else [])
    for minutes, (start, end) in covered.cells:
        assert start % (minutes * MINUTE) == end % (minutes * MINUTE) == 0
        assert span[0] <= start < end <= span[1]
        for edge in edges:
            begins = edge - edge % (minutes * MINUTE)
            assert begins == edge or not start <= begins < end


def test_whole_days_are_one_range_of_cells() -> None:
    edges = [BASE + n * DAY for n in range(30)]

    covered = cover((BASE, BASE + 30 * DAY), edges, BASE + 40 * DAY)

    assert covered == Cover([(1440, (BASE, BASE + 30 * DAY))], [])


def test_what_no_cell_fits_into_is_read_record_by_record() -> None:
    start, end = BASE + 7 * MINUTE, BASE + DAY + 22 * MINUTE
    mark = BASE + DAY + 16 * MINUTE

    covered = cover((start, end), [], mark)

    assert covered.cells == [
        (15, (BASE + 15 * MINUTE, BASE + 60 * MINUTE)),
        (15, (BASE + DAY, BASE + DAY + 15 * MINUTE)),
        (60, (BASE + 60 * MINUTE, BASE + DAY)),
    ]
    assert covered.records == [
        (start, BASE + 15 * MINUTE),
        (BASE + DAY + 15 * MINUTE, end),
    ]


def test_since_the_year_2000_zones_are_apart_by_quarters_of_an_hour() -> None:
    quarter = timedelta(minutes=15)
    days = [datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(0, 37 * 365, 20)]

    for name in available_timezones():
        zone = ZoneInfo(name)
        offsets = {day.astimezone(zone).utcoffset() for day in days}
        assert all(offset is not None and not offset % quarter for offset in offsets), name
