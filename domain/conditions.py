"""When something that lasts raises an alert, when it is counted again, and when it is over.

A condition begins when it is HIGH and is over only after it has been LOW, without a break, for
CALM_FOR; between the two thresholds it stays what it was. So what swings around a threshold, or up
and down within minutes, is one condition. While it lasts it is one alert:

| the condition            | not acknowledged             | acknowledged                |
|--------------------------|------------------------------|-----------------------------|
| begins                   | raised                       | raised anew                 |
| is still HIGH            | counted once in COUNTED_EVERY | raised anew after REMINDED_AFTER |
| is between, or LOW       | left alone                   | left alone                  |
| is over                  | stays, for somebody to see   | stays as it is              |
| begins again             | counted on the same alert    | raised anew                 |
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.alerting import AlertSeverity

CALM_FOR: Final = timedelta(minutes=5)
COUNTED_EVERY: Final = timedelta(minutes=10)
REMINDED_AFTER: Final = timedelta(hours=24)


class Height(StrEnum):
    """Where a measure is: at which a condition begins, at which it may be over, or between."""

    HIGH = "HIGH"
    BETWEEN = "BETWEEN"
    LOW = "LOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one look saw of one subject."""

    subject: str
    """Tells the conditions of one kind apart; nothing that may not be stored."""
    height: Height
    severity: AlertSeverity = AlertSeverity.WARNING
    message: str = ""
    """For whoever reads the alert; only of what is HIGH."""
    measured_at: datetime | None = None
    """When it was found, if that was before the look: the same finding is not counted twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """A condition that has begun and is not over."""

    told_at: datetime
    """When its alert was last raised or counted."""
    low_since: datetime | None = None
    acknowledged_at: datetime | None = None
    """When somebody took note of the alert that was told last."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to tell of a condition, and how it lasts on; None when it does not."""

    is_told: bool
    lasting: Lasting | None


def judged(lasting: Lasting | None, reading: Reading, now: datetime) -> Verdict:
    """What follows from a reading for a condition that has lasted so far, or has not."""
    match reading.height:
        case Height.HIGH:
            if lasting is None or _is_due(lasting, reading.measured_at or now, now):
                return Verdict(is_told=True, lasting=Lasting(told_at=now))
            return Verdict(is_told=False, lasting=replace(lasting, low_since=None))
        case Height.BETWEEN:
            still = None if lasting is None else replace(lasting, low_since=None)
            return Verdict(is_told=False, lasting=still)
        case Height.LOW:
            return Verdict(
                is_told=False, lasting=None if lasting is None else _calming(lasting, now)
            )


def _is_due(lasting: Lasting, measured_at: datetime, now: datetime) -> bool:
    """Whether what is still HIGH is to be told again."""
    if measured_at <= lasting.told_at:
        return False
    if lasting.acknowledged_at is not None:
        return now - lasting.acknowledged_at >= REMINDED_AFTER
    return now - lasting.told_at >= COUNTED_EVERY


def _calming(lasting: Lasting, now: datetime) -> Lasting | None:
    low_since = lasting.low_since or now
    return None if now - low_since >= CALM_FOR else replace(lasting, low_since=low_since)
