"""Brings a database to the form this release expects, and back.

Functions here are called by the command line and by tests; they run their own event loop.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from persistence.roles import Login, password

ROLES_ALONE = "roles_alone"
"""What migrations are told when they are to make roles and nothing else."""

_MIGRATIONS = Path(__file__).parent.parent / "migrations"


def upgrade(url: str, *, secret: str, revision: str = "head") -> None:
    """Migrate the database a URL names, and let our logins in with passwords of this secret."""

    async def run() -> None:
        await _with_connection(url, lambda config: command.upgrade(config, revision))
        await _set_passwords(url, secret)

    asyncio.run(run())


def make_roles(url: str, *, secret: str) -> None:
    """Make our logins on the server and let them in; the database itself is left as it is.

    Roles belong to a server, not to a database, and so no dump of a database has them.
    """

    def make(config: Config) -> None:
        config.attributes[ROLES_ALONE] = True
        command.upgrade(config, "head")

    async def run() -> None:
        await _with_connection(url, make)
        await _set_passwords(url, secret)

    asyncio.run(run())


def downgrade(url: str, *, revision: str = "base") -> None:
    """Undo migrations down to a revision; `base` removes the books themselves."""
    asyncio.run(_with_connection(url, lambda config: command.downgrade(config, revision)))


def newest_revision() -> str | None:
    """The revision this release expects."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head()


def is_newer(revision: str) -> bool:
    """Whether a later release made this revision; this one knows all before its own."""
    newest = newest_revision()
    return newest is not None and revision > newest


def engine_of(url: str) -> AsyncEngine:
    """Connections as the operator; asyncpg reads the URL, with everything TLS needs in it."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


async def _with_connection(url: str, work: Callable[[Config], None]) -> None:
    engine = engine_of(url)

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        work(config)

    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def _set_passwords(url: str, secret: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            # Two at once would change one row of the catalog, which PostgreSQL refuses.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tallystick.logins'))")
            for login in Login:
                # ALTER ROLE takes no parameters; both values are ours, of letters and digits.
                await connection.execute(
                    f"ALTER ROLE {login} LOGIN PASSWORD '{password(login, secret=secret)}'"
                )
    finally:
        await connection.close()
