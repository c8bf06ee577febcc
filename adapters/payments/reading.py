"""JSON from payment providers, read field by field: whatever is not as it should be is absent."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime


def fields(value: object) -> Mapping[str, object]:
    """An object's fields; none for anything else, such as "" or 0 where an object was due."""
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def whole(value: object) -> int | None:
    """A whole number, however it is spelled: Paystack sends amounts as numbers and as strings."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return None


def items(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from (each for each in value if isinstance(each, Mapping))


def time(value: object) -> datetime | None:
    """A time of ISO 8601 with its zone."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read is not None and read.tzinfo is not None else None
