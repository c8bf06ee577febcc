"""Sessions go on by refreshing them, and end by signing out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from domain.errors import AccountSuspended, InvalidCredentials, InvalidInput
from domain.identity import Session, Viewer
from domain.refresh_tokens import NOT_IN_FORCE, RefreshToken
from domain.signing_in import ACCESS_TOKEN_LASTS, AccessTokens
from domain.units import AccountId

REFRESH_GRACE: Final = timedelta(seconds=10)
"""For a second tab, or a reply that was lost: so long the token before is still taken."""


class RefreshOutcome(StrEnum):
    """What came of a refresh token."""

    REFRESHED = "REFRESHED"
    SUSPENDED = "SUSPENDED"
    REUSED = "REUSED"
    """It had been traded already: its session was ended, and the audit log says so."""

    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What came of a refresh token, and the session it is of if there is one."""

    outcome: RefreshOutcome
    account_id: AccountId | None = None
    session_id: UUID | None = None
    expires_at: datetime | None = None


class RefreshBooks(Protocol):
    """Sessions and the hashes of their refresh tokens."""

    async def refresh_session(
        self,
        token: RefreshToken,
        following: RefreshToken,
        *,
        grace: timedelta,
        lasts: timedelta,
    ) -> Refreshed:
        """Put the following token in force, once, however often it is asked for at a time."""
        ...

    async def end_sessions(self, session_id: UUID, *, everywhere: bool) -> int:
        """End a session, or all of its account; returns how many were in force."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshing:
    """Prolongs sessions and ends them."""

    books: RefreshBooks
    tokens: AccessTokens
    key: bytes
    lasts: timedelta

    async def refresh(self, text: str | None) -> Session:
        """Trade a refresh token for a new pair.

        Raises InvalidCredentials for one that is not in force; one that was used already ends its
        session, since either its owner or a thief holds a copy. Raises AccountSuspended.
        """
        if text is None:
            raise InvalidInput.at("refresh_token", "Send the refresh token.")
        token = RefreshToken.read(text)
        following = token.following(self.key)
        found = await self.books.refresh_session(
            token, following, grace=REFRESH_GRACE, lasts=self.lasts
        )
        if found.outcome is RefreshOutcome.SUSPENDED:
            raise AccountSuspended
        if (
            found.outcome is not RefreshOutcome.REFRESHED
            or found.account_id is None
            or found.session_id is None
            or found.expires_at is None
        ):
            raise InvalidCredentials(NOT_IN_FORCE)
        access = self.tokens.issue(found.account_id, found.session_id, lasts=ACCESS_TOKEN_LASTS)
        return Session(
            account_id=found.account_id,
            access_token=access.text,
            access_token_expires_at=access.expires_at,
            refresh_token=following.text,
            refresh_token_expires_at=found.expires_at,
        )

    async def sign_out(self, viewer: Viewer, *, everywhere: bool) -> int:
        """End this session or all of them, at once; returns how many that were."""
        return await self.books.end_sessions(viewer.session_id, everywhere=everywhere)
