"""Administrators change the status of accounts, by SQL functions that check their right again."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from domain.errors import Forbidden
from domain.suspending import StatusChange
from domain.units import AccountId
from persistence.engine import Engines
from persistence.faults import INSUFFICIENT_PRIVILEGE, sqlstate

_SUSPEND: Final = text("SELECT tallystick.suspend_account(:account_id, :reason)")
_REINSTATE: Final = text("SELECT tallystick.reinstate_account(:account_id, :reason)")


@dataclass(frozen=True, slots=True)
class PostgresStatusOffice:
    """Keeps what `domain.suspending.StatusOffice` promises."""

    engines: Engines

    async def suspend_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange:
        return await self._change(_SUSPEND, session_id, account_id, reason)

    async def reinstate_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange:
        return await self._change(_REINSTATE, session_id, account_id, reason)

    async def _change(
        self, query: TextClause, session_id: UUID, account_id: AccountId, reason: str
    ) -> StatusChange:
        values = {"account_id": account_id, "reason": reason}
        try:
            async with self.engines.administering(session_id) as connection:
                return StatusChange((await connection.execute(query, values)).scalar_one())
        except DBAPIError as error:
            if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
                raise Forbidden from error
            raise
