"""Times as people write them behind an option."""

from datetime import UTC, date, datetime, time
from typing import Final

from domain.errors import TallystickError

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing here happened before."""


class UnusableTime(TallystickError):
    """What an option says is no time; says how to write one."""


def moment(option: str, text: str) -> datetime:
    """The beginning of a day, in UTC, or a time with its offset; raises UnusableTime."""
    try:
        if len(text) == len("2026-01-31"):
            found = datetime.combine(date.fromisoformat(text), time(), UTC)
        else:
            found = datetime.fromisoformat(text)
        if found.tzinfo is not None and found.year >= EARLIEST.year:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UnusableTime(
        f"{option} must be a day such as 2026-01-31, which begins at midnight UTC, or a time with "
        "its offset such as 2026-01-31T09:30:00Z."
    )
