"""Looks at how the system stands, and raises an alert for what somebody has to look at.

Any number of processes may look: each look is one's alone, and is not repeated before its time. A
look, and all that follows from it, commits together, so one that is cut short is simply made again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from domain import thresholds
from domain.alerting import AlertKind, AlertSeverity
from domain.conditions import Height, Lasting, Reading, Verdict, judged
from domain.thresholds import (
    ENTRIES_WINDOW,
    OVERDUE_GRACE,
    WINDOW,
    Attempts,
    Backlog,
    BookCheck,
    DeadDeliveries,
    Limits,
    OverdueHolds,
    Refusals,
    Spending,
)
from domain.units import AccountId, Microcredits

LOOKED_AT: Final[Mapping[AlertKind, timedelta]] = MappingProxyType(
    {
        AlertKind.PROVIDER_FAILURES: timedelta(minutes=1),
        AlertKind.LEDGER_IMBALANCE: timedelta(minutes=1),
        AlertKind.STUCK_HOLDS: timedelta(minutes=1),
        AlertKind.ANSWER_BACKLOG: timedelta(seconds=20),
        AlertKind.WEBHOOK_REJECTED: timedelta(minutes=1),
        AlertKind.UNUSUAL_SPENDING: timedelta(minutes=5),
        AlertKind.SIGN_IN_ABUSE: timedelta(minutes=1),
    }
)
"""What is looked at, and how often. Mismatched payments are told by whoever meets them."""

OPEN_MAX: Final = 100
"""Alerts of one kind that nobody has seen: what is new beyond them is told together."""

CROWD: Final = "crowd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a subject: a condition that lasts, an alert nobody has seen, or both."""

    lasting: Lasting | None
    is_open: bool


_log = logging.getLogger(__name__)

_UNKNOWN: Final = Known(lasting=None, is_open=False)


class Look(Protocol):
    """One look, within which nobody else takes one; what it does is done when it is left."""

    @property
    def now(self) -> datetime: ...

    async def attempts(self, within: timedelta) -> Sequence[Attempts]: ...
    async def overdue_holds(self, grace: timedelta) -> OverdueHolds: ...
    async def backlog(self) -> Backlog: ...
    async def book_check(self) -> BookCheck | None:
        """The last one; None before the first."""
        ...

    async def imbalances(self, within: timedelta) -> Sequence[AccountId]:
        """Accounts with balances that are not what entries of that time say."""
        ...

    async def refusals(self, kind: AlertKind, within: timedelta) -> Sequence[Refusals]: ...
    async def reused_tokens(self, within: timedelta) -> Sequence[Refusals]: ...
    async def dead_deliveries(self) -> Sequence[DeadDeliveries]: ...
    async def spending(self, at_least: Microcredits) -> Sequence[Spending]: ...

    async def known(self, kind: AlertKind) -> Mapping[str, Known]:
        """Every subject with a condition that lasts, or with an alert that nobody has seen."""
        ...

    async def tell(self, kind: AlertKind, reading: Reading) -> None:
        """Raise the alert, or count it; its condition lasts from now on."""
        ...

    async def note(self, kind: AlertKind, subject: str, lasting: Lasting) -> None:
        """Keep since when a condition that lasts has been low."""
        ...

    async def end(self, kind: AlertKind, subject: str) -> None:
        """Forget a condition that is over; its alert stays."""
        ...


Reads: TypeAlias = Callable[[Look], Awaitable[Iterable[Reading]]]


