"""Raw SQL on a connection of one of our logins, as somebody would try it who got hold of one."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from persistence.roles import Login, url_of
from tests.persistence.bank import Bank

DONE = "done"
DENIED = "denied"
REFUSED = "refused"
"""History is never changed: a trigger said so."""


@dataclass(frozen=True, slots=True)
class Intruder:
    """One PostgreSQL transaction, perhaps with a session's rights."""

    connection: asyncpg.Connection

    async def enter(self, session_id: object) -> None:
        """Put a session, or anything else, into force."""
        await self.connection.execute(
            "SELECT set_config('tallystick.session_id', $1, true)", str(session_id)
        )

    async def attempt(self, statement: str, *values: object) -> str:
        """What came of a statement; whatever it was, the transaction goes on."""
        try:
            async with self.connection.transaction():
                await self.connection.execute(statement, *values)
        except asyncpg.InsufficientPrivilegeError:
            return DENIED
        except asyncpg.RestrictViolationError:
            return REFUSED
        except asyncpg.PostgresError as error:
            return type(error).__name__
        return DONE

    async def not_denied(self, statements: Iterable[str], *values: object) -> list[str]:
        """The statements that were not denied."""
        return [s for s in statements if await self.attempt(s, *values) != DENIED]

    async def rows(self, relation: str) -> int | str:
        """How many rows of a table or view can be read, if it can be read at all."""
        try:
            async with self.connection.transaction():
                query = f"SELECT * FROM tallystick.{relation}"  # noqa: S608 - a name of ours
                return len(await self.connection.fetch(query))
        except asyncpg.InsufficientPrivilegeError:
            return DENIED

    async def owners(self, relation: str) -> set[int]:
        """Whose rows of a table or view can be read."""
        name = "id" if relation == "accounts" else "account_id"
        query = f"SELECT {name} FROM tallystick.{relation}"  # noqa: S608 - names of ours
        return {row[0] for row in await self.connection.fetch(query)}


@asynccontextmanager
async def intruding(
    bank: Bank, login: Login, session_id: UUID | None = None
) -> AsyncIterator[Intruder]:
    """Be one of our logins, in a session if one is given."""
    url = url_of(login, bank.url, secret=bank.secret)
    async with _connected(url, session_id) as intruder:
        yield intruder


@asynccontextmanager
async def owning(bank: Bank, role: str) -> AsyncIterator[Intruder]:
    """Be the superuser, or the owner of the books."""
    async with _connected(bank.url, None) as intruder:
        await intruder.connection.execute(f"SET LOCAL ROLE {role}")
        yield intruder


@asynccontextmanager
async def _connected(url: str, session_id: UUID | None) -> AsyncIterator[Intruder]:
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        intruder = Intruder(connection)
        if session_id is not None:
            await intruder.enter(session_id)
        yield intruder
    finally:
        await transaction.rollback()
        await connection.close()
