"""Whether a PostgreSQL can be reached, is new enough, migrated, and lets our logins in.

What is wrong is told in words an operator can act on, and never with a password.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from ssl import SSLError
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg
from sqlalchemy.exc import DBAPIError

from domain.errors import TallystickError, Unavailable
from domain.outside import Clock
from persistence import migrating
from persistence.engine import UnsafeLogin, check_logins
from persistence.faults import telling_faults
from persistence.migrating import is_newer, newest_revision, upgrade
from persistence.roles import OWNER

VERSION_MIN: Final = 15
CLOCK_SKEW_MAX: Final = timedelta(seconds=10)
"""Two machines this far off in opposite directions still believe each other's tokens."""
_CONNECT_SECONDS: Final = 5.0
_PER_MAJOR: Final = 10_000

_NOT_MIGRATED: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidParameterValueError,
)
_HAS_BOOKS: Final = "SELECT to_regnamespace('tallystick') IS NOT NULL"
"""Every login may ask this, whatever else it may."""


class DatabaseUnusable(TallystickError):
    """The database cannot be used as it is; the message says what to do about it."""


async def make_database(server_url: str, name: str) -> None:
    """Make a database if there is none of this name. The name is ours, of letters only."""
    async with _connected(server_url) as connection:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")


async def check_server(url: str) -> None:
    """Raise DatabaseUnusable when nobody answers there, or a PostgreSQL that is too old."""
    async with _connected(url) as connection:
        major = connection.get_server_version().major
    if major < VERSION_MIN:
        raise DatabaseUnusable(
            f"PostgreSQL {major} runs at {_place_of(url)}; {VERSION_MIN} or newer is needed."
        )


def migrate(url: str, *, secret: str) -> None:
    """Bring the database to this release's form; whatever fails is undone. See `upgrade`."""
    with _telling_of_migration():
        upgrade(url, secret=secret)


def make_roles(url: str, *, secret: str) -> None:
    """Make our logins on the server, for books that come from a backup."""
    with _telling_of_migration():
        migrating.make_roles(url, secret=secret)


@contextmanager
def _telling_of_migration() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise DatabaseUnusable(_told_of_migration(error.orig or error)) from error
    except asyncpg.PostgresError as error:
        raise DatabaseUnusable(_told_of_migration(error)) from error


async def faults(url: str, *, secret: str) -> Mapping[str, str]:
    """What keeps a process from serving: `database`, `migrations`, `logins`; empty when ready.

    A database that a newer release has migrated is served: migrations run beside the release
    before them, whose processes go on meanwhile.
    """
    if found := await _faults_of_books(url, may_be_newer=True):
        return found
    try:
        await check_logins(url, secret=secret)
    except (UnsafeLogin, Unavailable) as error:
        return {"logins": str(error)}
    except asyncpg.PostgresError as error:
        return {
            "logins": f"The database refuses our logins: {type(error).__name__}. Their passwords "
            "come from TALLYSTICK_SECRET, which has to be the one it was migrated with; "
            "`tallystick migrate` sets them anew."
        }
    return {}


async def fault_of_clock(url: str, clock: Clock) -> Mapping[str, str]:
    """`clock`, when this machine's differs from the database's; empty when they agree.

    Tokens end by the one, leases and holds by the other.
    """
    try:
        with telling_faults():
            async with _connected(url) as connection:
                before = clock.now()
                theirs = await connection.fetchval("SELECT clock_timestamp()")
                after = clock.now()
    except (DatabaseUnusable, Unavailable) as error:
        return {"database": str(error)}
    # However long the answer took, theirs lies between the two if the clocks agree.
    ahead, behind = before - theirs, theirs - after
    if max(ahead, behind) <= CLOCK_SKEW_MAX:
        return {}
    seconds = round(max(ahead, behind).total_seconds())
    return {
        "clock": f"This machine's clock is {seconds} s {'ahead of' if ahead > behind else 'behind'}"
        " the database's. Set both by a time server."
    }


async def faults_of_books(url: str) -> Mapping[str, str]:
    """What keeps the operator from working on the books: `database`, `migrations`."""
    return await _faults_of_books(url, may_be_newer=False)


