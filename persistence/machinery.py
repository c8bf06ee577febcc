"""The state of the machinery: how much waits, runs and is held, for whoever watches over it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import asyncpg

from persistence.faults import telling_faults
from persistence.roles import OWNER

LOOK: Final = """
SELECT count(*) FILTER (WHERE h.model_id IS NOT NULL AND h.runner IS NULL) AS queued_answers,
       count(*) FILTER (WHERE h.model_id IS NOT NULL AND h.runner IS NOT NULL) AS running_answers,
       count(*) AS open_holds,
       (extract(epoch FROM clock_timestamp()) - min(h.moment) / 1e6)::float8 AS oldest_hold_seconds,
       (SELECT count(*) FROM tallystick.payments p WHERE p.status = 'PENDING') AS pending_payments,
       (SELECT count(*) FROM tallystick.alerts a WHERE a.acknowledged_at IS NULL) AS open_alerts,
       (SELECT c.imbalances FROM tallystick.book_checks c ORDER BY c.id DESC LIMIT 1) AS imbalances,
       (SELECT c.finished_at FROM tallystick.book_checks c ORDER BY c.id DESC LIMIT 1) AS checked_at
  FROM tallystick.holds h
 WHERE h.moment > (SELECT s.moment FROM tallystick.sweep_mark s) AND h.ended_moment IS NULL
"""
"""For a login that sees everybody's rows; reads what is open, and little else at any age."""

_DELIVERIES: Final = """
SELECT (SELECT count(*) FROM (
          SELECT FROM tallystick.event_deliveries WHERE state = 'WAITING' LIMIT $1) w) AS waiting,
       (SELECT count(*) FROM (
          SELECT FROM tallystick.event_deliveries WHERE state = 'DEAD' LIMIT $1) d) AS dead
"""

DELIVERIES_MAX: Final = 100_000
"""More of one state are not counted: an endpoint that is away for days may leave millions."""

_CONNECT_SECONDS: Final = 2.0
_STATEMENT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """What is open at one moment."""

    queued_answers: int
    running_answers: int
    open_holds: int
    oldest_hold_seconds: float | None
    """None when no hold is open."""
    pending_payments: int
    open_alerts: int
    waiting_deliveries: int
    dead_deliveries: int
    imbalances: int | None
    """Rows that broke a rule about balances when the system last checked; None if it never has."""
    checked_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record, deliveries: asyncpg.Record) -> Self:
        oldest = row["oldest_hold_seconds"]
        return cls(
            queued_answers=row["queued_answers"],
            running_answers=row["running_answers"],
            open_holds=row["open_holds"],
            oldest_hold_seconds=None if oldest is None else max(0.0, oldest),
            pending_payments=row["pending_payments"],
            open_alerts=row["open_alerts"],
            waiting_deliveries=deliveries["waiting"],
            dead_deliveries=deliveries["dead"],
            imbalances=row["imbalances"],
            checked_at=row["checked_at"],
        )


async def look(url: str) -> Machinery:
    """The state now, by the operator's own login; raises Unavailable."""
    with telling_faults():
        connection = await asyncpg.connect(
            url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            server_settings={"application_name": "tallystick-watcher"},
        )
        try:
            async with connection.transaction(readonly=True):
                await connection.execute(f"SET LOCAL ROLE {OWNER}")
                row = await connection.fetchrow(LOOK)
                deliveries = await connection.fetchrow(_DELIVERIES, DELIVERIES_MAX)
            await connection.close(timeout=_CONNECT_SECONDS)
        finally:
            connection.terminate()
    if row is None or deliveries is None:
        raise AssertionError("an aggregate answers one row")
    return Machinery.of(row, deliveries)
