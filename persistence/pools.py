"""Connections on which a login of ours calls functions."""

from typing import Final

import asyncpg

from persistence.roles import Login

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30


def pool_of(login: Login, url: str, *, connections_max: int) -> asyncpg.Pool:
    """Connections for a login, whose own URL this is; to be entered, and made when needed."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        timeout=CONNECT_SECONDS,
        reset=_as_it_is,
        server_settings={
            "application_name": login.replace("_", "-"),
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            # What is acknowledged is on disk, whatever the database's default is.
            "synchronous_commit": "on",
        },
    )


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """What is called here leaves nothing behind, and a reset would be one more query each time."""
