"""The clock of this machine."""

from datetime import UTC, datetime


class SystemClock:
    """Tells the time as this machine knows it, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock that others take it from
