"""Joins what looks after the system itself, on a connection of its own."""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from app.deployment import Deployment
from app.settings import Settings
from app.upkeep import Work
from domain.errors import Unavailable
from domain.overseeing import LOOKED_AT, Overseeing
from domain.tallying import Tally
from domain.thresholds import Limits
from persistence.book_checks import PostgresBookChecks
from persistence.forgetting import PostgresSeenAlerts
from persistence.overseeing import PostgresCounts, PostgresLookout
from persistence.pools import pool_of
from persistence.roles import Login
from schema.ids import account_name

WRITE_SECONDS: Final = 10.0
FORGET_SECONDS: Final = 3_600.0
_FIRST_LOOK_SECONDS: Final = 15.0
"""A process that has just started has more urgent work."""
_BOOKS_SECONDS: Final = 60.0
"""How often it is asked whether it is time to recompute the books."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """What is counted here, looked at and forgotten, and how the books are recomputed."""

    tally: Tally
    overseeing: Overseeing
    seen: PostgresSeenAlerts
    checks: PostgresBookChecks | None

    def works(self) -> Sequence[Work]:
        """All of it, for the upkeep."""
        looks = [
            Work(
                f"look for {kind}",
                partial(self.overseeing.look_for, kind),
                every.total_seconds(),
                _FIRST_LOOK_SECONDS,
            )
            for kind, every in LOOKED_AT.items()
        ]
        works = [
            *looks,
            Work("write counts", self.tally.write, WRITE_SECONDS, WRITE_SECONDS),
            Work("forget alerts", self.seen.forget, FORGET_SECONDS, _FIRST_LOOK_SECONDS),
        ]
        if self.checks is not None:
            works.append(Work("check the books", self.checks.check, _BOOKS_SECONDS, _BOOKS_SECONDS))
        return works


@asynccontextmanager
async def opened_oversight(settings: Settings, deployment: Deployment) -> AsyncIterator[Oversight]:
    """Count until this is left; what was counted by then is written."""
    key = hmac.digest(deployment.secret.encode(), b"subjects of alerts", "sha256")
    url = deployment.url_of(Login.WORKER)
    # One connection, so that looks come one after the other and take nothing from answers.
    async with pool_of(Login.WORKER, url, connections_max=1) as pool:
        tally = Tally(
            keeper=PostgresCounts(pool),
            hidden=lambda text: hmac.digest(key, text.encode(), "sha256")[:12].hex(),
        )
        yield Oversight(
            tally=tally,
            overseeing=Overseeing(
                lookout=PostgresLookout(pool), limits=limits_of(settings), name_of=account_name
            ),
            seen=PostgresSeenAlerts(pool),
            checks=PostgresBookChecks(
                pool=pool, url=deployment.url, every=timedelta(minutes=settings.book_check_minutes)
            )
            if settings.book_check_minutes
            else None,
        )
        with suppress(Unavailable):
            await tally.write()


def limits_of(settings: Settings) -> Limits:
    """What is too much by the settings."""
    return Limits(
        failures_percent=settings.alert_failures_percent,
        backlog_seconds=settings.alert_backlog_seconds,
        backlog_max=settings.answers_waiting_max,
        refusals=settings.alert_refusals,
        spending=settings.alert_spending_credits,
        spending_times=settings.alert_spending_times,
    )
