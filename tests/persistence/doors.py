"""What people come in by, on a real database, and a look past it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from domain.mailing import ClaimedMail, MailKind, Promise, hash_of_link
from domain.refresh_tokens import RefreshToken
from domain.refreshing import REFRESH_GRACE, Refreshed
from domain.signing_in import Redeemed
from domain.units import AccountId, Microcredits
from persistence.accounts import PostgresAccounts
from persistence.doors import PostgresDoors
from persistence.mails import PostgresLeftovers, PostgresMails
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from tests.persistence.bank import Bank

KEY = b"a key of these tests"
LASTS = timedelta(days=30)
LINK_LASTS = timedelta(minutes=15)
HASH = "$argon2id$of a password"
OTHER_HASH = "$argon2id$of another"
CREDITS = Microcredits(1_000)


@dataclass(frozen=True, slots=True)
class Doors:
    """Passwords, links and refresh tokens of a bank."""

    bank: Bank
    books: PostgresDoors
    accounts: PostgresAccounts
    mails: PostgresMails
    leftovers: PostgresLeftovers
    pokes: list[None] = field(default_factory=list)

    async def refreshable(self, account_id: AccountId) -> tuple[UUID, RefreshToken]:
        token = RefreshToken.first()
        session_id = await self.accounts.start_session(
            account_id,
            lasts=LASTS,
            refresh_token_hash=token.token_hash,
            family_hash=token.family_hash,
        )
        return session_id, token

    async def refresh(self, token: RefreshToken) -> Refreshed:
        return await self.books.refresh_session(
            token, token.following(KEY), grace=REFRESH_GRACE, lasts=LASTS
        )

    async def link(
        self,
        email: str,
        kind: MailKind = MailKind.SIGN_UP,
        *,
        password_hash: str | None = None,
        lasts: timedelta = LINK_LASTS,
    ) -> str:
        """The token of a mailed link, as its receiver has it."""
        await self.mails.promise(
            Promise(kind=kind, email=email, display_name="Anna", password_hash=password_hash)
        )
        (mail,) = await self.claim()
        token = f"lt_{mail.id}"
        assert await self.mint(mail, token, lasts=lasts) is not None
        await self.mails.finish(mail)
        return token

    async def claim(self) -> list[ClaimedMail]:
        return list(await self.mails.claim(limit=10, lease=timedelta(seconds=60)))

    async def mint(
        self, mail: ClaimedMail, token: str, *, lasts: timedelta = LINK_LASTS
    ) -> MailKind | None:
        return await self.mails.mint_link(mail, hash_of_link(token), lasts=lasts)

    async def redeem(self, token: str) -> Redeemed:
        return await self.books.redeem_link(
            hash_of_link(token),
            sign_up_credits=CREDITS,
            lasts=LASTS,
            refresh_token=RefreshToken.first(),
        )

    async def count(self, table: str) -> int:
        query = f"SELECT count(*) FROM tallystick.{table}"  # noqa: S608 - a name of ours
        found: int = await self.bank.owner.fetchval(query)
        return found


@asynccontextmanager
async def doors_of(bank: Bank) -> AsyncIterator[Doors]:
    url = url_of(Login.AUTH, bank.url, secret=bank.secret)
    pokes: list[None] = []
    async with pool_of(Login.AUTH, url, connections_max=8) as pool:
        yield Doors(
            bank,
            PostgresDoors(pool),
            PostgresAccounts(pool),
            PostgresMails(pool, lambda: pokes.append(None)),
            PostgresLeftovers(pool),
            pokes,
        )
