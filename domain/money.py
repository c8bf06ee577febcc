"""Amounts as people write them, and the one place where a fraction is rounded."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from domain.units import MICROCREDITS_MAX, Microcredits

MicroUSD = NewType("MicroUSD", int)
"""A millionth of a US dollar: what providers charge the operator. Never shown to users."""

MicroMoney = NewType("MicroMoney", int)
"""A millionth of a unit of the currency it stands next to."""

FRACTION_DIGITS: Final = 6
_SCALE: Final = 10**FRACTION_DIGITS
_AMOUNT: Final = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,6}))?")
_EXPECTED: Final = (
    "Write a plain decimal number with at most six fraction digits, such as 12 or 0.3 or -0.000001."
)


class Currency(StrEnum):
    """ISO 4217 codes of the currencies that can be paid in; each has a hundred subunits."""

    USD = "USD"
    KES = "KES"


MINOR_PER_UNIT: Final = 100


@dataclass(frozen=True, slots=True)
class Money:
    """Real money in whole subunits (cents), as providers count it. Currencies never mix."""

    minor: int
    currency: Currency

    @property
    def amount(self) -> MicroMoney:
        return MicroMoney(self.minor * (_SCALE // MINOR_PER_UNIT))

    def __str__(self) -> str:
        return f"{self.currency} {self.minor // MINOR_PER_UNIT}.{self.minor % MINOR_PER_UNIT:02}"


def rounded_up(numerator: int, *, denominator: int) -> int:
    """The quotient, rounded towards positive infinity.

    Every fraction of a micro-credit is rounded here, once per call and upwards. Once, because
    rounding each part would add up to more than the call. Upwards, because a call that used
    something must never be free, or a balance could be read dry in steps too small to charge;
    what the user loses by it is less than a millionth of a credit per call.
    """
    return -(-numerator // denominator)


def parse_credits(text: str) -> Microcredits:
    """Read an amount of credits; ValueError says what to write instead."""
    return Microcredits(_parse_millionths(text))


def parse_usd(text: str) -> MicroUSD:
    """Read an amount of US dollars; ValueError says what to write instead."""
    return MicroUSD(_parse_millionths(text))


def parse_money(text: str, currency: Currency) -> Money:
    """Read an amount of money in whole subunits; ValueError says what to write instead."""
    millionths = _parse_millionths(text)
    minor, rest = divmod(millionths, _SCALE // MINOR_PER_UNIT)
    if rest:
        raise ValueError(f"{currency} has no more than two fraction digits.")
    return Money(minor, currency)


def format_credits(amount: Microcredits) -> str:
    """The shortest decimal that reads back as the same amount."""
    return _format_millionths(amount)


def format_usd(amount: MicroUSD) -> str:
    """The shortest decimal that reads back as the same amount."""
    return _format_millionths(amount)


def format_money(amount: MicroMoney) -> str:
    """The shortest decimal that reads back as the same amount."""
    return _format_millionths(amount)


def _parse_millionths(text: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"This is not an amount. {_EXPECTED}")
    sign, whole, fraction = match.groups(default="")
    millionths = int(whole) * _SCALE + int(fraction.ljust(FRACTION_DIGITS, "0"))
    if millionths > MICROCREDITS_MAX:
        raise ValueError(f"This amount is too large: the most is {MICROCREDITS_MAX // _SCALE}.")
    return -millionths if sign else millionths


def _format_millionths(amount: int) -> str:
    whole, fraction = divmod(abs(amount), _SCALE)
    sign = "-" if amount < 0 else ""
    if fraction == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{FRACTION_DIGITS}d}".rstrip("0")
