"""Administrators block accounts, and lift the block."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.checking import issues_of_reason, raise_issues
from domain.errors import NotFound, StateConflict
from domain.identity import Viewer
from domain.units import AccountId


class StatusChange(StrEnum):
    """What came of a change of an account's status."""

    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    NOT_FOUND = "NOT_FOUND"
    ONESELF = "ONESELF"


class StatusOffice(Protocol):
    """Where the status of accounts is changed, in an administrator's session.

    The database checks the right again, and commits the change with its audit entry. Raises
    Forbidden when the right is gone.
    """

    async def suspend_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange: ...

    async def reinstate_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange: ...


@dataclass(frozen=True, slots=True)
class Suspending:
    """Blocks accounts and lifts the block. Saying either twice is no mistake."""

    office: StatusOffice

    async def suspend(self, actor: Viewer, account_id: AccountId, *, reason: str) -> None:
        """Raises NotFound, and StateConflict for oneself."""
        raise_issues(issues_of_reason(reason))
        change = await self.office.suspend_account(actor.session_id, account_id, reason=reason)
        if change is StatusChange.ONESELF:
            raise StateConflict("You cannot suspend yourself. Ask another administrator.")
        if change is StatusChange.NOT_FOUND:
            raise NotFound("account")

    async def reinstate(self, actor: Viewer, account_id: AccountId, *, reason: str) -> None:
        """Let an account act again; who held one of its sessions signs in anew. Raises NotFound."""
        raise_issues(issues_of_reason(reason))
        change = await self.office.reinstate_account(actor.session_id, account_id, reason=reason)
        if change is StatusChange.NOT_FOUND:
            raise NotFound("account")
