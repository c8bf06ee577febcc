"""How a range of time is covered by cells that were added up, and by records that were not.

A cell is some minutes long and begins at a multiple of them. Every cell of a cover lies within one
piece of the range, so that what it holds belongs to that piece whole; what no cell fits into, and
what came after the mark to which cells were filled, is read record by record.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Range = tuple[int, int]
"""From a moment on, up to another (exclusive)."""

MINUTE: Final = 60_000_000
WIDTHS: Final = (1440, 60, 15)
"""Minutes of the cells that are kept, widest first."""

NO_RECORDS_BEFORE: Final = 946_684_800_000_000
"""The year 2000. Since then all zones have been ahead or behind by quarters of an hour, so that
cells fit between their midnights."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Ranges that together are a range, none of them twice."""

    cells: Sequence[tuple[int, Range]]
    """Ranges of whole cells, each with their minutes."""
    records: Sequence[Range]
    """Ranges in which records are read one by one."""


def cover(span: Range, edges: Sequence[int], mark: int) -> Cover:
    """Cover a span, whose pieces begin at the edges, with cells that hold what is before a mark."""
    start, end = max(span[0], NO_RECORDS_BEFORE), span[1]
    cells: list[tuple[int, Range]] = []
    records: list[Range] = [(max(start, mark), end)]
    for piece in _pieces((start, min(end, _whole(mark))), edges):
        for minutes, found in _filled(piece, WIDTHS):
            if minutes == 0:
                records.append((found[0], min(found[1], mark)))
            else:
                cells.append((minutes, found))
    return Cover(list(_joined_cells(cells)), list(_joined(records)))


def _whole(mark: int) -> int:
    """The end of the widest cell that the mark lies in: later cells hold nothing."""
    width = WIDTHS[0] * MINUTE
    return -(-mark // width) * width


def _pieces(span: Range, edges: Sequence[int]) -> Iterator[Range]:
    within = [edge for edge in edges if span[0] < edge < span[1]]
    bounds = [span[0], *within, span[1]]
    return ((a, b) for a, b in pairwise(bounds) if a < b)


def _filled(piece: Range, widths: Sequence[int]) -> Iterator[tuple[int, Range]]:
    """The widest cells that fit, then narrower ones on both sides; 0 minutes is no cell."""
    start, end = piece
    if start >= end:
        return
    if not widths:
        yield 0, piece
        return
    width = widths[0] * MINUTE
    first, last = -(-start // width) * width, end // width * width
    if first >= last:
        yield from _filled(piece, widths[1:])
        return
    yield from _filled((start, first), widths[1:])
    yield widths[0], (first, last)
    yield from _filled((last, end), widths[1:])


def _joined_cells(cells: Iterable[tuple[int, Range]]) -> Iterator[tuple[int, Range]]:
    by_width: dict[int, list[Range]] = {}
    for minutes, found in cells:
        by_width.setdefault(minutes, []).append(found)
    for minutes, ranges in by_width.items():
        yield from ((minutes, joined) for joined in _joined(ranges))


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """Ranges that are not empty, in order; those that touch are one."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return iter(joined)
