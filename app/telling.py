"""Tells the operator's systems what happened: spreads events, and works on their deliveries."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from adapters.webhook_endpoints import endpoint_from_settings, read_endpoints
from adapters.webhooks import HTTPSender
from app.deployment import Deployment
from app.logging import kind_and_places
from app.settings import Settings, named
from app.told import spell
from domain.outside import Clock
from domain.telling import Delivery, Endpoint, Telling, types_wanted
from domain.waiting import happening
from persistence.delivery_jobs import DeliveryJobs
from persistence.pools import pool_of
from persistence.roles import Login
from persistence.telling import PostgresDeliveries

SPREAD_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 3_600.0
_FAULT_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 3.0
_CONNECTIONS: Final = 4

_log = structlog.get_logger("telling")


def endpoints_of(settings: Settings) -> tuple[Endpoint, ...]:
    """The systems these settings name; raises SettingsFileError."""
    if settings.webhooks_file is not None:
        # The file names the variables that hold its secrets, which only it can know.
        with named("WEBHOOKS_FILE"):
            return read_endpoints(settings.webhooks_file, os.environ)
    if settings.webhook_url is None:
        return ()
    return (
        endpoint_from_settings(
            url=settings.webhook_url.get_secret_value(),
            secrets=[secret.get_secret_value() for secret in settings.webhook_secrets],
            events=settings.webhook_events,
            private_network=settings.webhook_private_network,
        ),
    )


@asynccontextmanager
async def telling_goes_on(
    settings: Settings, deployment: Deployment, clock: Clock
) -> AsyncIterator[None]:
    """Tell what happens in the background until this is left, if anybody wants to hear it."""
    endpoints = endpoints_of(settings)
    async with AsyncExitStack() as stack:
        url = deployment.url_of(Login.WORKER)
        pool = await stack.enter_async_context(
            pool_of(Login.WORKER, url, connections_max=_CONNECTIONS)
        )
        deliveries = PostgresDeliveries(pool, endpoints)
        if await deliveries.wish(types_wanted(endpoints), low_balance=settings.low_balance_credits):
            _log.info("events wanted", types=sorted(map(str, types_wanted(endpoints))))
        if not endpoints:
            yield
            return
        sender = HTTPSender.connecting(clock=clock, seconds_max=settings.webhook_timeout_seconds)
        stack.push_async_callback(sender.aclose)
        work = _Work(
            Telling(
                endpoints={endpoint.name: endpoint for endpoint in endpoints},
                deliveries=deliveries,
                sender=sender,
                spell=spell,
                jitter=random.random,
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


@dataclass(frozen=True, slots=True)
class _Work:
    """Delivers, and says in the log what did not arrive."""

    telling: Telling

    async def deliver(self, delivery: Delivery) -> None:
        reply = await self.telling.deliver(delivery)
        if reply is not None and not reply.is_accepted:
            _log.warning(
                "event not accepted",
                endpoint=delivery.endpoint,
                event_id=delivery.event_id,
                status=reply.status,
                fault=reply.fault,
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
