"""Percentiles of many durations from few numbers.

Durations are counted in bins, each a tenth wider than the one before, so that whatever is read from
a bin is within five percent of what was put in. Histograms of parts add up to that of the whole,
however the parts were cut.
"""

import math
from collections.abc import Mapping
from typing import Final

RELATIVE_ERROR: Final = 0.05
GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
"""How many times wider each bin is than the one before."""

Histogram = Mapping[int, int]
"""How many durations fell into each bin."""


def bin_of(milliseconds: int) -> int:
    """Where a duration is counted. `bin_of` in SQL says the same."""
    if milliseconds < 1:
        return 0
    return 1 + math.ceil(math.log(milliseconds) / math.log(GROWTH))


def duration_of(bin_: int) -> int:
    """What is told of a bin: within 5 % of everything in it, apart from rounding to whole ms."""
    if bin_ == 0:
        return 0
    return math.floor(2 * GROWTH ** (bin_ - 1) / (GROWTH + 1) + 0.5)


def percentile(histogram: Histogram, percent: int) -> int:
    """The shortest duration that is at least as long as this many percent of them.

    Raises ValueError when there are none.
    """
    total = sum(histogram.values())
    rank = max(1, -(-total * percent // 100))
    counted = 0
    for bin_, count in sorted(histogram.items()):
        counted += count
        if counted >= rank:
            return duration_of(bin_)
    raise ValueError("There are no durations.")
