"""Reading what a caller may leave out."""

from typing import TypeVar

import strawberry

Value = TypeVar("Value")


def given(value: Value | None) -> Value | None:
    """What was sent, or None for what was left out or sent as null: here both mean the same."""
    return None if value is strawberry.UNSET else value
