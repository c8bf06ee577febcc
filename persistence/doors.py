"""What people prove who they are with: passwords, mailed links, refresh tokens.

Nothing of it can be read by a login. Functions of the owner compare and change it, and each of them
is one PostgreSQL transaction, so that of two who come with the same proof one is too late.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from domain.identity import AccountStatus
from domain.passwords import KnownPassword, OwnPassword
from domain.refresh_tokens import RefreshToken
from domain.refreshing import Refreshed, RefreshOutcome
from domain.signing_in import AccountOpened, Redeemed
from domain.units import AccountId, Microcredits
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresDoors:
    """Keeps what `Doors`, `PasswordBooks` and `RefreshBooks` of the domain promise."""

    pool: asyncpg.Pool

    async def sign_up(
        self,
        *,
        email: str,
        display_name: str | None,
        password_hash: str | None,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        row = await self._row(
            "SELECT account_id, is_new FROM tallystick.sign_up($1, $2, $3, $4)",
            email,
            display_name,
            password_hash,
            sign_up_credits,
        )
        return AccountOpened(account_id=AccountId(row["account_id"]), is_new=row["is_new"])

    async def password_of_email(self, email: str) -> KnownPassword | None:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT account_id, hash, status FROM tallystick.password_of_email($1)", email
            )
        if row is None:
            return None
        return KnownPassword(
            account_id=AccountId(row["account_id"]),
            hash=row["hash"],
            status=AccountStatus(row["status"]),
        )

    async def start_password_session(
        self,
        known: KnownPassword,
        *,
        newer_hash: str | None,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> UUID | None:
        with telling_faults():
            session_id: UUID | None = await self.pool.fetchval(
                "SELECT tallystick.start_password_session($1, $2, $3, $4, $5, $6)",
                known.account_id,
                known.hash,
                newer_hash,
                lasts,
                refresh_token.token_hash,
                refresh_token.family_hash,
            )
        return session_id

    async def redeem_link(
        self,
        token_hash: bytes,
        *,
        sign_up_credits: Microcredits,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> Redeemed:
        row = await self._row(
            "SELECT outcome, account_id, session_id"
            "  FROM tallystick.redeem_link($1, $2, $3, $4, $5)",
            token_hash,
            sign_up_credits,
            lasts,
            refresh_token.token_hash,
            refresh_token.family_hash,
        )
        return Redeemed(
            account_id=_account_id(row["account_id"]),
            session_id=row["session_id"],
            is_suspended=row["outcome"] == "SUSPENDED",
        )

    async def password_of_session(
        self, session_id: UUID, *, link_within: timedelta
    ) -> OwnPassword | None:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT email, hash, is_by_recent_link"
                "  FROM tallystick.password_of_session($1, $2)",
                session_id,
                link_within,
            )
        if row is None:
            return None
        return OwnPassword(
            email=row["email"], hash=row["hash"], is_by_recent_link=row["is_by_recent_link"]
        )

    async def set_password(self, session_id: UUID, *, before: str | None, hash_: str) -> bool:
        with telling_faults():
            was_set: bool = await self.pool.fetchval(
                "SELECT tallystick.set_password($1, $2, $3)", session_id, before, hash_
            )
        return was_set

    async def refresh_session(
        self, token: RefreshToken, following: RefreshToken, *, grace: timedelta, lasts: timedelta
    ) -> Refreshed:
        row = await self._row(
            "SELECT outcome, session_id, account_id, expires_at"
            "  FROM tallystick.refresh_session($1, $2, $3, $4, $5)",
            token.family_hash,
            token.token_hash,
            following.token_hash,
            grace,
            lasts,
        )
        return Refreshed(
            outcome=RefreshOutcome(row["outcome"]),
            account_id=_account_id(row["account_id"]),
            session_id=row["session_id"],
            expires_at=row["expires_at"],
        )

    async def end_sessions(self, session_id: UUID, *, everywhere: bool) -> int:
        with telling_faults():
            ended: int = await self.pool.fetchval(
                "SELECT tallystick.end_sessions($1, $2)", session_id, everywhere
            )
        return ended

    async def _row(self, query: str, *values: object) -> asyncpg.Record:
        """The one row that a function with OUT parameters always answers with."""
        with telling_faults():
            row = await self.pool.fetchrow(query, *values)
        if row is None:
            raise AssertionError("a function with OUT parameters answers with one row")
        return row


def _account_id(number: int | None) -> AccountId | None:
    return None if number is None else AccountId(number)
