"""People whom somebody else vouches for: another issuer's access tokens, and Google's sign-in.

Who comes is known by issuer and subject, and by nothing else. An address counts only when its
issuer says that it is confirmed; it then leads to an account that has the same address confirmed
here, or makes one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from domain.addresses import identity_of, read_email
from domain.allowing import IdentityTries
from domain.errors import InvalidCredentials, Unavailable
from domain.identity import Session
from domain.offering import SignInMethod
from domain.signing_in import AccountOpened, SigningIn
from domain.units import Microcredits

NAME_LENGTH_MAX: Final = 200
NONCE_LENGTHS: Final = range(8, 513)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideIdentity:
    """Somebody, as their issuer knows them."""

    issuer: str
    subject: str
    confirmed_email: str | None = None
    """None for an address that is missing, or that nobody confirmed."""
    display_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideToken:
    """What an access token of another issuer says, once it was believed."""

    identity: OutsideIdentity
    session_id: UUID
    """Ours: of the issuer's session where its tokens name one, or else of this token alone."""
    issued_at: datetime
    expires_at: datetime
    method: SignInMethod | None = None


class OutsideAccounts(Protocol):
    """The accounts of people who are known by somebody else's word."""

    async def adopt(
        self, identity: OutsideIdentity, *, sign_up_credits: Microcredits
    ) -> AccountOpened:
        """Their account, made at first sight; its sign-up credits come with a confirmed address."""
        ...

    async def enter(self, token: OutsideToken, *, sign_up_credits: Microcredits) -> bool:
        """Put a token's session in force, and say whether it is: not when it was ended here."""
        ...


class IdTokens(Protocol):
    """Believes the ID tokens of one provider that were made for us."""

    async def verify(self, id_token: str, nonce: str) -> OutsideIdentity:
        """Raises InvalidCredentials, or Unavailable while the provider's keys are out of reach."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleSigningIn:
    """Begins sessions of our own for whom Google vouches."""

    id_tokens: IdTokens | None
    """None where Google is not offered."""
    accounts: OutsideAccounts
    signing_in: SigningIn
    tries: IdentityTries

    async def sign_in(self, id_token: str, nonce: str, *, network_address: str) -> Session:
        """Begin a session by Google's word, of an account that is made at first sight.

        Raises Unavailable where it is not offered, RateLimited, and InvalidCredentials for a token
        that is not Google's, not for us, not of this sign-in, or for an unconfirmed address.
        """
        if self.id_tokens is None:
            raise Unavailable("Signing in with Google is not offered here.")
        await self.tries.count(network_address)
        if len(nonce) not in NONCE_LENGTHS:
            raise InvalidCredentials
        identity = await self.id_tokens.verify(id_token, nonce)
        await self.tries.by_identity.take(identity_of("signInWithGoogle", identity.subject))
        opened = await self.accounts.adopt(
            identity, sign_up_credits=self.signing_in.offer.sign_up_credits
        )
        return await self.signing_in.begin(opened.account_id, method=SignInMethod.GOOGLE)


def usable_email(text: object) -> str | None:
    """An address as we keep it, or None for what is none."""
    return read_email(text) if isinstance(text, str) else None


def usable_name(text: object) -> str | None:
    """A name to show, or None for what cannot be one."""
    if not isinstance(text, str) or not text.isprintable():
        return None
    return text.strip()[:NAME_LENGTH_MAX] or None
