"""Administrators attend to alerts: they read them, are told of new ones, and say what they saw."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from domain.alerting import AlertSeverity, KeptAlert
from domain.errors import NotFound
from domain.identity import Viewer
from domain.reporting import Page, PageRequest, Reader
from domain.units import AlertId
from domain.watching import Watching

ALL_ALERTS: Final = "alerts"
"""What is watched: all alerts together have one revision, that of the latest sighting."""

AT_ONCE: Final = 100


class AlertBooks(Protocol):
    """Alerts, as administrators may see and acknowledge them.

    The database checks the right again: whoever has lost it is refused with Forbidden.
    """

    async def alerts(self, reader: Reader, ids: Sequence[AlertId]) -> dict[AlertId, KeptAlert]:
        """Those of these names; none for a reader who is no administrator."""
        ...

    async def alert_page(
        self, reader: Reader, page: PageRequest, *, is_acknowledged: bool | None
    ) -> Page[KeptAlert]: ...

    async def alerts_after(
        self, reader: Reader, revision: int, minimum: AlertSeverity, limit: int
    ) -> Sequence[KeptAlert]:
        """Those raised or counted after a revision, in the order of their revisions."""
        ...

    async def alerts_revision(self, reader: Reader) -> int:
        """The revision of the latest sighting, 0 before the first."""
        ...

    async def acknowledge(self, session_id: UUID, alert_id: AlertId) -> bool:
        """Note that somebody has seen it, with the audit entry; False when there is no such alert.

        What was acknowledged before stays as it is.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attending:
    """Shows alerts to administrators."""

    books: AlertBooks
    watching: Watching[str]

    async def acknowledge(self, actor: Viewer, alert_id: AlertId | None) -> KeptAlert:
        """Mark an alert as seen; saying so twice is no mistake. Raises NotFound and Forbidden."""
        if alert_id is None or not await self.books.acknowledge(actor.session_id, alert_id):
            raise NotFound("alert")
        reader = Reader(actor.session_id, as_admin=True)
        return (await self.books.alerts(reader, [alert_id]))[alert_id]

    async def follow(
        self, viewer: Viewer, minimum: AlertSeverity
    ) -> AsyncGenerator[KeptAlert, None]:
        """Every alert that is raised or seen again from now on, as it stands when it is told.

        None is left out, however long the database was away: the next look goes on where the last
        one ended. What happened to one alert between two looks is told once. Raises Forbidden as
        soon as the viewer is no administrator any more.
        """
        reader = Reader(viewer.session_id, as_admin=True)
        with self.watching.watch(ALL_ALERTS) as watch:
            told = await self.books.alerts_revision(reader)
            while True:
                seen = await watch.beyond(told)
                alerts = await self.books.alerts_after(reader, told, minimum, AT_ONCE)
                for alert in alerts:
                    yield alert
                latest = alerts[-1].revision if alerts else 0
                told = latest if len(alerts) == AT_ONCE else max(seen, latest)
