"""What is done unasked is done often enough, by the clock on the wall."""

from dataclasses import dataclass, field
from datetime import datetime

import anyio.lowlevel
import pytest

from app.upkeep import MonthsAhead
from domain.errors import Unavailable
from tests.app.clocks import MovedClock


@dataclass(slots=True)
class Tables:
    """Counts how often room was asked for."""

    asked: list[datetime] = field(default_factory=list)
    is_away: bool = False

    async def ensure_partitions(self, now: datetime) -> int:
        await anyio.lowlevel.checkpoint()
        if self.is_away:
            raise Unavailable("away")
        self.asked.append(now)
        return 2


async def test_room_is_made_once_a_day_however_often_it_is_looked() -> None:
    tables, clock = Tables(), MovedClock()
    months = MonthsAhead(tables, clock)

    for _ in range(3 * 24 * 60):
        await months.make()
        clock.pass_on(minutes=1)

    assert len(tables.asked) == 3


async def test_a_machine_that_slept_for_months_makes_room_at_the_first_look() -> None:
    tables, clock = Tables(), MovedClock()
    months = MonthsAhead(tables, clock)
    await months.make()

    clock.pass_on(days=100)
    made = await months.make()

    assert made == 2
    assert tables.asked[-1] == clock.now()


async def test_a_clock_that_was_put_back_is_believed() -> None:
    tables, clock = Tables(), MovedClock()
    months = MonthsAhead(tables, clock)
    await months.make()

    clock.pass_on(days=-40)
    await months.make()

    assert len(tables.asked) == 2


async def test_room_that_could_not_be_made_is_made_at_the_next_look() -> None:
    tables, clock = Tables(is_away=True), MovedClock()
    months = MonthsAhead(tables, clock)
    with pytest.raises(Unavailable):
        await months.make()

    tables.is_away = False

    assert await months.make() == 2
