"""Which systems of the operator's are told what happens, and that it is told while we run."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import structlog

from adapters.webhook_endpoints import endpoint_from_settings, read_endpoints
from app.deployment import Deployment
from app.settings import Settings, named
from domain.counting import Tally
from domain.outside import Clock
from domain.telling import Endpoint, EventType, types_wanted
from domain.units import Microcredits
from persistence.pools import pool_of
from persistence.roles import Login
from persistence.wishing import PostgresWishes

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


async def types_told(
    settings: Settings, pool: asyncpg.Pool, *, decides: bool
) -> frozenset[EventType]:
    """What is told from now on: what this process's endpoints want to hear.

    One without any that does not decide leaves it as it is, and tells what others want.
    """
    types, wishes = types_wanted(endpoints_of(settings)), PostgresWishes(pool)
    if not types and not decides:
        return await wishes.wanted()
    low = settings.low_balance_credits if types else Microcredits(0)
    if await wishes.wish(types, low_balance=low):
        # Said aloud when it is nothing: another process may have been started for less.
        tell = _log.info if types else _log.warning
        tell("events wanted", types=sorted(map(str, types)))
    return types


@asynccontextmanager
async def telling_goes_on(
    settings: Settings, deployment: Deployment, clock: Clock, outcomes: Tally
) -> AsyncIterator[None]:
    """Deliver what happens in the background until this is left, if there are endpoints here.

    What comes of it is counted in `outcomes`.
    """
    endpoints = endpoints_of(settings)
    if not endpoints:
        yield
        return
    # Its libraries would cost every process a tenth of a second, and most tell nobody.
    from app.delivering import delivering  # noqa: PLC0415

    url = deployment.url_of(Login.WORKER)
    async with (
        pool_of(Login.WORKER, url, connections_max=_CONNECTIONS) as pool,
        delivering(settings, pool, url, endpoints, clock, outcomes),
    ):
        yield
