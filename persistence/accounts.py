"""Accounts and sessions, begun by the login that authenticates."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from domain.errors import InvalidInput
from domain.offering import SignInMethod
from domain.signing_in import AccountOpened
from domain.units import AccountId, Microcredits
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresAccounts:
    """Makes accounts and sessions, as `domain.signing_in.Accounts` promises."""

    pool: asyncpg.Pool

    async def open_account(
        self,
        *,
        email: str | None,
        display_name: str | None,
        is_confirmed: bool,
        is_demo: bool,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        """Raises InvalidInput for an address that is none."""
        with telling_faults():
            try:
                row = await self.pool.fetchrow(
                    "SELECT account_id, is_new FROM tallystick.open_account($1, $2, $3, $4, $5)",
                    email,
                    is_confirmed,
                    display_name,
                    is_demo,
                    sign_up_credits,
                )
            except asyncpg.CheckViolationError as error:
                raise InvalidInput.at("email", "This is not an email address.") from error
        if row is None:
            raise AssertionError("open_account() answers with one row")
        return AccountOpened(account_id=AccountId(row["account_id"]), is_new=row["is_new"])

    async def account_of_email(self, email: str) -> AccountId | None:
        """The account an address belongs to, however it is capitalised."""
        with telling_faults():
            found = await self.pool.fetchval("SELECT tallystick.account_of_email($1)", email)
        return AccountId(found) if found is not None else None

    async def start_session(
        self,
        account_id: AccountId,
        *,
        lasts: timedelta,
        refresh_token_hash: bytes | None,
        family_hash: bytes | None = None,
        method: SignInMethod | None = None,
    ) -> UUID:
        with telling_faults():
            session_id: UUID = await self.pool.fetchval(
                "SELECT tallystick.start_session($1, $2, $3, $4, $5)",
                account_id,
                lasts,
                refresh_token_hash,
                family_hash,
                method,
            )
        return session_id
