"""Percentiles from a histogram are near the exact ones, however the durations were cut in parts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.histograms import RELATIVE_ERROR, bin_of, duration_of, percentile

DURATIONS = some.lists(some.integers(0, 2**31 - 1), min_size=1, max_size=300)


@given(some.integers(0, 2**31 - 1))
def test_what_is_told_of_a_bin_is_within_the_error_of_what_was_put_in(milliseconds: int) -> None:
    told = duration_of(bin_of(milliseconds))

    assert abs(told - milliseconds) <= RELATIVE_ERROR * milliseconds * (1 + 1e-9) + 0.5


@given(DURATIONS, some.integers(1, 100))
def test_a_percentile_is_within_the_error_of_the_exact_one(
    durations: list[int], percent: int
) -> None:
    exact = sorted(durations)[-(-len(durations) * percent // 100) - 1]

    told = percentile(Counter(map(bin_of, durations)), percent)

    assert abs(told - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9) + 0.5


@given(some.lists(DURATIONS, min_size=1, max_size=5))
def test_histograms_of_parts_add_up_to_that_of_the_whole(parts: list[list[int]]) -> None:
    merged: Counter[int] = Counter()
    for part in parts:
        merged.update(Counter(map(bin_of, part)))

    assert merged == Counter(bin_of(each) for part in parts for each in part)


def test_whole_milliseconds_that_are_few_are_told_exactly() -> None:
    assert [duration_of(bin_of(each)) for each in range(11)] == list(range(11))


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no durations"):
        percentile({}, 50)
