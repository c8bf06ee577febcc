"""How amounts, times and counts travel: exactly, or not at all."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from domain.money import MicroMoney, MicroUSD, format_credits, format_usd, parse_credits, parse_usd
from domain.units import Microcredits

Count = NewType("Count", int)
"""A number of things, which may be past the 32 bits of an Int."""

COUNT_MAX: Final = 2**53 - 1
"""The last whole number that every JSON reader keeps exact."""

_TIMESTAMP: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def _amount(given: object) -> str:
    """A string or a whole number as text. A JSON fraction is refused: it was a binary float."""
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    raise ValueError('Write amounts as decimal strings, such as "0.3".')


def parse_amount_of_credits(given: object) -> Microcredits:
    return parse_credits(_amount(given))


def parse_amount_of_usd(given: object) -> MicroUSD:
    return parse_usd(_amount(given))


def parse_time(given: object) -> datetime:
    """Read a timestamp of RFC 3339; ValueError says what to write instead."""
    if isinstance(given, str) and _TIMESTAMP.fullmatch(given):
        try:
            return datetime.fromisoformat(given.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        "Write times with their offset and at most six fraction digits, "
        'such as "2026-01-31T09:30:00Z".'
    )


def format_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def parse_count(given: object) -> Count:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= COUNT_MAX:
        return Count(given)
    raise ValueError("Write a whole number from 0 to 2^53-1.")


def format_count(count: Count) -> int:
    """A count as it is; what JSON could not carry exactly is a fault of ours, never rounded."""
    return parse_count(count)


_DECIMAL: Final = strawberry.scalar(
    name="Decimal",
    description=(
        'A plain decimal string, for example "19.99". Same syntax as Credits; used for money.'
    ),
    serialize=format_usd,
    parse_value=parse_amount_of_usd,
)

SCALARS: Final[Mapping[object, ScalarDefinition]] = MappingProxyType(
    {
        Microcredits: strawberry.scalar(
            name="Credits",
            description=(
                "An amount of credits: a plain decimal string with at most six fraction digits, "
                'for example\n"0.3" or "-12.000001". No exponent, no NaN, no binary float. '
                "Inputs also accept whole numbers."
            ),
            serialize=format_credits,
            parse_value=parse_amount_of_credits,
        ),
        MicroUSD: _DECIMAL,
        MicroMoney: _DECIMAL,
        datetime: strawberry.scalar(
            name="DateTime",
            description=(
                "An RFC 3339 timestamp with an offset, for example "
                '"2026-01-31T09:30:00Z". Returned in UTC.'
            ),
            serialize=format_time,
            parse_value=parse_time,
        ),
        Count: strawberry.scalar(
            name="Count",
            description=(
                "A whole number from 0 to 2^53-1, sent as a JSON number. "
                "Used where Int's 32 bits are too few."
            ),
            serialize=format_count,
            parse_value=parse_count,
        ),
    }
)
