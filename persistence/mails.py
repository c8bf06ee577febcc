"""Promised mails: kept until they were handed over, and sent by whichever process is free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from domain.mailing import ClaimedMail, MailKind, Promise
from persistence.faults import telling_faults

FORGOTTEN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class PostgresMails:
    """Keeps what `domain.mailing.Mails` promises; says `poke` when there is something to send."""

    pool: asyncpg.Pool
    poke: Callable[[], None]

    async def promise(self, promise: Promise) -> None:
        with telling_faults():
            await self.pool.execute(
                "SELECT tallystick.promise_mail($1, $2, $3, $4, $5)",
                promise.kind,
                promise.email,
                promise.return_path,
                promise.display_name,
                promise.password_hash,
            )
        self.poke()

    async def claim(self, *, limit: int, lease: timedelta) -> Sequence[ClaimedMail]:
        with telling_faults():
            rows = await self.pool.fetch(
                "SELECT id, email, return_path, tries FROM tallystick.claim_mails($1, $2)",
                limit,
                lease,
            )
        return [ClaimedMail(**row) for row in rows]

    async def mint_link(
        self, mail: ClaimedMail, token_hash: bytes, *, lasts: timedelta
    ) -> MailKind | None:
        with telling_faults():
            kind = await self.pool.fetchval(
                "SELECT tallystick.mint_link($1, $2, $3)", mail.id, token_hash, lasts
            )
        return None if kind is None else MailKind(kind)

    async def finish(self, mail: ClaimedMail) -> None:
        with telling_faults():
            await self.pool.execute("SELECT tallystick.finish_mail($1)", mail.id)


@dataclass(frozen=True, slots=True)
class PostgresLeftovers:
    """Links that nobody can follow any more, and sessions that are long over."""

    pool: asyncpg.Pool

    async def forget(self, *, links_before: datetime, sessions_before: datetime) -> int:
        """Remove them; returns how many there were."""
        forgotten = 0
        with telling_faults():
            while True:
                removed: int = await self.pool.fetchval(
                    "SELECT tallystick.forget_sign_ins($1, $2, $3)",
                    links_before,
                    sessions_before,
                    FORGOTTEN_AT_ONCE,
                )
                forgotten += removed
                if removed < FORGOTTEN_AT_ONCE:
                    return forgotten
