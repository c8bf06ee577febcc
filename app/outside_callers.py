"""Callers with another issuer's access token, whose account is made at first sight.

A token stands for a session row of ours, so that row-level security, sign-out and suspension work
for it as they do for our own, and each request costs the same one look-up.
"""

from dataclasses import dataclass

from app.believing import issuer_named
from app.outside_tokens import OutsideTokens
from domain.errors import AccountSuspended, Unauthenticated
from domain.identity import AccountStatus, Viewer
from domain.outside_identity import OutsideAccounts
from domain.signing_in import Sessions
from domain.units import Microcredits


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideCallers:
    """Finds out who is calling with a token that is not ours."""

    tokens: OutsideTokens
    sessions: Sessions
    accounts: OutsideAccounts
    sign_up_credits: Microcredits

    def issuer_of(self, token: str) -> str | None:
        """The accepted issuer that a token says it is from, or None."""
        if not self.tokens.issuers:
            return None
        issuer = issuer_named(token)
        return issuer if issuer in self.tokens.issuers else None

    async def viewer(self, token: str, issuer: str) -> Viewer:
        """The caller that a token stands for. Raises Unauthenticated and AccountSuspended."""
        said = await self.tokens.verify(token, issuer)
        session = await self.sessions.session_in_force(said.session_id)
        if session is None and await self.accounts.enter(
            said, sign_up_credits=self.sign_up_credits
        ):
            session = await self.sessions.session_in_force(said.session_id)
        if session is None:
            raise Unauthenticated("This session was ended. Sign in again.")
        if session.status is AccountStatus.SUSPENDED:
            raise AccountSuspended
        return Viewer(
            account_id=session.account_id,
            session_id=said.session_id,
            role=session.role,
            expires_at=said.expires_at,
        )
