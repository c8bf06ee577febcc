"""Starts sessions: a short-lived access token, and a refresh token of which only a hash is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from domain.addresses import NO_ADDRESS, email_of, identity_of, read_email
from domain.allowing import Allowances, IdentityTries, network_of
from domain.checking import is_storable, issues_of_return_path, issues_of_text, raise_issues
from domain.errors import (
    AccountSuspended,
    InputIssue,
    InvalidCredentials,
    StateConflict,
    Unavailable,
)
from domain.identity import AccountStatus, Role, Session
from domain.mailing import MailKind, Promise, hash_of_link
from domain.offering import Offer, SignInMethod
from domain.outside import Clock
from domain.passwords import LENGTH_MAX, Hashing, KnownPassword, canonical, issues_of_password
from domain.refresh_tokens import RefreshToken
from domain.units import AccountId, Microcredits

ACCESS_TOKEN_LASTS: Final = timedelta(minutes=15)
"""Long enough to be refreshed seldom, short enough that a leaked one is soon worth nothing."""

DEMO_SESSION_LASTS: Final = timedelta(days=1)
NAME_LENGTH_MAX: Final = 200
_LINK_LENGTH_MAX: Final = 100
_NOT_THESE: Final = "The address or the password is wrong."
_NO_LINK: Final = "This link is none of ours, was used, or is too old. Ask for a new one."


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """The session that a mailed link was traded for; without one, why not."""

    account_id: AccountId | None
    session_id: UUID | None
    is_suspended: bool = False


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
        self,
        account_id: AccountId,
        *,
        lasts: timedelta,
        refresh_token_hash: bytes | None,
        family_hash: bytes | None = None,
        method: SignInMethod | None = None,
    ) -> UUID: ...


class Doors(Protocol):
    """What people prove who they are with, as the database keeps it."""

    async def sign_up(
        self,
        *,
        email: str,
        display_name: str | None,
        password_hash: str | None,
        sign_up_credits: Microcredits,
    ) -> AccountOpened:
        """Open an account whose address is not confirmed; a known address is left as it is."""
        ...

    async def password_of_email(self, email: str) -> KnownPassword | None: ...

    async def start_password_session(
        self,
        known: KnownPassword,
        *,
        newer_hash: str | None,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> UUID | None:
        """Begin a session if the hash is still what it was and the account is active."""
        ...

    async def redeem_link(
        self,
        token_hash: bytes,
        *,
        sign_up_credits: Microcredits,
        lasts: timedelta,
        refresh_token: RefreshToken,
    ) -> Redeemed:
        """Trade a link for a session, once; confirms the address, or makes its account."""
        ...


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


class Promises(Protocol):
    """Where mails are promised."""

    async def promise(self, promise: Promise) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Who wants an account."""

    email: str
    password: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class LinkSent:
    """A link will be mailed to this address, if it can receive one."""

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """The ways to begin a session, as far as they are offered.

    Nothing that is told, and no work that is waited for, depends on whether an address is known;
    except where addresses are not confirmed, because there a sign-up has to say that it failed.
    """

    offer: Offer
    accounts: Accounts
    doors: Doors
    hashing: Hashing
    mails: Promises
    tokens: AccessTokens
    demo_sessions: Allowances
    tries: IdentityTries
    clock: Clock
    lasts: timedelta
    """How long a session goes on without being refreshed."""

    async def start_demo_session(self, address: str) -> Session:
        """Begin the session of a throw-away account, which has its sign-up credits to spend.

        Counted by the network it is asked from. Raises Unavailable outside demo mode,
        and RateLimited.
        """
        if not self.offer.demo_mode:
            raise Unavailable("Demo sessions are not offered here. Sign in with an account.")
        await self.demo_sessions.take(network_of(address))
        opened = await self.accounts.open_account(
            email=None,
            display_name=None,
            is_confirmed=False,
            is_demo=True,
            sign_up_credits=self.offer.sign_up_credits,
        )
        return await self.begin(opened.account_id, lasts=DEMO_SESSION_LASTS)

    async def sign_up(self, wish: SignUp, *, network_address: str) -> Session | LinkSent:
        """Make an account; where addresses are confirmed, once its mailed link is followed.

        Raises StateConflict for a known address where they are not.
        """
        if not self.offer.sign_up_open:
            raise Unavailable("Nobody can sign up here by address.")
        email = read_email(wish.email)
        password = None if wish.password is None else canonical(wish.password)
        raise_issues(
            iter([] if email else [NO_ADDRESS]),
            self._issues_of_password(password, email or wish.email),
            _issues_of_name(wish.display_name),
        )
        email = email_of(wish.email)
        await self.tries.count(network_address, identity_of("signUp", email))
        hash_ = None if password is None else await self.hashing.hash(password)
        if self.offer.email_confirmation:
            await self.mails.promise(
                Promise(
                    kind=MailKind.SIGN_UP,
                    email=email,
                    display_name=wish.display_name,
                    password_hash=hash_,
                )
            )
            return LinkSent(email)
        opened = await self.doors.sign_up(
            email=email,
            display_name=wish.display_name,
            password_hash=hash_,
            sign_up_credits=self.offer.sign_up_credits,
        )
        if not opened.is_new:
            raise StateConflict("This address has an account already. Sign in instead.")
        return await self.begin(opened.account_id)

    async def sign_in(self, email: str, password: str, *, network_address: str) -> Session:
        """Begin a session by address and password.

        Raises InvalidCredentials whichever of them is wrong, after the same work, and
        AccountSuspended to nobody but who knows the password.
        """
        self._require(SignInMethod.PASSWORD)
        email, password = email_of(email), canonical(password)
        if len(password) > LENGTH_MAX or not is_storable(password):
            raise InvalidCredentials(_NOT_THESE)
        identity = identity_of("signIn", email)
        await self.tries.count(network_address, identity)
        known = await self.doors.password_of_email(email)
        hash_ = None if known is None else known.hash
        if not await self.hashing.verify(password, hash_) or known is None or hash_ is None:
            account_id = None if known is None else known.account_id
            self.tries.watch.identity_refused(network_address, identity, account_id)
            raise InvalidCredentials(_NOT_THESE)
        if known.status is AccountStatus.SUSPENDED:
            raise AccountSuspended
        newer = await self.hashing.hash(password) if self.hashing.is_outdated(hash_) else None
        refresh_token = RefreshToken.first()
        session_id = await self.doors.start_password_session(
            known, newer_hash=newer, lasts=self.lasts, refresh_token=refresh_token
        )
        if session_id is None:
            raise InvalidCredentials(_NOT_THESE)
        return self._session(known.account_id, session_id, refresh_token, self.lasts)

    async def request_link(
        self, email: str, return_path: str | None, *, network_address: str
    ) -> LinkSent:
        """Promise a mail with a sign-in link, whether or not anybody has the address."""
        self._require(SignInMethod.MAGIC_LINK)
        raise_issues(
            iter([] if read_email(email) else [NO_ADDRESS]),
            issues_of_return_path(return_path),
            _issues_of_fragment(return_path),
        )
        email = email_of(email)
        await self.tries.count(network_address, identity_of("requestMagicLink", email))
        await self.mails.promise(
            Promise(kind=MailKind.SIGN_IN, email=email, return_path=return_path)
        )
        return LinkSent(email)

    async def redeem_link(self, token: str, *, network_address: str) -> Session:
        """Begin a session by the token of a mailed link, which works once.

        Raises InvalidCredentials for one that is used, too old or none, and AccountSuspended.
        """
        await self.tries.count(network_address)
        if not token.isascii() or len(token) > _LINK_LENGTH_MAX:
            raise InvalidCredentials(_NO_LINK)
        refresh_token = RefreshToken.first()
        redeemed = await self.doors.redeem_link(
            hash_of_link(token),
            sign_up_credits=self.offer.sign_up_credits,
            lasts=self.lasts,
            refresh_token=refresh_token,
        )
        if redeemed.is_suspended:
            raise AccountSuspended
        if redeemed.account_id is None or redeemed.session_id is None:
            self.tries.watch.identity_refused(network_address, None)
            raise InvalidCredentials(_NO_LINK)
        return self._session(redeemed.account_id, redeemed.session_id, refresh_token, self.lasts)

    async def begin(
        self,
        account_id: AccountId,
        *,
        method: SignInMethod | None = None,
        lasts: timedelta | None = None,
    ) -> Session:
        """Begin the session of somebody who has proved to be this account's."""
        lasts = lasts or self.lasts
        refresh_token = RefreshToken.first()
        session_id = await self.accounts.start_session(
            account_id,
            lasts=lasts,
            refresh_token_hash=refresh_token.token_hash,
            family_hash=refresh_token.family_hash,
            method=method,
        )
        return self._session(account_id, session_id, refresh_token, lasts)

    def _session(
        self, account_id: AccountId, session_id: UUID, token: RefreshToken, lasts: timedelta
    ) -> Session:
        access = self.tokens.issue(account_id, session_id, lasts=ACCESS_TOKEN_LASTS)
        return Session(
            account_id=account_id,
            access_token=access.text,
            access_token_expires_at=access.expires_at,
            refresh_token=token.text,
            refresh_token_expires_at=self.clock.now() + lasts,
        )

    def _require(self, method: SignInMethod) -> None:
        if method not in self.offer.sign_in_methods:
            raise Unavailable("This way to sign in is not offered here.")

    def _issues_of_password(self, password: str | None, email: str) -> Iterator[InputIssue]:
        methods = self.offer.sign_in_methods
        if password is None:
            if SignInMethod.MAGIC_LINK not in methods:
                yield InputIssue(("password",), "Needed: signing in by link is not offered here.")
        elif SignInMethod.PASSWORD not in methods:
            yield InputIssue(("password",), "Leave it out: passwords are not offered here.")
        else:
            yield from issues_of_password("password", password, email=email)


def _issues_of_name(name: str | None) -> Iterator[InputIssue]:
    if name is not None:
        yield from issues_of_text("display_name", name, length_max=NAME_LENGTH_MAX)


def _issues_of_fragment(return_path: str | None) -> Iterator[InputIssue]:
    if return_path is not None and "#" in return_path:
        yield InputIssue(("return_path",), "Must not have a #: the token comes after one.")
