"""Connections for reading: a PostgreSQL transaction in which one session's rights are in force."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import asyncpg
from sqlalchemy import AdaptedConnection, event, text
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import TallystickError
from domain.reporting import Reader
from persistence.faults import telling_faults
from persistence.roles import OWNER, Login, url_of

STATEMENT_SECONDS: Final = 10
CONNECT_SECONDS: Final = 5.0
POOL_SECONDS: Final = 5.0
"""How long a read waits for a free connection before it is refused."""

# What reads here is over before a plan could be compiled.
_ENTER: Final = text(
    "SELECT set_config('tallystick.session_id', :session_id, true), set_config('jit', 'off', true)"
)

_RIGHTS: Final = """
SELECT rolsuper OR rolbypassrls OR rolcreaterole OR pg_has_role(oid, $1, 'MEMBER')
  FROM pg_roles WHERE rolname = current_user
"""


class UnsafeLogin(TallystickError):
    """A login that serves callers could step around row-level security."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The two logins that read: one for what is a session's own, one for administrators."""

    user: AsyncEngine
    admin: AsyncEngine

    @classmethod
    def connecting(cls, url: str, *, secret: str, connections_max: int = 8) -> Self:
        """Engines for the database of an operator's URL; they connect when they are needed."""
        return cls(
            _engine(url_of(Login.USER, url, secret=secret), connections_max),
            _engine(url_of(Login.ADMIN, url, secret=secret), connections_max),
        )

    async def dispose(self) -> None:
        await self.user.dispose()
        await self.admin.dispose()

    @asynccontextmanager
    async def reading(
        self, reader: Reader, *, in_one_snapshot: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """A transaction on the reader's behalf, which sees what is the reader's.

        In one snapshot, all its statements see the books as of one moment. Raises Unavailable when
        the database is away or too slow.
        """
        engine = self.admin if reader.as_admin else self.user
        if in_one_snapshot:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        async with (
            _acting(engine, reader.session_id) as connection,
            AsyncSession(connection) as session,
        ):
            yield session

    @asynccontextmanager
    async def reading_publicly(self) -> AsyncIterator[AsyncSession]:
        """A transaction on nobody's behalf, which sees what is public. Raises Unavailable."""
        with telling_faults():
            async with AsyncSession(self.user) as session:
                yield session

    @asynccontextmanager
    async def acting(self, session_id: UUID) -> AsyncIterator[AsyncConnection]:
        """A transaction in which functions for customers work on what is the session's own."""
        async with _acting(self.user, session_id) as connection:
            yield connection

    @asynccontextmanager
    async def administering(self, session_id: UUID) -> AsyncIterator[AsyncConnection]:
        """A transaction in which functions for administrators work, if the session is one's."""
        async with _acting(self.admin, session_id) as connection:
            yield connection


@asynccontextmanager
async def _acting(engine: AsyncEngine, session_id: UUID) -> AsyncIterator[AsyncConnection]:
    with telling_faults():
        async with engine.begin() as connection:
            await connection.execute(_ENTER, {"session_id": str(session_id)})
            yield connection


async def check_logins(url: str, *, secret: str) -> None:
    """See that each login of ours can connect, and may not do more than it must.

    Raises UnsafeLogin for a superuser, for one that may make roles or pass row-level security, and
    for a member of the owner; Unavailable when one cannot connect.
    """
    for login in Login:
        with telling_faults():
            connection = await asyncpg.connect(
                url_of(login, url, secret=secret), timeout=CONNECT_SECONDS
            )
            try:
                is_unsafe = await connection.fetchval(_RIGHTS, OWNER)
                await connection.close(timeout=CONNECT_SECONDS)
            finally:
                connection.terminate()  # at once, where the server has fallen silent
        if is_unsafe:
            raise UnsafeLogin(
                f"The login {login} has rights that pass row-level security. "
                f"Take them from it: ALTER ROLE {login} NOSUPERUSER NOBYPASSRLS NOCREATEROLE; "
                f"REVOKE {OWNER} FROM {login};"
            )


def _engine(url: str, connections_max: int) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        # asyncpg reads the URL itself, so that every option an operator may write in it works.
        return await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            # For a network that swallows answers; the server's own limit comes first.
            command_timeout=STATEMENT_SECONDS + CONNECT_SECONDS,
            server_settings={
                "application_name": "tallystick-reader",
                "statement_timeout": f"{STATEMENT_SECONDS}s",
                # Those who read may also recharge, refund and revoke.
                "synchronous_commit": "on",
            },
        )

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # Errors of SQLAlchemy quote their parameters, and a session's id is a secret.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _see_that_it_is_open)
    return engine


def _see_that_it_is_open(connection: AdaptedConnection, *_: object) -> None:
    """Let no reader meet a connection that ended while nobody used it; nothing is asked for this.

    Without this the first readers after a restart of the database would be told that it is away.
    """
    raw = connection.driver_connection
    if isinstance(raw, asyncpg.Connection) and raw.is_closed():
        raise InvalidatePoolError
