"""What a broken, slow or stopping database raises, told as an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import Unavailable

INSUFFICIENT_PRIVILEGE: Final = "42501"
NOT_NULL_VIOLATION: Final = "23502"
FOREIGN_KEY_VIOLATION: Final = "23503"
CHECK_VIOLATION: Final = "23514"
OUT_OF_RANGE: Final = "22003"
NOT_IN_THIS_STATE: Final = "55000"
_QUERY_CANCELED: Final = "57014"
_READ_ONLY: Final = "25006"
_AWAY_CLASSES: Final = frozenset({"08", "53", "57"})
"""Classes of codes for connections that break, limits that are reached, and servers that stop."""

_AWAY: Final = "The database cannot be reached. Try again shortly."
_ONLY_READ: Final = "The database can only be read now, as a standby can. Try again shortly."
_SLOW: Final = "This took the database too long. Ask for less, or try again shortly."


@contextmanager
def telling_faults() -> Iterator[None]:
    """Raise Unavailable where the database cannot do it now; let every other error pass."""
    try:
        yield
    except (
        OSError,
        TimeoutError,
        PoolTimeoutError,
        asyncpg.InterfaceError,
        # What asyncpg calls a connection that the server ended while it was idle.
        asyncpg.InternalClientError,
    ) as error:
        raise Unavailable(_AWAY) from error
    except (DBAPIError, asyncpg.PostgresError) as error:
        state = sqlstate(error)
        if state == _QUERY_CANCELED:
            raise Unavailable(_SLOW) from error
        if state == _READ_ONLY:
            raise Unavailable(_ONLY_READ) from error
        if state[:2] in _AWAY_CLASSES or _broke_the_connection(error):
            raise Unavailable(_AWAY) from error
        raise


def sqlstate(error: DBAPIError | asyncpg.PostgresError) -> str:
    """PostgreSQL's code for what went wrong; empty when it did not say."""
    code = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def _broke_the_connection(error: DBAPIError | asyncpg.PostgresError) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
