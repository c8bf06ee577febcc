"""Starts sessions: a short-lived access token, and a refresh token of which only a hash is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final, Protocol
from uuid import UUID

from domain.allowing import Allowances
from domain.errors import Unavailable
from domain.identity import AccountStatus, Role, Session
from domain.outside import Clock
from domain.units import AccountId, Microcredits

ACCESS_TOKEN_LASTS: Final = timedelta(minutes=15)
"""Long enough to be refreshed seldom, short enough that a leaked one is soon worth nothing."""

DEMO_SESSION_LASTS: Final = timedelta(days=1)
_REFRESH_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened:
    """The account an address leads to; a known address leads to the one it had already."""

    account_id: AccountId
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInForce:
    """A session that has not ended, and what its account is at this moment."""

    account_id: AccountId
    role: Role
    status: AccountStatus


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed statement of who is calling, good until it expires or its session ends."""

    text: str
    expires_at: datetime


class Accounts(Protocol):
    """Accounts and their sessions, as the database keeps them."""

    async def open_account(
        self,
        *,
        email: str | None,
        display_name: str | None,
        is_confirmed: bool,
        is_demo: bool,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        """Make an account with its balance and sign-up credits, all or nothing.

        An address that is known already gets nothing again.
        """
        ...

    async def start_session(
        self, account_id: AccountId, *, lasts: timedelta, refresh_token_hash: bytes | None
    ) -> UUID: ...


class Sessions(Protocol):
    """Looks up sessions, which every request needs: many at a time, if many are waiting."""

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        """None when the session ended, ran out or never was."""
        ...


class AccessTokens(Protocol):
    """Makes the tokens that this deployment believes."""

    def issue(self, account_id: AccountId, session_id: UUID, *, lasts: timedelta) -> AccessToken:
        """A token that names a session; what the account may do is looked up at each use."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """The ways to begin a session."""

    accounts: Accounts
    tokens: AccessTokens
    demo_sessions: Allowances
    clock: Clock
    sign_up_credits: Microcredits
    demo_mode: bool

    async def start_demo_session(self, address: str) -> Session:
        """Begin the session of a throw-away account, which has its sign-up credits to spend.

        Counted by the network address it is asked from. Raises Unavailable outside demo mode,
        and RateLimited.
        """
        if not self.demo_mode:
            raise Unavailable("Demo sessions are not offered here. Sign in with an account.")
        await self.demo_sessions.take(address)
        opened = await self.accounts.open_account(
            email=None,
            display_name=None,
            is_confirmed=False,
            is_demo=True,
            sign_up_credits=self.sign_up_credits,
        )
        return await self._begin(opened.account_id, lasts=DEMO_SESSION_LASTS)

    async def _begin(self, account_id: AccountId, *, lasts: timedelta) -> Session:
        refresh_token = token_urlsafe(_REFRESH_TOKEN_BYTES)
        refresh_token_expires_at = self.clock.now() + lasts
        session_id = await self.accounts.start_session(
            account_id,
            lasts=lasts,
            # Of 256 random bits a plain hash cannot be reversed, and needs no salt.
            refresh_token_hash=sha256(refresh_token.encode()).digest(),
        )
        token = self.tokens.issue(account_id, session_id, lasts=ACCESS_TOKEN_LASTS)
        return Session(
            account_id=account_id,
            access_token=token.text,
            access_token_expires_at=token.expires_at,
            refresh_token=refresh_token,
            refresh_token_expires_at=refresh_token_expires_at,
        )
