"""Sessions looked up for every request, as many by one query as are waiting for it."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from domain.errors import TallystickError
from domain.identity import AccountStatus, Role
from domain.signing_in import SessionInForce
from domain.units import AccountId
from persistence.faults import telling_faults


@dataclass(slots=True)
class PostgresSessions:
    """Looks up sessions, as `domain.signing_in.Sessions` promises it.

    Nothing is remembered: each answer was read from the database after it was asked for. While one
    query is on its way, those who ask gather for the next; a lone caller waits for nobody.
    """

    pool: asyncpg.Pool
    _waiting: dict[UUID, "asyncio.Future[SessionInForce | None]"] = field(default_factory=dict)
    _asking: "asyncio.Task[None] | None" = None

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        """Whose session it is, or None when it ended, ran out or never was. Raises Unavailable."""
        found = self._waiting.get(session_id)
        if found is None:
            found = asyncio.get_running_loop().create_future()
            self._waiting[session_id] = found
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="session look-ups")
        # Several may wait for one answer, so a caller who leaves must not take it along.
        return await asyncio.shield(found)

    async def _ask(self) -> None:
        try:
            await asyncio.sleep(0)  # whoever asks in this turn of the loop comes along
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                try:
                    found = await self._look_up(list(batch))
                except (TallystickError, asyncpg.PostgresError) as error:
                    for waiting in batch.values():
                        waiting.set_exception(error)
                        waiting.exception()  # somebody has seen it, even if the caller has left
                else:
                    for session_id, waiting in batch.items():
                        waiting.set_result(found.get(session_id))
        finally:
            self._asking = None

    async def _look_up(self, session_ids: list[UUID]) -> dict[UUID, SessionInForce]:
        with telling_faults():
            rows = await self.pool.fetch(
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
