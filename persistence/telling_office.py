"""What only the operator does about deliveries, from a shell, with the login that migrates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from domain.telling import DeliveryState, Endpoint, EventId
from persistence.operating import as_owner

_WHERE: Final = """
 WHERE ($1::bigint IS NULL OR d.event_id = $1) AND ($2::bigint IS NULL OR e.salt = $2)
   AND ($3::text[] IS NULL OR d.state = ANY ($3)) AND ($4::timestamptz IS NULL OR e.told_at >= $4)
   AND ($5::text IS NULL OR d.endpoint = $5)
"""
_LIST: Final = f"""
SELECT e.id, e.salt, e.type, e.told_at, d.endpoint, d.state, d.tries, d.next_try_at,
       t.status, t.fault
  FROM tallystick.event_deliveries d
  JOIN tallystick.told_events e ON e.id = d.event_id
  LEFT JOIN LATERAL (
    SELECT status, fault FROM tallystick.delivery_tries t
     WHERE t.event_id = d.event_id AND t.endpoint = d.endpoint ORDER BY t.id DESC LIMIT 1) t ON true
{_WHERE}
 ORDER BY e.id DESC, d.endpoint
 LIMIT $6
"""  # noqa: S608 - our own words
_REPLAY: Final = f"""
UPDATE tallystick.event_deliveries d
   SET state = 'WAITING', turn = d.turn + 1, tries = 0, next_try_at = now(), changed_at = now()
  FROM tallystick.told_events e
{_WHERE} AND e.id = d.event_id
"""  # noqa: S608 - our own words
_DISMISS: Final = f"""
UPDATE tallystick.event_deliveries d SET state = 'DISMISSED', turn = d.turn + 1, changed_at = now()
  FROM tallystick.told_events e
{_WHERE} AND e.id = d.event_id AND d.state IN ('WAITING', 'DEAD')
"""  # noqa: S608 - our own words
_ADD: Final = """
INSERT INTO tallystick.event_deliveries (event_id, endpoint)
SELECT e.id, x.name
  FROM unnest($1::text[], $2::text[]) AS x (name, types)
  JOIN tallystick.told_events e ON e.type = ANY (string_to_array(x.types, ' '))
 WHERE e.spread_at IS NOT NULL AND ($3::bigint IS NULL OR (e.id, e.salt) = ($3, $4))
   AND ($5::timestamptz IS NULL OR e.told_at >= $5)
ON CONFLICT DO NOTHING
"""
_TRIES: Final = """
SELECT endpoint, tried_at, status, fault, took_ms FROM tallystick.delivery_tries
 WHERE event_id = $1 ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries are meant: those that fit everything that is said."""

    event: EventId | None = None
    states: Collection[DeliveryState] | None = None
    since: datetime | None = None
    endpoint: str | None = None

    @property
    def values(self) -> tuple[object, ...]:
        event = self.event
        return (
            None if event is None else event.number,
            None if event is None else event.salt,
            None if self.states is None else list(self.states),
            self.since,
            self.endpoint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDelivery:
    """How a delivery stands, and what its last try came to."""

    event: EventId
    type: str
    told_at: datetime
    endpoint: str
    state: DeliveryState
    tries: int
    next_try_at: datetime
    status: int | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTry:
    """A try, and what came of it."""

    endpoint: str
    tried_at: datetime
    status: int | None
    fault: str | None
    took_ms: int


async def deliveries(url: str, wanted: Wanted, *, limit: int) -> Sequence[KnownDelivery]:
    """The newest first."""
    async with as_owner(url) as connection:
        rows = await connection.fetch(_LIST, *wanted.values, limit)
    return [_known(row) for row in rows]


async def tries(url: str, event: EventId) -> Sequence[KnownTry]:
    """Every try of an event, the oldest first."""
    async with as_owner(url) as connection:
        rows = await connection.fetch(_TRIES, event.number)
    return [KnownTry(**row) for row in rows]


async def replay(url: str, wanted: Wanted, endpoints: Sequence[Endpoint]) -> int:
    """Have deliveries tried again from the start, now; returns how many.

    Endpoints that want an event and were not there when it was told get it as well, unless only
    some states are meant.
    """
    async with as_owner(url) as connection:
        again = _count(await connection.execute(_REPLAY, *wanted.values))
        if wanted.states is not None:
            return again
        number, salt, _, since, name = wanted.values
        meant = [each for each in endpoints if name in {None, each.name}]
        added = await connection.execute(
            _ADD,
            [endpoint.name for endpoint in meant],
            [" ".join(sorted(endpoint.types)) for endpoint in meant],
            number,
            salt,
            since,
        )
    return again + _count(added)


async def dismiss(url: str, wanted: Wanted) -> int:
    """Give up what waits or is dead; returns how many deliveries that were."""
    async with as_owner(url) as connection:
        return _count(await connection.execute(_DISMISS, *wanted.values))


async def is_back(url: str, name: str) -> None:
    """Send an endpoint events again that had said that it was gone."""
    async with as_owner(url) as connection:
        await connection.execute("DELETE FROM tallystick.gone_endpoints WHERE name = $1", name)


def _count(tag: str) -> int:
    """How many rows a statement was about, as its tag says: `UPDATE 3`."""
    return int(tag.rpartition(" ")[2])


def _known(row: asyncpg.Record) -> KnownDelivery:
    return KnownDelivery(
        event=EventId(row["id"], row["salt"]),
        type=row["type"],
        told_at=row["told_at"],
        endpoint=row["endpoint"],
        state=DeliveryState(row["state"]),
        tries=row["tries"],
        next_try_at=row["next_try_at"],
        status=row["status"],
        fault=row["fault"],
    )
