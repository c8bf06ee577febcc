"""What signing in needs, in memory, where tests can look at it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from domain.errors import RateLimited
from domain.identity import AccountStatus
from domain.mailing import Promise
from domain.offering import SignInMethod
from domain.outside import Clock
from domain.passwords import KnownPassword, OwnPassword
from domain.refresh_tokens import RefreshToken
from domain.refreshing import Refreshed, RefreshOutcome
from domain.signing_in import AccessToken, AccountOpened, Redeemed
from domain.suspending import StatusChange
from domain.units import AccountId, Microcredits


@dataclass(slots=True)
class Known:
    """An account, as far as signing in goes."""

    id: AccountId
    email: str | None
    password_hash: str | None = None
    status: AccountStatus = AccountStatus.ACTIVE
    credits: int = 0


@dataclass(slots=True)
class Begun:
    """A session."""

    account: Known
    token_hash: bytes | None
    family_hash: bytes | None
    method: SignInMethod | None
    is_over: bool = False


@dataclass(slots=True)
class FakeDoors:
    """Accounts and the ways into them; `opened` names the session of whoever comes in."""

    clock: Clock
    opened: Callable[[AccountId, str | None], UUID] = lambda number, _: UUID(int=number)
    accounts: dict[AccountId, Known] = field(default_factory=dict)
    sessions: dict[UUID, Begun] = field(default_factory=dict)
    links: dict[bytes, str] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    first_number: int = 1

    async def open_account(
        self,
        *,
        email: str | None,
        display_name: str | None,
        is_confirmed: bool,
        is_demo: bool,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        known = self._of_email(email)
        if known is not None:
            return AccountOpened(account_id=known.id, is_new=False)
        number = AccountId(self.first_number + len(self.accounts))
        self.accounts[number] = Known(number, email, credits=sign_up_credits)
        return AccountOpened(account_id=number, is_new=True)

    async def start_session(
        self,
        account_id: AccountId,
        *,
        lasts: timedelta,
        refresh_token_hash: bytes | None,
        family_hash: bytes | None = None,
        method: SignInMethod | None = None,
    ) -> UUID:
        account = self.accounts[account_id]
        session_id = self.opened(account_id, account.email)
        self.sessions[session_id] = Begun(account, refresh_token_hash, family_hash, method)
        return session_id

    async def sign_up(
        self,
        *,
        email: str,
        display_name: str | None,
        password_hash: str | None,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        self.calls.append("sign_up")
        opened = await self.open_account(
            email=email,
            display_name=display_name,
            is_confirmed=False,
            is_demo=False,
            sign_up_credits=sign_up_credits,
        )
        if opened.is_new:
            self.accounts[opened.account_id].password_hash = password_hash
        return opened

    async def password_of_email(self, email: str) -> KnownPassword | None:
        self.calls.append("password_of_email")
        known = self._of_email(email)
        if known is None:
            return None
        return KnownPassword(account_id=known.id, hash=known.password_hash, status=known.status)

    async def start_password_session(
        self,
        known: KnownPassword,
        *,
        newer_hash: str | None,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> UUID | None:
        account = self.accounts[known.account_id]
        if account.password_hash != known.hash or account.status is AccountStatus.SUSPENDED:
            return None
        account.password_hash = newer_hash or account.password_hash
        return await self.start_session(
            known.account_id,
            lasts=lasts,
            refresh_token_hash=refresh_token.token_hash,
            family_hash=refresh_token.family_hash,
            method=SignInMethod.PASSWORD,
        )

    async def redeem_link(
        self,
        token_hash: bytes,
        *,
        sign_up_credits: Microcredits,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> Redeemed:
        email = self.links.pop(token_hash, None)
        if email is None:
            return Redeemed(account_id=None, session_id=None)
        opened = await self.open_account(
            email=email,
            display_name=None,
            is_confirmed=True,
            is_demo=False,
            sign_up_credits=sign_up_credits,
        )
        if self.accounts[opened.account_id].status is AccountStatus.SUSPENDED:
            return Redeemed(account_id=opened.account_id, session_id=None, is_suspended=True)
        session_id = await self.start_session(
            opened.account_id,
            lasts=lasts,
            refresh_token_hash=refresh_token.token_hash,
            family_hash=refresh_token.family_hash,
            method=SignInMethod.MAGIC_LINK,
        )
        return Redeemed(account_id=opened.account_id, session_id=session_id)

    async def password_of_session(
        self, session_id: UUID, *, link_within: timedelta
    ) -> OwnPassword | None:
        session = self.sessions.get(session_id)
        if session is None or session.is_over:
            return None
        return OwnPassword(
            email=session.account.email,
            hash=session.account.password_hash,
            is_by_recent_link=session.method is SignInMethod.MAGIC_LINK,
        )

    async def set_password(self, session_id: UUID, *, before: str | None, hash_: str) -> bool:
        account = self.sessions[session_id].account
        if account.password_hash != before:
            return False
        account.password_hash = hash_
        for other_id, other in self.sessions.items():
            other.is_over |= other.account is account and other_id != session_id
        return True

    async def refresh_session(
        self, token: RefreshToken, following: RefreshToken, *, grace: timedelta, lasts: timedelta
    ) -> Refreshed:
        for session_id, session in self.sessions.items():
            if session.family_hash == token.family_hash and not session.is_over:
                return self._refreshed(session_id, session, token, following, lasts)
        return Refreshed(outcome=RefreshOutcome.INVALID)

    def _refreshed(
        self,
        session_id: UUID,
        session: Begun,
        token: RefreshToken,
        following: RefreshToken,
        lasts: timedelta,
    ) -> Refreshed:
        account = session.account
        if session.token_hash != token.token_hash:
            session.is_over = True
            return Refreshed(outcome=RefreshOutcome.REUSED, account_id=account.id)
        if account.status is AccountStatus.SUSPENDED:
            return Refreshed(outcome=RefreshOutcome.SUSPENDED, account_id=account.id)
        session.token_hash = following.token_hash
        return Refreshed(
            outcome=RefreshOutcome.REFRESHED,
            account_id=account.id,
            session_id=session_id,
            expires_at=self.clock.now() + lasts,
        )

    async def end_sessions(self, session_id: UUID, *, everywhere: bool) -> int:
        mine = self.sessions.get(session_id)
        ended = [
            session
            for session in self.sessions.values()
            if mine and (session is mine or (everywhere and session.account is mine.account))
        ]
        for session in ended:
            session.is_over = True
        return len(ended)

    async def promise(self, promise: Promise) -> None:
        self.calls.append("promise")
        self.promises.append(promise)

    def _of_email(self, email: str | None) -> Known | None:
        found = (known for known in self.accounts.values() if email and known.email == email)
        return next(found, None)


@dataclass(slots=True)
class FakeHashing:
    """Hashes by turning passwords round; counts what was done, as a substitute for time."""

    version: str = "new"
    is_busy: bool = False
    work: list[str] = field(default_factory=list)

    async def hash(self, password: str) -> str:
        self._work("hash")
        return f"{self.version}:{password[::-1]}"

    async def verify(self, password: str, hash_: str | None) -> bool:
        self._work("verify")
        return hash_ is not None and hash_.partition(":")[2] == password[::-1]

    def is_outdated(self, hash_: str) -> bool:
        return hash_.partition(":")[0] != self.version

    def _work(self, what: str) -> None:
        if self.is_busy:
            raise RateLimited(retry_after_seconds=1)
        self.work.append(what)


@dataclass(frozen=True, slots=True)
class FakeTokens:
    """Tokens that say whose they are; `issued` hears of each."""

    clock: Clock
    issued: Callable[[str, AccountId, UUID], None] = lambda *_: None

    def issue(self, account_id: AccountId, session_id: UUID, *, lasts: timedelta) -> AccessToken:
        text = f"token of {account_id}"
        self.issued(text, account_id, session_id)
        return AccessToken(text, self.clock.now() + lasts)


@dataclass(slots=True)
class FakeWatch:
    """Remembers refused tries: from where, for which identity, and whose that is."""

    refused: list[tuple[str, str | None, AccountId | None]] = field(default_factory=list)

    def identity_refused(
        self, network_address: str, identity: str | None, account_id: AccountId | None = None
    ) -> None:
        self.refused.append((network_address, identity, account_id))


@dataclass(frozen=True, slots=True)
class FakeStatusOffice:
    """Changes the status of whoever is known to it; `change` does so in the rest of a test."""

    actors: Callable[[UUID], AccountId]
    change: Callable[[AccountId, AccountStatus, str | None], bool]

    async def suspend_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange:
        if self.actors(session_id) == account_id:
            return StatusChange.ONESELF
        return self._told(self.change(account_id, AccountStatus.SUSPENDED, reason))

    async def reinstate_account(
        self, session_id: UUID, account_id: AccountId, *, reason: str
    ) -> StatusChange:
        return self._told(self.change(account_id, AccountStatus.ACTIVE, None))

    def _told(self, is_known: bool) -> StatusChange:  # noqa: FBT001 - what was found out just above
        return StatusChange.CHANGED if is_known else StatusChange.NOT_FOUND
