"""What a process does about events, piece by piece, on a bank's database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from adapters.webhooks import HTTPSender
from app.clock import SystemClock
from app.told import spell
from domain.counting import Tally
from domain.telling import Delivery, Endpoint, EventType, Message, Reply, Sender, Telling
from domain.units import Microcredits
from persistence.delivery_jobs import DeliveryJobs
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.telling import PostgresDeliveries
from persistence.wishing import PostgresWishes
from tests.persistence.bank import Bank
from tests.telling.receiver import SECRET

LOW = Microcredits(100)
HURRY = """
WITH due AS (UPDATE tallystick.event_deliveries SET next_try_at = now() WHERE state = 'WAITING')
UPDATE tallystick_jobs.pgqueuer SET execute_after = now() - interval '1 second'
"""
WAKE = """
SELECT pg_notify('tallystick_jobs', json_build_object(
         'channel', 'tallystick_jobs', 'operation', 'insert', 'sent_at', now(),
         'table', 'pgqueuer', 'type', 'table_changed_event')::text)
"""
EVENTS = "SELECT type, account_id, facts FROM tallystick.told_events ORDER BY id"
STATES = """
SELECT state, tries, (SELECT array_agg(coalesce(t.status::text, t.fault) ORDER BY t.id)
                        FROM tallystick.delivery_tries t
                       WHERE (t.event_id, t.endpoint) = (d.event_id, d.endpoint)) AS told
  FROM tallystick.event_deliveries d ORDER BY event_id, endpoint
"""


def endpoint(url: str, name: str = "crm", *types: EventType) -> Endpoint:
    return Endpoint(
        name=name, url=url, secrets=(SECRET,), types=frozenset(types or tuple(EventType))
    )


class Drawer:
    """Takes every message and sends none."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, endpoint: Endpoint, message: Message) -> Reply:
        self.messages.append(message)
        return Reply(status=204)


@dataclass(slots=True)
class Post:
    """One process's work on events, and a look at what came of it."""

    bank: Bank
    url: str
    endpoints: Sequence[Endpoint]
    deliveries: PostgresDeliveries
    sender: Sender
    faults: list[Exception] = field(default_factory=list)
    outcomes: Tally = field(default_factory=Tally)

    @property
    def telling(self) -> Telling:
        return Telling(
            endpoints={endpoint.name: endpoint for endpoint in self.endpoints},
            deliveries=self.deliveries,
            sender=self.sender,
            spell=spell,
            jitter=lambda: 0.0,
            outcomes=self.outcomes,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[DeliveryJobs]:
        """Spread and deliver until this is left."""
        names = tuple(endpoint.name for endpoint in self.endpoints)
        jobs = DeliveryJobs(self.url, names, self.telling.deliver, self.faults.append)
        spreading = asyncio.create_task(self._spread_for_ever())
        running = asyncio.create_task(jobs.run())
        try:
            yield jobs
        finally:
            jobs.stop()
            spreading.cancel()
            await asyncio.gather(spreading, return_exceptions=True)
            await running

    async def _spread_for_ever(self) -> None:
        while True:
            await self.deliveries.spread()
            await asyncio.sleep(0.05)

    async def hurry(self) -> None:
        """Let what waits be due."""
        await self.bank.owner.execute(HURRY)
        await self.bank.owner.execute(WAKE)

    async def events(self) -> Sequence[asyncpg.Record]:
        return await self.bank.owner.fetch(EVENTS)

    async def types(self) -> Sequence[str]:
        return [row["type"] for row in await self.events()]

    async def states(self) -> Sequence[tuple[str, int, Sequence[str]]]:
        """State, failed and successful tries, and what each came to."""
        return [tuple(row) for row in await self.bank.owner.fetch(STATES)]

    async def until(self, *states: str) -> Sequence[tuple[str, int, Sequence[str]]]:
        """How deliveries stand, once they stand so."""
        async with asyncio.timeout(60):
            while True:
                found = await self.states()
                if [state for state, _, _ in found] == list(states):
                    return found
                await asyncio.sleep(0.02)

    async def until_tried(self, count: int) -> None:
        """Wait until there were so many tries in all."""
        async with asyncio.timeout(60):
            while True:
                tried: int = await self.bank.owner.fetchval(
                    "SELECT count(*) FROM tallystick.delivery_tries"
                )
                if tried >= count:
                    return
                await asyncio.sleep(0.02)

    async def raise_alert(self, subject: str = "x") -> None:
        """Make something happen that is told."""
        await self.bank.owner.execute(
            "SELECT tallystick.raise_alert('PAYMENT_MISMATCH', 'WARNING', $1, 'look at it')",
            subject,
        )

    async def queued(self) -> Sequence[Delivery]:
        """Deliveries that jobs stand for."""
        rows = await self.bank.owner.fetch(
            "SELECT payload FROM tallystick_jobs.pgqueuer ORDER BY id"
        )
        return [
            Delivery(event_id=int(event), turn=int(turn), endpoint=endpoint)
            for event, turn, endpoint in (row["payload"].decode().split(" ", 2) for row in rows)
        ]


@asynccontextmanager
async def open_post(
    bank: Bank, *endpoints: Endpoint, sender: Sender | None = None
) -> AsyncIterator[Post]:
    """A process's work on events; what the endpoints want is told from now on."""
    url = url_of(Login.WORKER, bank.url, secret=bank.secret)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_of(Login.WORKER, url, connections_max=4))
        deliveries = PostgresDeliveries(pool, endpoints)
        types = frozenset[EventType]().union(*(each.types for each in endpoints))
        await PostgresWishes(pool).wish(types, low_balance=LOW)
        if sender is None:
            http = HTTPSender.connecting(clock=SystemClock(), seconds_max=10)
            stack.push_async_callback(http.aclose)
            sender = http
        post = Post(bank, url, endpoints, deliveries, sender)
        yield post
        assert post.faults == []
