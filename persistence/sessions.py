"""Sessions looked up for every request, as many by one query as are waiting for it."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from domain.identity import AccountStatus, Role
from domain.signing_in import SessionInForce
from domain.units import AccountId
from persistence.faults import telling_faults
from persistence.gathering import Gathering


class PostgresSessions:
    """Looks up sessions, as `domain.signing_in.Sessions` promises it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._gathering = Gathering(self._look_up)

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        """Whose session it is, or None when it ended, ran out or never was. Raises Unavailable."""
        return await self._gathering.find(session_id)

    async def _look_up(self, session_ids: list[UUID]) -> Mapping[UUID, SessionInForce]:
        with telling_faults():
            rows = await self._pool.fetch(
                "SELECT session_id, account_id, role, status FROM tallystick.sessions_in_force($1)",
                session_ids,
            )
        return {
            row["session_id"]: SessionInForce(
                account_id=AccountId(row["account_id"]),
                role=Role(row["role"]),
                status=AccountStatus(row["status"]),
            )
            for row in rows
        }
