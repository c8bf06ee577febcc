"""Alerts, as administrators see and acknowledge them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, BigInteger, any_, func, literal, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.alerting import AlertKind, AlertSeverity, KeptAlert
from domain.errors import Forbidden
from domain.reporting import Page, PageRequest, Reader
from domain.units import AccountId, AlertId
from persistence.books_pages import BIGINT_MAX, page_of, place_of
from persistence.books_reads import Reads
from persistence.faults import INSUFFICIENT_PRIVILEGE, sqlstate, telling_faults
from persistence.tables import AlertRow

_ACKNOWLEDGE: Final = text("SELECT tallystick.acknowledge_alert(:id)")
_REQUIRE_ADMIN: Final = select(func.tallystick.require_admin())


class PostgresAlertBooks(Reads):
    """Keeps what `domain.attending.AlertBooks` promises."""

    __slots__ = ()

    async def alerts(self, reader: Reader, ids: Sequence[AlertId]) -> dict[AlertId, KeptAlert]:
        if not reader.as_admin:
            return {}
        query = select(AlertRow).where(col(AlertRow.id) == any_(literal(ids, ARRAY(BigInteger))))
        async with self.engines.reading(reader) as session:
            found = [_alert(row) for row in await session.exec(query)]
        return {alert.id: alert for alert in found}

    async def alert_page(
        self, reader: Reader, page: PageRequest, *, is_acknowledged: bool | None
    ) -> Page[KeptAlert]:
        place = place_of(page, (BIGINT_MAX,))
        query = select(AlertRow).order_by(col(AlertRow.id).desc()).limit(page.first + 1)
        if place is not None:
            query = query.where(col(AlertRow.id) < place[0])
        if is_acknowledged is not None:
            seen_at = col(AlertRow.acknowledged_at)
            query = query.where(seen_at.is_not(None) if is_acknowledged else seen_at.is_(None))
        async with self._administering(reader) as session:
            rows = (await session.exec(query)).all()
        return page_of(rows, page, item=_alert, place=lambda row: (row.id,))

    async def alerts_after(
        self, reader: Reader, revision: int, minimum: AlertSeverity, limit: int
    ) -> Sequence[KeptAlert]:
        query = (
            select(AlertRow)
            .where(
                col(AlertRow.revision) > revision,
                col(AlertRow.severity).in_(minimum.and_above()),
            )
            .order_by(col(AlertRow.revision))
            .limit(limit)
        )
        async with self._administering(reader) as session:
            return [_alert(row) for row in await session.exec(query)]

    async def alerts_revision(self, reader: Reader) -> int:
        async with self._administering(reader) as session:
            return (await session.exec(select(func.max(AlertRow.revision)))).one() or 0

    async def acknowledge(self, session_id: UUID, alert_id: AlertId) -> bool:
        with _telling_refusals():
            async with self.engines.administering(session_id) as connection:
                found: bool = (
                    await connection.execute(_ACKNOWLEDGE, {"id": alert_id})
                ).scalar_one()
        return found

    @asynccontextmanager
    async def _administering(self, reader: Reader) -> AsyncIterator[AsyncSession]:
        """Read as an administrator; without that right, policies would show an empty table."""
        async with self.engines.reading(reader) as session:
            with _telling_refusals():
                await session.exec(_REQUIRE_ADMIN)
            yield session


@dataclass(frozen=True, slots=True)
class PostgresAlertRevision:
    """The revision of all alerts together, as `domain.watching.Versions` promises it."""

    pool: asyncpg.Pool

    async def versions(self, keys: Sequence[str]) -> Sequence[int]:
        with telling_faults():
            revision: int = await self.pool.fetchval("SELECT tallystick.alerts_revision()")
        return [revision for _ in keys]


@contextmanager
def _telling_refusals() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            raise Forbidden from error
        raise


def _alert(row: AlertRow) -> KeptAlert:
    seen_by = row.acknowledged_by
    return KeptAlert(
        id=AlertId(row.id),
        kind=AlertKind(row.kind),
        severity=AlertSeverity(row.severity),
        message=row.message,
        count=row.count,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=None if seen_by is None else AccountId(seen_by),
        revision=row.revision,
    )
