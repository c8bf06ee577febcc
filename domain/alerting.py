"""What somebody who runs this should look at."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One sighting; those of one kind and subject are counted until somebody has seen them."""

    kind: AlertKind
    severity: AlertSeverity
    subject: str
    message: str


class Alerts(Protocol):
    """Where alerts are kept."""

    async def raise_alert(self, alert: Alert) -> None:
        """Keep it, or count it once more. Raises Unavailable."""
        ...
