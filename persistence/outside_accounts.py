"""Accounts of people whom another issuer vouches for, and their sessions."""

from dataclasses import dataclass

import asyncpg

from domain.outside_identity import OutsideIdentity, OutsideToken
from domain.signing_in import AccountOpened
from domain.units import AccountId, Microcredits
from persistence.faults import telling_faults


@dataclass(frozen=True, slots=True)
class PostgresOutsideAccounts:
    """Keeps what `domain.outside_identity.OutsideAccounts` promises."""

    pool: asyncpg.Pool

    async def adopt(
        self, identity: OutsideIdentity, *, sign_up_credits: Microcredits
    ) -> AccountOpened:
        with telling_faults():
            row = await self.pool.fetchrow(
                "SELECT account_id, is_new FROM tallystick.adopt_identity($1, $2, $3, $4, $5)",
                identity.issuer,
                identity.subject,
                identity.confirmed_email,
                identity.display_name,
                sign_up_credits,
            )
        if row is None:
            raise AssertionError("adopt_identity() answers with one row")
        return AccountOpened(account_id=AccountId(row["account_id"]), is_new=row["is_new"])

    async def enter(self, token: OutsideToken, *, sign_up_credits: Microcredits) -> bool:
        identity = token.identity
        with telling_faults():
            is_in_force: bool = await self.pool.fetchval(
                "SELECT tallystick.enter_from_outside($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                identity.issuer,
                identity.subject,
                identity.confirmed_email,
                identity.display_name,
                sign_up_credits,
                token.session_id,
                token.method,
                token.issued_at,
                token.expires_at,
            )
        return is_in_force
