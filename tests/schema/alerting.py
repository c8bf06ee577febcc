"""Alerts kept in memory, as administrators see and acknowledge them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.alerting import Alert, AlertKind, AlertSeverity, KeptAlert
from domain.attending import Attending
from domain.errors import Forbidden
from domain.reporting import Page, PageRequest, Reader
from domain.units import AlertId
from domain.watching import Watching
from tests.schema.books import FakeBooks

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(slots=True)
class FakeAlertBooks:
    """Counts what is seen again, shows it to administrators, and is watched."""

    books: FakeBooks
    kept: dict[AlertId, KeptAlert] = field(default_factory=dict)
    subjects: dict[AlertId, str] = field(default_factory=dict)

    def see(self, alert: Alert) -> AlertId:
        revision = self._latest() + 1
        for id, kept in self.kept.items():
            is_same = (kept.kind, self.subjects[id]) == (alert.kind, alert.subject)
            if is_same and kept.acknowledged_at is None:
                self.kept[id] = replace(
                    kept, count=kept.count + 1, message=alert.message, revision=revision
                )
                return id
        new = AlertId(len(self.kept) + 1)
        self.subjects[new] = alert.subject
        self.kept[new] = KeptAlert(
            id=new,
            kind=alert.kind,
            severity=alert.severity,
            message=alert.message,
            count=1,
            first_seen_at=NOON,
            last_seen_at=NOON,
            revision=revision,
        )
        return new

    async def alerts(self, reader: Reader, ids: Sequence[AlertId]) -> dict[AlertId, KeptAlert]:
        if not reader.as_admin:
            return {}
        return {id: self.kept[id] for id in ids if id in self.kept}

    async def alert_page(
        self, reader: Reader, page: PageRequest, *, is_acknowledged: bool | None
    ) -> Page[KeptAlert]:
        above = page.after[0] if page.after else len(self.kept) + 1
        found = [
            alert
            for id, alert in sorted(self.kept.items(), reverse=True)
            if id < above and is_acknowledged in {None, alert.acknowledged_at is not None}
        ]
        shown = found[: page.first]
        return Page(shown, [(alert.id,) for alert in shown], len(found) > page.first)

    async def alerts_after(
        self, reader: Reader, revision: int, minimum: AlertSeverity, limit: int
    ) -> Sequence[KeptAlert]:
        found = [
            alert
            for alert in self.kept.values()
            if alert.revision > revision and alert.severity in minimum.and_above()
        ]
        return sorted(found, key=lambda alert: alert.revision)[:limit]

    async def alerts_revision(self, reader: Reader) -> int:
        return self._latest()

    async def acknowledge(self, session_id: UUID, alert_id: AlertId) -> bool:
        actor = self.books.kept_accounts[self.books.sessions[session_id]]
        if actor.role != "ADMIN":
            raise Forbidden
        alert = self.kept.get(alert_id)
        if alert is not None and alert.acknowledged_at is None:
            self.kept[alert_id] = replace(alert, acknowledged_at=NOON, acknowledged_by=actor.id)
        return alert is not None

    async def versions(self, keys: Sequence[str]) -> Sequence[int]:
        return [self._latest() for _ in keys]

    def attending(self) -> Attending:
        return Attending(books=self, watching=Watching(versions=self, look_seconds=0.01))

    def _latest(self) -> int:
        return max((alert.revision for alert in self.kept.values()), default=0)


def sighting(
    subject: str = "deepseek-chat", severity: AlertSeverity = AlertSeverity.WARNING
) -> Alert:
    return Alert(
        kind=AlertKind.PROVIDER_FAILURES,
        severity=severity,
        subject=subject,
        message=f"Of the last 40 attempts at {subject}, 30 failed.",
    )
