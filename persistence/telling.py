"""Events, their deliveries and the jobs that stand for them, called with the worker's login.

A delivery and its job change in one transaction, so that none is without the other. The jobs are
pgqueuer's: whichever process works on them claims a job, and a job whose process died is claimed
again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings

from domain.telling import Delivery, Endpoint, EventId, EventType, Reply, ToldEvent, Verdict
from persistence.faults import telling_faults
from persistence.tables_events import JOBS_SCHEMA

SPREAD_AT_ONCE: Final = 100
FORGOTTEN_AT_ONCE: Final = 1_000
FAULT_LENGTH_MAX: Final = 200

JOBS: Final = DBSettings(
    db_schema=JOBS_SCHEMA,
    prefix="",
    channel=JOBS_SCHEMA,
    function="fn_pgqueuer_changed",
    trigger="tg_pgqueuer_changed",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    statistics_table="pgqueuer_statistics",
    schedules_table="pgqueuer_schedules",
)
"""What the queue's tables are called, whatever the environment says."""


def written(delivery: Delivery) -> bytes:
    """What a job carries."""
    return f"{delivery.event_id} {delivery.turn} {delivery.endpoint}".encode()


def read(payload: bytes | None) -> Delivery | None:
    """The delivery that a job stands for; None when it is no job of ours."""
    match (payload or b"").decode(errors="replace").split(" ", 2):
        case [event_id, turn, endpoint] if event_id.isdecimal() and turn.isdecimal():
            return Delivery(event_id=int(event_id), turn=int(turn), endpoint=endpoint)
        case _:
            return None


def digest_of(url: str) -> UUID:
    """What is kept of an address: enough to see that it changed."""
    return UUID(bytes=sha256(url.encode()).digest()[:16])


def queries_on(driver: AsyncpgDriver) -> Queries:
    """The library's way into its tables."""
    return Queries(driver, qbe=QueryBuilderEnvironment(JOBS), qbq=QueryQueueBuilder(JOBS))


class _InTransaction(AsyncpgDriver):
    """Asks on a connection of a pool, within the transaction that is open there."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._pooled = connection

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._pooled.fetch(query, *args)]


@dataclass(frozen=True, slots=True)
class PostgresDeliveries:
    """Keeps what `domain.telling.Deliveries` promises."""

    pool: asyncpg.Pool
    endpoints: Sequence[Endpoint] = field(default=())

    async def spread(self) -> int:
        """Give every new event its deliveries, and every delivery that needs one its job."""
        queued = 0
        with telling_faults():
            while True:
                count = await self._spread()
                queued += count
                if count < SPREAD_AT_ONCE:
                    return queued

    async def event(self, delivery: Delivery) -> ToldEvent | None:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT * FROM tallystick.event_to_deliver($1, $2, $3)",
                delivery.event_id,
                delivery.endpoint,
                delivery.turn,
            )
        if row is None:
            return None
        return ToldEvent(
            id=EventId(delivery.event_id, row["salt"]),
            type=EventType(row["type"]),
            facts=json.loads(row["facts"]),
            at=row["told_at"],
            tries=row["tries"],
        )

    async def note(
        self, delivery: Delivery, endpoint: Endpoint, reply: Reply, then: Verdict
    ) -> None:
        with telling_faults():
            async with self.pool.acquire() as connection, connection.transaction():
                turn = await connection.fetchval(
                    "SELECT tallystick.note_delivery_try($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    delivery.event_id,
                    delivery.endpoint,
                    delivery.turn,
                    reply.status,
                    None if reply.fault is None else reply.fault[:FAULT_LENGTH_MAX],
                    reply.took_ms,
                    then.state,
                    then.again_in,
                    digest_of(endpoint.url) if then.is_gone else None,
                )
                if turn is not None:
                    again = Delivery(
                        event_id=delivery.event_id, endpoint=delivery.endpoint, turn=turn
                    )
                    await _queue(connection, [again], then.again_in)

    async def forget(self, before: datetime) -> int:
        """Remove what was delivered long ago; returns how many events that were."""
        forgotten = 0
        with telling_faults():
            while True:
                removed: int = await self.pool.fetchval(
                    "SELECT tallystick.forget_events($1, $2)", before, FORGOTTEN_AT_ONCE
                )
                forgotten += removed
                if removed < FORGOTTEN_AT_ONCE:
                    return forgotten

    async def _spread(self) -> int:
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT * FROM tallystick.spread_events($1, $2, $3, $4)",
                [endpoint.name for endpoint in self.endpoints],
                [digest_of(endpoint.url) for endpoint in self.endpoints],
                [" ".join(sorted(endpoint.types)) for endpoint in self.endpoints],
                SPREAD_AT_ONCE,
            )
            if rows:
                await _queue(connection, [Delivery(**row) for row in rows])
        return len(rows)


async def _queue(
    connection: PoolConnectionProxy,
    deliveries: Sequence[Delivery],
    due_in: timedelta | None = None,
) -> None:
    """Have deliveries done; one that is queued already stays as it is."""
    await queries_on(_InTransaction(connection)).enqueue(
        [delivery.endpoint for delivery in deliveries],
        [written(delivery) for delivery in deliveries],
        [0] * len(deliveries),
        [due_in] * len(deliveries),
        [written(delivery).decode() for delivery in deliveries],
        on_conflict="skip",
    )
