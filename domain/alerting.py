"""What somebody who runs this should look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.units import AccountId, AlertId


class AlertKind(StrEnum):
    """What an alert is about."""

    PROVIDER_FAILURES = "PROVIDER_FAILURES"
    LEDGER_IMBALANCE = "LEDGER_IMBALANCE"
    STUCK_HOLDS = "STUCK_HOLDS"
    ANSWER_BACKLOG = "ANSWER_BACKLOG"
    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"
    WEBHOOK_REJECTED = "WEBHOOK_REJECTED"
    UNUSUAL_SPENDING = "UNUSUAL_SPENDING"
    SIGN_IN_ABUSE = "SIGN_IN_ABUSE"


class AlertSeverity(StrEnum):
    """In rising order."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    def and_above(self) -> "list[AlertSeverity]":
        """This severity and all that are worse."""
        rising = list(AlertSeverity)
        return rising[rising.index(self) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One sighting; those of one kind and subject are counted until somebody has seen them."""

    kind: AlertKind
    severity: AlertSeverity
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlert:
    """What was seen so far of one kind and subject, and who has taken note of it."""

    id: AlertId
    kind: AlertKind
    severity: AlertSeverity
    message: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: AccountId | None = None
    revision: int
    """Grows over all alerts with each sighting, in the order in which they are told."""


class Alerts(Protocol):
    """Where alerts are kept."""

    async def raise_alert(self, alert: Alert) -> None:
        """Keep it, or count it once more. Raises Unavailable."""
        ...
