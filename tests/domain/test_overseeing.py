"""Readings become alerts, one for each condition, however many there are."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from domain.alerting import AlertKind
from domain.conditions import Lasting, Reading
from domain.overseeing import CROWD, LOOKED_AT, OPEN_MAX, Known, Overseeing
from domain.thresholds import (
    Attempts,
    Backlog,
    BookCheck,
    DeadDeliveries,
    Limits,
    OverdueHolds,
    Refusals,
    Spending,
)
from domain.units import AccountId, Microcredits, ModelId

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAILURES = AlertKind.PROVIDER_FAILURES
LIMITS = Limits(
    failures_percent=50,
    backlog_seconds=60,
    backlog_max=1_000,
    refusals=50,
    spending=Microcredits(10),
    spending_times=5,
)


@dataclass(slots=True)
class Town:
    """What there is to see, and what was told of it; everybody looks from the same place."""

    now: datetime = NOON
    failing: list[str] = field(default_factory=list)
    lasting: dict[str, Lasting] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    """Alerts that nobody has seen, and how often each was told."""
    is_taken: bool = False

    @asynccontextmanager
    async def look(self, kind: AlertKind, every: timedelta) -> AsyncIterator["Town | None"]:
        yield None if self.is_taken else self

    async def attempts(self, within: timedelta) -> Sequence[Attempts]:
        return [Attempts(model_id=ModelId(id), total=20, failed=20) for id in self.failing]

    async def overdue_holds(self, grace: timedelta) -> OverdueHolds:
        return OverdueHolds(count=0, amount=Microcredits(0), oldest_seconds=0)

    async def backlog(self) -> Backlog:
        return Backlog(count=0, oldest_seconds=0)

    async def book_check(self) -> BookCheck | None:
        return None

    async def imbalances(self, within: timedelta) -> Sequence[AccountId]:
        return ()

    async def refusals(self, kind: AlertKind, within: timedelta) -> Sequence[Refusals]:
        return ()

    async def reused_tokens(self, within: timedelta) -> Sequence[Refusals]:
        return ()

    async def dead_deliveries(self) -> Sequence[DeadDeliveries]:
        return ()

    async def spending(self, at_least: Microcredits) -> Sequence[Spending]:
        return ()

    async def known(self, kind: AlertKind) -> Mapping[str, Known]:
        return {
            subject: Known(lasting=self.lasting.get(subject), is_open=subject in self.open)
            for subject in {*self.lasting, *self.open}
        }

    async def tell(self, kind: AlertKind, reading: Reading) -> None:
        self.open[reading.subject] = self.open.get(reading.subject, 0) + 1
        self.lasting[reading.subject] = Lasting(told_at=self.now)

    async def note(self, kind: AlertKind, subject: str, lasting: Lasting) -> None:
        self.lasting[subject] = lasting

    async def end(self, kind: AlertKind, subject: str) -> None:
        del self.lasting[subject]

    def acknowledge(self, subject: str) -> None:
        del self.open[subject]
        if subject in self.lasting:
            self.lasting[subject] = replace(self.lasting[subject], acknowledged_at=self.now)

    async def watch(self, minutes: int) -> int:
        """Look once a minute; returns how many alerts were told."""
        overseeing = Overseeing(lookout=self, limits=LIMITS, name_of=str)
        told = 0
        for _ in range(minutes):
            told += await overseeing.look_for(FAILURES)
            self.now += timedelta(minutes=1)
        return told


async def test_a_look_that_somebody_else_takes_tells_nothing() -> None:
    town = Town(failing=["m"], is_taken=True)

    assert await town.watch(5) == 0


async def test_a_condition_is_one_alert_as_long_as_it_lasts() -> None:
    town = Town(failing=["m"])

    assert await town.watch(30) == 3
    assert town.open == {"m": 3}


async def test_what_is_not_seen_any_more_is_over_after_a_calm() -> None:
    town = Town(failing=["m"])
    await town.watch(1)
    town.failing = []

    assert await town.watch(6) == 0

    assert town.lasting == {}
    assert town.open == {"m": 1}


async def test_an_alert_that_somebody_has_seen_is_not_raised_again_while_it_lasts() -> None:
    town = Town(failing=["m"])
    await town.watch(1)
    town.acknowledge("m")

    assert await town.watch(600) == 0


async def test_beyond_so_many_unseen_alerts_the_others_are_told_together() -> None:
    names = [f"model-{number:03}" for number in range(OPEN_MAX + 50)]
    town = Town(failing=names)

    assert await town.watch(1) == OPEN_MAX + 1
    assert len(town.open) == OPEN_MAX + 1
    assert town.open[CROWD] == 1

    # Who has seen two of them makes room for two.
    town.acknowledge(names[0])
    town.acknowledge(names[1])
    await town.watch(1)

    assert len(town.open) == OPEN_MAX + 1
    assert names[0] not in town.open


async def test_the_crowd_is_over_when_there_is_none() -> None:
    town = Town(failing=[f"model-{number:03}" for number in range(OPEN_MAX + 50)])
    await town.watch(1)
    town.failing = town.failing[:OPEN_MAX]

    await town.watch(7)

    assert CROWD not in town.lasting
    assert len(town.lasting) == OPEN_MAX


async def test_every_kind_that_is_looked_at_can_be() -> None:
    overseeing = Overseeing(lookout=Town(), limits=LIMITS, name_of=str)

    assert [await overseeing.look_for(kind) for kind in LOOKED_AT] == [0] * len(LOOKED_AT)
    assert set(AlertKind) - set(LOOKED_AT) == {AlertKind.PAYMENT_MISMATCH}
