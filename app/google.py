"""Google's ID tokens: who just signed in, for our web app and for this one sign-in."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.believing import NotBelieved, PublicKeys, Rule, believed
from domain.errors import InvalidCredentials
from domain.outside import Clock
from domain.outside_identity import OutsideIdentity, usable_email, usable_name

ISSUER: Final = "https://accounts.google.com"
KEYS_URL: Final = "https://www.googleapis.com/oauth2/v3/certs"
FRESH_FOR: Final = timedelta(minutes=10)
"""A sign-in is something that just happened; an older token is somebody's copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleIdTokens:
    """Keeps what `domain.outside_identity.IdTokens` promises."""

    client_id: str
    issuer: str
    keys: PublicKeys
    clock: Clock

    async def verify(self, id_token: str, nonce: str) -> OutsideIdentity:
        """Raises InvalidCredentials whatever is wrong with it; Unavailable without keys."""
        rule = Rule(
            # Google has written its name both ways.
            issuers=(self.issuer, self.issuer.removeprefix("https://")),
            audience=self.client_id,
            source=self.keys,
            types=frozenset({"jwt", ""}),
            is_audience_alone=True,
        )
        try:
            said = await believed(id_token, rule)
        except NotBelieved:
            raise InvalidCredentials from None
        payload = said.payload
        email = usable_email(payload.get("email"))
        given = payload.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise InvalidCredentials
        if payload.get("email_verified") is not True or email is None:
            raise InvalidCredentials
        if self.clock.now() > said.issued_at + FRESH_FOR:
            raise InvalidCredentials
        return OutsideIdentity(
            issuer=self.issuer,
            subject=said.subject,
            confirmed_email=email,
            display_name=usable_name(payload.get("name")),
        )
