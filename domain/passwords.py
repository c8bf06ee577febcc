"""Passwords: what they must be like, and how one is set or changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from unicodedata import normalize
from uuid import UUID

from domain.addresses import identity_of
from domain.allowing import IdentityTries
from domain.checking import is_storable, raise_issues
from domain.errors import InputIssue, InvalidCredentials, InvalidInput
from domain.identity import AccountStatus, Viewer
from domain.offering import Offer, SignInMethod
from domain.units import AccountId

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 128
_CHARACTERS_MIN: Final = 5
FRESH_LINK: Final = timedelta(minutes=10)
"""How long after a mailed link was followed a password can be set without the one before."""
_NOT_CURRENT: Final = "The current password is missing or wrong."


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPassword:
    """What a password is checked against, and whose it is."""

    account_id: AccountId
    hash: str | None
    """None when the account has no password."""

    status: AccountStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPassword:
    """The password of a session's account, and whether that session may replace it unseen."""

    email: str | None
    hash: str | None
    is_by_recent_link: bool


class Hashing(Protocol):
    """Hashes passwords, slowly on purpose and never on the event loop.

    Raises RateLimited when more of them are waiting than can be done soon.
    """

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hash_: str | None) -> bool:
        """Whether it is the password; None is nobody's, and takes as long to find out."""
        ...

    def is_outdated(self, hash_: str) -> bool:
        """Whether a hash is weaker than those that are made now."""
        ...


class PasswordBooks(Protocol):
    """Where hashes of passwords are kept."""

    async def password_of_session(
        self, session_id: UUID, *, link_within: timedelta
    ) -> OwnPassword | None:
        """None when the session is over."""
        ...

    async def set_password(self, session_id: UUID, *, before: str | None, hash_: str) -> bool:
        """Replace a hash if it is still the one before, and end the account's other sessions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingPassword:
    """Lets people set and change their passwords."""

    offer: Offer
    books: PasswordBooks
    hashing: Hashing
    tries: IdentityTries

    async def set(
        self, viewer: Viewer, new: str, current: str | None, *, network_address: str
    ) -> None:
        """Replace the password and end all other sessions.

        Raises InvalidCredentials unless the current one is right, or the session began by a mailed
        link just now: that is how a forgotten password is reset.
        """
        if SignInMethod.PASSWORD not in self.offer.sign_in_methods:
            raise InvalidInput.at("new_password", "Passwords are not offered here.")
        own = await self.books.password_of_session(viewer.session_id, link_within=FRESH_LINK)
        if own is None:
            raise InvalidCredentials
        if own.email is None:
            raise InvalidInput.at("new_password", "This account has no address to sign in with.")
        new = canonical(new)
        raise_issues(issues_of_password("new_password", new, email=own.email))
        await self.tries.count(network_address, identity_of("setPassword", own.email))
        if not own.is_by_recent_link:
            await self._check(current, own.hash)
        hash_ = await self.hashing.hash(new)
        if not await self.books.set_password(viewer.session_id, before=own.hash, hash_=hash_):
            raise InvalidCredentials

    async def _check(self, current: str | None, hash_: str | None) -> None:
        given = canonical(current or "")
        if len(given) > LENGTH_MAX or not is_storable(given):
            raise InvalidCredentials(_NOT_CURRENT)
        if not await self.hashing.verify(given, hash_):
            raise InvalidCredentials(_NOT_CURRENT)


def canonical(password: str) -> str:
    """One form for what different keyboards send for the same characters."""
    return normalize("NFKC", password)


def issues_of_password(name: str, password: str, *, email: str) -> Iterator[InputIssue]:
    """Findings about a password that somebody wants to have."""
    if not is_storable(password):
        yield InputIssue((name,), "Must be Unicode text without the character U+0000.")
    elif not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        yield InputIssue(
            (name,), f"Must have {LENGTH_MIN} to {LENGTH_MAX} characters; a sentence is good."
        )
    elif len(set(password)) < _CHARACTERS_MIN:
        yield InputIssue((name,), "This repeats itself too much.")
    elif email and email.casefold() in password.casefold():
        yield InputIssue((name,), "Must not contain the address.")
