"""A clock that tests move."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class MovedClock:
    """Stands still until it is told to go on."""

    time: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_on(self, **time: float) -> None:
        self.time += timedelta(**time)