class Lookout(Protocol):
    """From where looks are taken."""

    def look(self, kind: AlertKind, every: timedelta) -> AbstractAsyncContextManager[Look | None]:
        """A look; None when somebody takes one, or took one less than so long ago."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseeing:
    """Turns what looks see into alerts."""

    lookout: Lookout
    limits: Limits
    name_of: Callable[[AccountId], str]
    """How the API calls an account."""

    async def look_for(self, kind: AlertKind, every: timedelta | None = None) -> int:
        """Take the look for one kind, if it is time; returns how many alerts that told."""
        async with self.lookout.look(kind, LOOKED_AT[kind] if every is None else every) as look:
            if look is None:
                return 0
            return await _follow_up(kind, look, [*await self._readings[kind](look)])

    @property
    def _readings(self) -> Mapping[AlertKind, Reads]:
        return {
            AlertKind.PROVIDER_FAILURES: self._failures,
            AlertKind.LEDGER_IMBALANCE: self._imbalance,
            AlertKind.STUCK_HOLDS: _stuck_holds,
            AlertKind.ANSWER_BACKLOG: self._backlog,
            AlertKind.WEBHOOK_REJECTED: _rejected_webhooks,
            AlertKind.UNUSUAL_SPENDING: self._spending,
            AlertKind.SIGN_IN_ABUSE: self._abuse,
        }

    async def _failures(self, look: Look) -> Iterable[Reading]:
        return thresholds.of_attempts(await look.attempts(WINDOW), self.limits)

    async def _imbalance(self, look: Look) -> Iterable[Reading]:
        """What is cheap is looked at every minute, and what is not when it was last recomputed."""
        check = await look.book_check()
        recent = await look.imbalances(ENTRIES_WINDOW)
        readings = [] if check is None else [thresholds.of_book_check(check)]
        return [*readings, thresholds.of_recent_entries(recent, self.name_of)]

    async def _backlog(self, look: Look) -> Iterable[Reading]:
        return [thresholds.of_backlog(await look.backlog(), self.limits)]

    async def _spending(self, look: Look) -> Iterable[Reading]:
        # What is below half of it is well again.
        spending = await look.spending(Microcredits(self.limits.spending // 2))
        return thresholds.of_spending(spending, self.limits, self.name_of)

    async def _abuse(self, look: Look) -> Iterable[Reading]:
        refusals = await look.refusals(AlertKind.SIGN_IN_ABUSE, WINDOW)
        reused = await look.reused_tokens(WINDOW)
        return [
            *thresholds.of_refused_sign_ins(refusals, self.limits, self.name_of),
            *thresholds.of_reused_tokens(reused, self.name_of),
        ]


async def _stuck_holds(look: Look) -> Iterable[Reading]:
    return [thresholds.of_holds(await look.overdue_holds(OVERDUE_GRACE))]


async def _rejected_webhooks(look: Look) -> Iterable[Reading]:
    """In both directions: messages that we do not believe, and events that nobody takes."""
    refusals = await look.refusals(AlertKind.WEBHOOK_REJECTED, WINDOW)
    dead = await look.dead_deliveries()
    return [*thresholds.of_rejected_webhooks(refusals), *thresholds.of_dead_deliveries(dead)]


async def _follow_up(kind: AlertKind, look: Look, readings: Sequence[Reading]) -> int:
    """Judge every reading, and every condition that is not seen any more."""
    known = await look.known(kind)
    room = OPEN_MAX - sum(each.is_open for subject, each in known.items() if subject != CROWD)
    seen = {reading.subject for reading in readings}
    unseen = [
        Reading(subject=subject, height=Height.LOW)
        for subject, each in known.items()
        if each.lasting is not None and subject not in {*seen, CROWD}
    ]
    told = crowd = 0
    for reading in [*readings, *unseen]:
        each = known.get(reading.subject, _UNKNOWN)
        verdict = judged(each.lasting, reading, look.now)
        is_new = verdict.is_told and not each.is_open
        if is_new and room <= 0:
            crowd += 1
            continue
        told += verdict.is_told
        room -= is_new
        await _do(kind, look, each, reading, verdict)
    reading, each = _of_crowd(crowd), known.get(CROWD, _UNKNOWN)
    verdict = judged(each.lasting, reading, look.now)
    await _do(kind, look, each, reading, verdict)
    return told + verdict.is_told


async def _do(
    kind: AlertKind, look: Look, known: Known, reading: Reading, verdict: Verdict
) -> None:
    """Carry out what was judged."""
    if verdict.is_told:
        _log.warning("alert", extra={"kind": kind, "severity": reading.severity})
        await look.tell(kind, reading)
    elif verdict.lasting == known.lasting:
        return
    elif verdict.lasting is None:
        await look.end(kind, reading.subject)
    else:
        await look.note(kind, reading.subject, verdict.lasting)


def _of_crowd(size: int) -> Reading:
    return Reading(
        subject=CROWD,
        height=Height.HIGH if size else Height.LOW,
        severity=AlertSeverity.CRITICAL,
        message=(
            f"{size} more of this kind are not told one by one, because nobody has seen the "
            f"{OPEN_MAX} before: acknowledge those first."
        ),
    )
