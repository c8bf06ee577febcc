"""What the operator's commands do, each on the books its settings name."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adapters.price_book import read_price_book
from app.authentication import OwnTokens
from app.clock import SystemClock
from app.deployment import Deployment, deployed
from app.settings import Settings
from domain.errors import NotFound, TallystickError
from domain.identity import Role
from domain.signing_in import ACCESS_TOKEN_LASTS
from domain.verifying import Report
from persistence import operating, reaching, verifying
from persistence.accounts import PostgresAccounts
from persistence.migrating import newest_revision
from persistence.pools import pool_of
from persistence.reaching import DatabaseUnusable
from persistence.roles import Login
from schema.ids import account_name


class NoSuchAccount(TallystickError):
    """Nobody has this address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"There is no account with the address {email}.")


def migrate(settings: Settings) -> str:
    """Bring the database to this release's form; returns the revision it is at."""
    with deployed(settings, makes=settings.database_url is None) as deployment:
        asyncio.run(reaching.check_server(deployment.url))
        reaching.migrate(deployment.url, secret=deployment.secret)
    return newest_revision() or "none"


def make_roles(settings: Settings) -> None:
    """Make our logins on the server, and leave the database as it is."""
    with deployed(settings, makes=settings.database_url is None) as deployment:
        asyncio.run(reaching.check_server(deployment.url))
        reaching.make_roles(deployment.url, secret=deployment.secret)


def verify(settings: Settings) -> Report:
    """Recompute what is always true of the books from their raw rows."""
    with _books(settings) as url:
        return asyncio.run(verifying.verify(url))


def load_models(settings: Settings, file: Path) -> str:
    """Make the price book say what a file says; returns what changed, in words."""
    listings = read_price_book(file)
    with _books(settings) as url:
        changed = asyncio.run(operating.load_models(url, listings))
    return f"{len(listings)} models read; changed: {', '.join(changed) or 'none'}."


def token(settings: Settings, email: str) -> str:
    """An access token of a new session, which lasts no longer than the token."""
    with deployed(settings) as deployment:
        _refuse(asyncio.run(reaching.faults(deployment.url, secret=deployment.secret)))
        return asyncio.run(_token(deployment, email))


async def _token(deployment: Deployment, email: str) -> str:
    async with pool_of(Login.AUTH, deployment.url_of(Login.AUTH), connections_max=1) as pool:
        accounts = PostgresAccounts(pool)
        account_id = await accounts.account_of_email(email)
        if account_id is None:
            raise NoSuchAccount(email)
        session_id = await accounts.start_session(
            account_id, lasts=ACCESS_TOKEN_LASTS, refresh_token_hash=None
        )
    tokens = OwnTokens(deployment.secret, clock=SystemClock(), name_of=account_name)
    return tokens.issue(account_id, session_id).text


def set_admin(settings: Settings, email: str, *, is_admin: bool) -> str:
    """Make an account an administrator's, or an ordinary one; returns what is so now, in words."""
    role = Role.ADMIN if is_admin else Role.USER
    with _books(settings) as url:
        try:
            changed = asyncio.run(operating.set_role(url, email, role))
        except NotFound:
            raise NoSuchAccount(email) from None
    return f"{email} is {'' if changed else 'already '}{role}."


@contextmanager
def _books(settings: Settings) -> Iterator[str]:
    """The operator's way into books of this release's form."""
    with deployed(settings) as deployment:
        _refuse(asyncio.run(reaching.faults_of_books(deployment.url)))
        yield deployment.url


def _refuse(faults: Mapping[str, str]) -> None:
    if faults:
        raise DatabaseUnusable("\n".join(faults.values()))
