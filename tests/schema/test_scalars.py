"""Amounts, times and counts travel exactly or not at all."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import MICROCREDITS_MAX, Microcredits
from schema.scalars import (
    SCALARS,
    Count,
    format_count,
    format_time,
    parse_amount_of_credits,
    parse_amount_of_usd,
    parse_count,
    parse_time,
)


@given(st.integers(-MICROCREDITS_MAX, MICROCREDITS_MAX).map(Microcredits))
def test_an_amount_reads_back_as_it_was_sent(amount: Microcredits) -> None:
    serialize = SCALARS[Microcredits].serialize
    assert serialize is not None

    assert parse_amount_of_credits(serialize(amount)) == amount


@pytest.mark.parametrize(
    ("given", "amount"),
    [("0.3", 300_000), (12, 12_000_000), (-1, -1_000_000), ("-12.000001", -12_000_001), ("0", 0)],
)
def test_amounts_are_decimal_strings_or_whole_numbers(given: object, amount: int) -> None:
    assert parse_amount_of_credits(given) == amount
    assert parse_amount_of_usd(given) == amount


@pytest.mark.parametrize(
    "given",
    [
        0.3,
        1.0,
        True,
        None,
        [],
        {},
        "",
        " 1",
        "1 ",
        "+1",
        "1e3",
        "NaN",
        "Infinity",
        "0x1",
        "1_000",
        "0.0000001",
        ".5",
        "5.",
        "--1",
        "1,5",
        "٣",
        10**40,
        "9" * 5000,
    ],
)
def test_nothing_else_is_an_amount(given: object) -> None:
    with pytest.raises(ValueError, match=r"decimal|too large"):
        parse_amount_of_credits(given)


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T11:30:00+02:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.5Z", datetime(2026, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T09:30:00.000001Z", datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC)),
    ],
)
def test_times_carry_their_offset(given: str, time: datetime) -> None:
    assert parse_time(given) == time


@pytest.mark.parametrize(
    "given",
    [
        "2026-01-31T09:30:00",
        "2026-01-31",
        "2026-02-30T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "20260131T093000Z",
        "2026-W05-6T09:30:00Z",
        "2026-01-31 09:30:00Z",
        "now",
        "",
        "2026-01-31T09:30:00.1234567Z",
        "0001-01-01T00:00:00+14:00",
        1769851800,
        None,
        True,
    ],
)
def test_nothing_else_is_a_time(given: object) -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_time(given)


def test_times_are_told_in_utc() -> None:
    nairobi = timezone(timedelta(hours=3))

    assert format_time(datetime(2026, 1, 31, 12, 30, tzinfo=nairobi)) == "2026-01-31T09:30:00Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_reads_back_as_it_was_told(time: datetime) -> None:
    assert parse_time(format_time(time)) == time


def test_counts_go_past_32_bits_and_stop_where_json_readers_lose_them() -> None:
    assert format_count(Count(2**53 - 1)) == 2**53 - 1
    with pytest.raises(ValueError, match=r"2\^53-1"):
        format_count(Count(2**53))


@pytest.mark.parametrize("given", [-1, 2**53, 1.0, "1", True, None])
def test_nothing_else_is_a_count(given: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse_count(given)