async def _faults_of_books(url: str, *, may_be_newer: bool) -> Mapping[str, str]:
    try:
        with telling_faults():
            await check_server(url)
            revision = await _revision(url)
    except (DatabaseUnusable, Unavailable) as error:
        return {"database": str(error)}
    wanted = newest_revision()
    if revision == wanted or (may_be_newer and revision is not None and is_newer(revision)):
        return {}
    return {
        "migrations": f"The database is at revision {revision or 'none'}, and this release "
        f"needs {wanted}. Run `tallystick migrate`."
    }


async def serves_others(url: str) -> bool:
    """Whether the database has accounts that were not made to try things out."""
    found = await _asked(url, "SELECT EXISTS (SELECT FROM tallystick.accounts WHERE NOT is_demo)")
    return bool(found)


async def _revision(url: str) -> str | None:
    """The revision the database is at, or None if it was never migrated."""
    revision = await _asked(url, "SELECT version_num FROM tallystick.alembic_version")
    return None if revision is None else str(revision)


async def _asked(url: str, query: str) -> object:
    """A value from the books, read as their owner; None where there are no books yet.

    Raises DatabaseUnusable for a login that may not read what is there.
    """
    async with _connected(url) as connection:
        try:
            await connection.execute(f"SET ROLE {OWNER}")
            found: object = await connection.fetchval(query)
        except _NOT_MIGRATED:
            return None
        except asyncpg.InsufficientPrivilegeError as error:
            if await connection.fetchval(_HAS_BOOKS):
                raise DatabaseUnusable(_told_of_rights(url)) from error
            return None
    return found


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise DatabaseUnusable(_told(url, error)) from error
    try:
        yield connection
        await connection.close(timeout=_CONNECT_SECONDS)
    finally:
        # At once: whoever was canceled, or found the server silent, waits for no farewell.
        connection.terminate()


def _told(url: str, error: Exception) -> str:
    place = _place_of(url)
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"The PostgreSQL at {place} refused the login {_login_of(url)}. See that login and "
                "password in DATABASE_URL are right, and that pg_hba.conf lets it in."
            )
        case asyncpg.InsufficientPrivilegeError():
            return f"The login {_login_of(url)} has no CONNECT on the database at {place}."
        case asyncpg.InvalidCatalogNameError():
            return f"The PostgreSQL at {place} has no such database. Make it with createdb."
        case asyncpg.PostgresError():
            return f"The PostgreSQL at {place} takes no connection now: {type(error).__name__}."
        # Before ValueError, which a certificate that is refused is too.
        case OSError():
            return _told_of_network(place, error)
        case _:
            return (
                "DATABASE_URL cannot be read. Write postgresql://login:password@host:port/database."
            )


def _told_of_network(place: str, error: OSError) -> str:
    match error:
        case SSLError():
            return (
                f"The PostgreSQL at {place} cannot be trusted: {error.reason or 'TLS failed'}. See "
                "that sslrootcert in DATABASE_URL names the authority of its certificate, and "
                "with sslmode=verify-full that the host is written as in it."
            )
        case ConnectionError() if "rejected SSL" in str(error):
            return f"The PostgreSQL at {place} offers no TLS, and sslmode in DATABASE_URL wants it."
        case _:
            return (
                f"No PostgreSQL can be reached at {place}. "
                "See that it runs, and that DATABASE_URL is right."
            )


def _told_of_rights(url: str) -> str:
    return (
        f"The login {_login_of(url)} may not work on the books at {_place_of(url)}. Set "
        "DATABASE_URL to the login that migrated them, or have that one GRANT "
        f"{OWNER} TO this one."
    )


def _told_of_migration(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return (
            "The login in DATABASE_URL may not migrate this database. Use the one that migrated it "
            "so far; the first time it needs CREATEROLE, and CREATE on the database. PostgreSQL "
            f"says: {cause}"
        )
    return f"The migration failed and was undone. PostgreSQL says: {cause}"


def _place_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2] or 'its socket'}{parts.path}"


def _login_of(url: str) -> str:
    login = urlsplit(url).netloc.rpartition("@")[0].partition(":")[0]
    return unquote(login) or "it names"
