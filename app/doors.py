"""Joins what signing in is made of, on connections of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from adapters.passwords import Argon2Hashing
from app.authentication import OwnTokens
from app.deployment import Deployment
from app.entrance import Entrance, refresh_key
from app.issuers import google_of, issuers_of
from app.mailing import MailRounds
from app.outside_tokens import OutsideTokens
from app.shared_allowances import Counting
from domain.allowing import IdentityTries, NotesRefusals, Rate
from domain.mailing import Mailing
from domain.outside_identity import GoogleSigningIn
from domain.passwords import SettingPassword
from domain.refreshing import Refreshing
from domain.signing_in import SigningIn
from domain.suspending import Suspending
from persistence.accounts import PostgresAccounts
from persistence.doors import PostgresDoors
from persistence.engine import Engines
from persistence.mails import PostgresLeftovers, PostgresMails
from persistence.outside_accounts import PostgresOutsideAccounts
from persistence.pools import pool_of
from persistence.roles import Login
from persistence.suspending import PostgresStatusOffice

_CONNECTIONS: Final = 3
_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The services of signing in, at work."""

    signing_in: SigningIn
    refreshing: Refreshing
    passwords: SettingPassword
    suspending: Suspending
    leftovers: PostgresLeftovers
    google: GoogleSigningIn
    outside_tokens: OutsideTokens
    outside_accounts: PostgresOutsideAccounts


@asynccontextmanager
async def opened_doors(
    deployment: Deployment,
    entrance: Entrance,
    engines: Engines,
    tokens: OwnTokens,
    counting: Counting,
    *,
    watch: NotesRefusals,
    address: str,
) -> AsyncIterator[Doors]:
    """Let people in, and send what they are promised, until this is left.

    Mailed links lead to `address`, where this process serves, unless APP_URL names the web app.
    """
    settings = deployment.settings
    async with AsyncExitStack() as stack:
        # Whoever is signed in already is not looked up behind those who are signing in.
        pool = await stack.enter_async_context(
            pool_of(Login.AUTH, deployment.url_of(Login.AUTH), connections_max=_CONNECTIONS)
        )
        hashing = stack.enter_context(Argon2Hashing())
        mail_is_due = asyncio.Event()
        mails = PostgresMails(pool, mail_is_due.set)
        if entrance.mailer is not None:
            mailing = Mailing(
                mails=mails, mailer=entrance.mailer, app_url=settings.app_url or address
            )
            await stack.enter_async_context(MailRounds(mailing, mail_is_due).going_on())
        books = PostgresDoors(pool)
        tries = IdentityTries(
            by_network=counting.per_minute("networks", settings.tries_per_minute),
            by_identity=counting.of("identities", Rate(settings.tries_per_address, _QUARTER)),
            watch=watch,
        )
        lasts = timedelta(days=settings.session_days)
        signing_in = SigningIn(
            offer=entrance.offer,
            accounts=PostgresAccounts(pool),
            doors=books,
            hashing=hashing,
            mails=mails,
            tokens=tokens,
            demo_sessions=counting.per_minute("demo sessions", settings.demo_sessions_per_minute),
            tries=tries,
            clock=counting.clock,
            lasts=lasts,
        )
        outside_accounts = PostgresOutsideAccounts(pool)
        yield Doors(
            signing_in=signing_in,
            refreshing=Refreshing(
                books=books,
                tokens=tokens,
                key=refresh_key(deployment.secret),
                lasts=lasts,
            ),
            passwords=SettingPassword(
                offer=entrance.offer, books=books, hashing=hashing, tries=tries
            ),
            suspending=Suspending(PostgresStatusOffice(engines)),
            leftovers=PostgresLeftovers(pool),
            google=GoogleSigningIn(
                id_tokens=google_of(settings, counting.clock),
                accounts=outside_accounts,
                signing_in=signing_in,
                tries=tries,
            ),
            outside_tokens=OutsideTokens(
                issuers=issuers_of(settings), secret=deployment.secret, clock=counting.clock
            ),
            outside_accounts=outside_accounts,
        )
