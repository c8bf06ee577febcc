"""`tallystick reconcile`: the books next to the payment providers'."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from app.clock import SystemClock
from app.deployment import Deployment, deployed
from app.settings import Settings
from app.tills import processors_of
from domain.charging import ProcessorFailed
from domain.errors import TallystickError
from domain.reconciling import Reconciliation, Reconciling
from persistence import reaching
from persistence.engine import Engines
from persistence.payments import PostgresPayments
from persistence.pools import pool_of
from persistence.reaching import DatabaseUnusable
from persistence.roles import Login
from persistence.sandbox import PostgresSandboxTill

_CONNECTIONS: Final = 2


class ProviderAway(TallystickError):
    """A provider could not be asked, so nothing was compared."""


def reconcile(settings: Settings, *, days: int) -> Reconciliation:
    """Compare the payments of the last days with their providers'."""
    with deployed(settings) as deployment:
        faults = asyncio.run(reaching.faults(deployment.url, secret=deployment.secret))
        if faults:
            raise DatabaseUnusable("\n".join(faults.values()))
        try:
            return asyncio.run(_reconcile(settings, deployment, days))
        except ProcessorFailed as error:
            raise ProviderAway(f"Nothing was compared. {error}") from error


async def _reconcile(settings: Settings, deployment: Deployment, days: int) -> Reconciliation:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            pool_of(Login.PAYMENTS, deployment.url_of(Login.PAYMENTS), connections_max=_CONNECTIONS)
        )
        engines = Engines.connecting(deployment.url, secret=deployment.secret, connections_max=1)
        stack.push_async_callback(engines.dispose)
        books = PostgresPayments(pool, engines)
        return await Reconciling(
            books=books,
            processors=processors_of(
                stack,
                settings,
                PostgresSandboxTill(pool),
                address="",
                secret=deployment.secret,
                # Without a provider's key there can be payments of the sandbox only.
                demo_mode=True,
            ),
            alerts=books,
            clock=SystemClock(),
        ).reconcile(days=days)
