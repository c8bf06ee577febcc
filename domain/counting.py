"""What happened how often and how long it took, counted where it happens, for whoever watches.

Counting is on the way of every call, so it is a look-up and an addition. What is counted lives in
memory and says nothing about money: the books do.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

SERIES_MAX: Final = 500
"""How many combinations of labels are told apart; a name that callers can choose has no end."""
OTHER: Final = "other"

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds for what somebody waits for."""
COMMIT_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
"""Bounds for what the database does."""
SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Bounds for how much is done at once."""

Labels = tuple[str, ...]


class Tally:
    """How often something happened, told apart by labels."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[Labels, int] = {}

    def add(self, *labels: str) -> None:
        times = self._times
        if labels not in times and len(times) >= SERIES_MAX:
            labels = (OTHER,) * len(labels)
        times[labels] = times.get(labels, 0) + 1

    def read(self) -> Mapping[Labels, Sequence[float]]:
        return {labels: (times,) for labels, times in self._times.items()}


class Spread:
    """How values are spread: how many lie under each bound, and their sum; told apart by labels."""

    __slots__ = ("_series", "bounds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._series: dict[Labels, list[float]] = {}

    def add(self, value: float, *labels: str) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._begin(labels)
        series[bisect_left(self.bounds, value)] += 1
        series[-1] += value

    def read(self) -> Mapping[Labels, Sequence[float]]:
        """For each series how many values lie in each bucket, above all bounds, and their sum."""
        return {labels: tuple(series) for labels, series in self._series.items()}

    def _begin(self, labels: Labels) -> list[float]:
        if len(self._series) >= SERIES_MAX:
            labels = (OTHER,) * len(labels)
        return self._series.setdefault(labels, [0.0] * (len(self.bounds) + 2))
