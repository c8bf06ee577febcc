"""Delivers events: spreads them to endpoints, and works on the jobs of their deliveries."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from adapters.webhooks import HTTPSender
from app.logging import kind_and_places
from app.settings import Settings
from app.told import spell
from domain.counting import Tally
from domain.outside import Clock
from domain.telling import Delivery, Endpoint, Telling
from domain.waiting import happening
from persistence.delivery_jobs import DeliveryJobs
from persistence.telling import PostgresDeliveries
from schema.ids import event_name

SPREAD_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 3_600.0
_FAULT_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 3.0

_log = structlog.get_logger("telling")


@asynccontextmanager
async def delivering(
    settings: Settings,
    pool: asyncpg.Pool,
    url: str,
    endpoints: Sequence[Endpoint],
    clock: Clock,
    outcomes: Tally,
) -> AsyncIterator[None]:
    """Spread and deliver in the background until this is left; pool and URL are the worker's."""
    deliveries = PostgresDeliveries(pool, endpoints)
    sender = HTTPSender.connecting(clock=clock, seconds_max=settings.webhook_timeout_seconds)
    work = _Work(
        Telling(
            endpoints={endpoint.name: endpoint for endpoint in endpoints},
            deliveries=deliveries,
            sender=sender,
            spell=spell,
            jitter=random.random,
            outcomes=outcomes,
        )
    )
    jobs = DeliveryJobs(url, tuple(work.telling.endpoints), work.deliver, work.told_fault)

    async def forget() -> None:
        if done := await deliveries.forget(clock.now() - timedelta(days=settings.webhook_days)):
            _log.info("events forgotten", done=done)

    tasks = [
        asyncio.create_task(_for_ever("spread events", deliveries.spread, SPREAD_SECONDS)),
        asyncio.create_task(_for_ever("forget events", forget, FORGET_SECONDS)),
    ]
    working = asyncio.create_task(_until_stopped(jobs))
    try:
        yield
    finally:
        jobs.stop()
        for task in tasks:
            task.cancel()
        # What is on its way is handed back, so that another process need not wait for it.
        await asyncio.wait({working}, timeout=_STOP_SECONDS)
        working.cancel()
        await asyncio.gather(*tasks, working, return_exceptions=True)
        await sender.aclose()


@dataclass(frozen=True, slots=True)
class _Work:
    """Delivers, and says in the log what did not arrive."""

    telling: Telling

    async def deliver(self, delivery: Delivery) -> None:
        tried = await self.telling.deliver(delivery)
        if tried is not None and not tried.reply.is_accepted:
            _log.warning(
                "event not accepted",
                endpoint=delivery.endpoint,
                event_id=event_name(tried.event.id),
                type=tried.event.type,
                status=tried.reply.status,
                fault=tried.reply.fault,
                tries=tried.event.tries + 1,
                state=tried.then.state,
            )

    def told_fault(self, fault: Exception) -> None:
        _log.error("delivery failed", **kind_and_places(fault))


async def _for_ever(name: str, work: Callable[[], Awaitable[object]], every_seconds: float) -> None:
    """A failure is logged once, until it works again; it is tried again either way."""
    is_well = True
    while True:
        pause_seconds = every_seconds
        try:
            await work()
        except Exception as fault:  # noqa: BLE001 - the edge: it must go on after a bad hour
            if is_well:
                _log.error("telling failed", work=name, **kind_and_places(fault))
            is_well = False
            pause_seconds = max(every_seconds, _FAULT_SECONDS)
        else:
            is_well = True
        await asyncio.sleep(pause_seconds)


async def _until_stopped(jobs: DeliveryJobs) -> None:
    while not jobs.stopping.is_set():
        try:
            await jobs.run()
        except Exception as fault:  # noqa: BLE001 - the edge: it must go on after a bad hour
            _log.error("telling failed", work="deliver events", **kind_and_places(fault))
            await happening(jobs.stopping, within_seconds=_FAULT_SECONDS)
