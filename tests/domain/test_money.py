"""Amounts as people write them, and rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import format_credits, format_usd, parse_credits, parse_usd, rounded_up
from domain.units import MICROCREDITS_MAX, Microcredits

AMOUNTS = st.integers(-MICROCREDITS_MAX, MICROCREDITS_MAX).map(Microcredits)


@pytest.mark.parametrize(
    ("text", "microcredits"),
    [
        ("0", 0),
        ("12", 12_000_000),
        ("0.3", 300_000),
        ("-12.000001", -12_000_001),
        ("007.50", 7_500_000),
        ("-0", 0),
        ("4611686018427.387904", MICROCREDITS_MAX),
    ],
)
def test_an_amount_is_read_exactly(text: str, microcredits: int) -> None:
    assert parse_credits(text) == microcredits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+1",
        "1.",
        ".5",
        "0.0000001",
        "1e3",
        "NaN",
        "inf",
        "1,5",
        " 1",
        "1\n",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1_0",
        "--1",
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal number"):
        parse_credits(text)


@pytest.mark.parametrize("text", ["4611686018427.387905", "-4611686018427.387905", "9" * 20])
def test_an_amount_too_large_for_the_books_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        parse_credits(text)


def test_a_number_of_thousands_of_digits_is_refused_without_being_computed() -> None:
    with pytest.raises(ValueError, match="plain decimal number"):
        parse_credits("9" * 5_000)


@given(AMOUNTS)
def test_what_is_written_reads_back_as_the_same_amount(amount: Microcredits) -> None:
    assert parse_credits(format_credits(amount)) == amount


@pytest.mark.parametrize(
    ("microcredits", "text"),
    [(0, "0"), (1, "0.000001"), (-300_000, "-0.3"), (12_000_000, "12"), (10_500_000, "10.5")],
)
def test_an_amount_is_written_as_short_as_it_can_be(microcredits: int, text: str) -> None:
    assert format_credits(Microcredits(microcredits)) == text


def test_dollars_are_read_and_written_like_credits() -> None:
    assert format_usd(parse_usd("0.028")) == "0.028"


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**9))
def test_rounding_goes_up_and_by_less_than_one(numerator: int, denominator: int) -> None:
    quotient = rounded_up(numerator, denominator=denominator)

    assert 0 <= quotient * denominator - numerator < denominator
