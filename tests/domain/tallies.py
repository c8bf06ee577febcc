"""Where counts go in tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.errors import Unavailable
from domain.tallying import Count


@dataclass(slots=True)
class KeptCounts:
    """Remembers what was written, or is away."""

    written: list[list[Count]] = field(default_factory=list)
    is_away: bool = False

    async def add(self, counts: Sequence[Count]) -> None:
        if self.is_away:
            raise Unavailable("The database cannot be reached.")
        self.written.append(list(counts))
