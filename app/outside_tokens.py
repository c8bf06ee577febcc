"""Access tokens of other issuers, accepted as they are.

The rules of an issuer are chosen by the token's exact `iss`; they name one source of keys and one
family of algorithms, so that nothing in a token decides how it is verified. Whatever it says of
roles means nothing here: what somebody may do is in the books.
"""

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from app.believing import LEEWAY, Believed, NotBelieved, Rule, believed, is_for_sign_in
from domain.errors import Unauthenticated
from domain.offering import SignInMethod
from domain.outside import Clock
from domain.outside_identity import OutsideIdentity, OutsideToken, usable_email, usable_name

KEPT_MAX: Final = 4_096
KEPT_FOR: Final = timedelta(minutes=10)
"""How long a token is believed without looking at its signature again: as long as keys are."""
_REFUSAL: Final = "The access token is not valid or has expired. Sign in again."
_AUTHENTICATED: Final = "authenticated"


class Confirmation(StrEnum):
    """By what an issuer's tokens tell that an address is confirmed."""

    CLAIM = "claim"
    """By `email_verified`."""
    ALWAYS = "always"
    """By being issued: this issuer lets nobody in before."""
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer whose access tokens are accepted."""

    rule: Rule
    confirmation: Confirmation
    session_claim: str = "sid"
    """The claim that names the issuer's session, where its tokens have one."""
    method: SignInMethod | None = None

    @property
    def name(self) -> str:
        return self.rule.issuers[0]

    def token(self, said: Believed, session_id: UUID) -> OutsideToken:
        """What a believed token says, read as this issuer's. Raises NotBelieved."""
        payload = said.payload
        if is_for_sign_in(payload):
            raise NotBelieved
        is_supabase = self.method is SignInMethod.SUPABASE
        if is_supabase and payload.get("role") != _AUTHENTICATED:
            raise NotBelieved
        is_confirmed = not payload.get("is_anonymous", False) and (
            self.confirmation is Confirmation.ALWAYS
            or (self.confirmation is Confirmation.CLAIM and payload.get("email_verified") is True)
        )
        return OutsideToken(
            identity=OutsideIdentity(
                issuer=said.issuer,
                subject=said.subject,
                confirmed_email=usable_email(payload.get("email")) if is_confirmed else None,
                display_name=usable_name(payload.get("name")),
            ),
            session_id=session_id,
            issued_at=said.issued_at,
            expires_at=said.expires_at,
            method=self.method,
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    token: OutsideToken
    until: datetime


@dataclass(slots=True, kw_only=True)
class OutsideTokens:
    """The issuers that are accepted, by their exact names, and tokens believed lately."""

    issuers: dict[str, Issuer]
    secret: str = field(repr=False)
    clock: Clock
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)

    async def verify(self, text: str, issuer: str) -> OutsideToken:
        """Raises Unauthenticated, without telling what is wrong, or Unavailable without keys."""
        now = self.clock.now()
        kept = self._kept.get(text)
        if kept is None or now >= kept.until:
            kept = _Kept(await self._verified(text, self.issuers[issuer]), now + KEPT_FOR)
            self._keep(text, kept)
        if now >= kept.token.expires_at + LEEWAY:
            raise Unauthenticated(_REFUSAL)
        return kept.token

    async def _verified(self, text: str, issuer: Issuer) -> OutsideToken:
        try:
            said = await believed(text, issuer.rule)
            return issuer.token(said, self._session_id(said, text, issuer.session_claim))
        except NotBelieved:
            raise Unauthenticated(_REFUSAL) from None

    def _session_id(self, said: Believed, text: str, claim: str) -> UUID:
        """An id that is the same for the same session in every process, and nobody can guess.

        A session that its issuer names is one here too, however often its token is renewed; where
        it names none, each token is a session of its own.
        """
        named = said.payload.get(claim)
        of_token = sha256(text.encode()).hexdigest()
        session = f"session {named}" if isinstance(named, str) and named else f"token {of_token}"
        parts = f"{said.issuer}\0{said.subject}\0{session}"
        key = hmac.digest(self.secret.encode(), b"sessions of other issuers", "sha256")
        return UUID(bytes=hmac.digest(key, parts.encode(), "sha256")[:16], version=4)

    def _keep(self, text: str, kept: _Kept) -> None:
        self._kept[text] = kept
        self._kept.move_to_end(text)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
