"""Access tokens of our own: issued for a session, verified strictly, and looked up at each use.

A token proves that we named a session to its bearer, and nothing more. Whether that session still
holds, whose it is and what that account may do is asked of the database for every request, so
that signing out, a suspension or a change of role holds from the next request on.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid4

import jwt

from app.key_authentication import KeyCallers, is_key
from app.outside_callers import OutsideCallers
from domain.errors import AccountSuspended, Unauthenticated
from domain.identity import AccountStatus, Viewer
from domain.outside import Clock
from domain.signing_in import ACCESS_TOKEN_LASTS, AccessToken, Sessions
from domain.units import AccountId

ALGORITHM: Final = "HS256"
ISSUER: Final = "tallystick"
AUDIENCE: Final = "tallystick-api"
LEEWAY: Final = timedelta(seconds=30)
TOKENS_KEPT_MAX: Final = 4_096
TOKEN_CHARACTERS_MAX: Final = 1_024

_HEADER: Final = {"alg": ALGORITHM, "typ": "at+jwt"}
_CLAIMS: Final = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]
_REFUSAL: Final = "The access token is not valid or has expired. Sign in again."
_NOT_A_BEARER: Final = "Send one access token, as `Authorization: Bearer …`."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says: a session, whose it was when issued, and until when."""

    account_name: str
    session_id: UUID
    expires_at: datetime


class OwnTokens:
    """Issues this deployment's access tokens, and believes those and no others.

    `name_of` gives an account's public id. The key is derived from the deployment's secret, for
    this use alone.
    """

    def __init__(self, secret: str, *, clock: Clock, name_of: Callable[[AccountId], str]) -> None:
        self._key = hmac.digest(secret.encode(), b"access tokens", "sha256")
        self._clock = clock
        self._name_of = name_of
        # Only what was verified is kept: a refusal raises, and is worked out again next time.
        self._read = lru_cache(maxsize=TOKENS_KEPT_MAX)(self._verified)

    def issue(
        self, account_id: AccountId, session_id: UUID, *, lasts: timedelta = ACCESS_TOKEN_LASTS
    ) -> AccessToken:
        now = self._clock.now().replace(microsecond=0)
        expires_at = now + lasts
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": self._name_of(account_id),
            "sid": str(session_id),
            "iat": now,
            "exp": expires_at,
            "jti": uuid4().hex,
        }
        return AccessToken(
            jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=_HEADER), expires_at
        )

    def verify(self, text: str) -> Claims:
        """What a token says. Raises Unauthenticated, without telling what is wrong with it."""
        if len(text) > TOKEN_CHARACTERS_MAX:
            raise Unauthenticated(_REFUSAL)
        claims = self._read(text)
        if self._clock.now() >= claims.expires_at + LEEWAY:
            raise Unauthenticated(_REFUSAL)
        return claims

    def _verified(self, text: str) -> Claims:
        try:
            # Ours have this header and no other: no key to look up, nothing critical to know.
            if jwt.get_unverified_header(text) != _HEADER:
                raise Unauthenticated(_REFUSAL)
            claims = jwt.decode(
                text,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": _CLAIMS, "strict_aud": True},
            )
        except (jwt.InvalidTokenError, RecursionError):
            raise Unauthenticated(_REFUSAL) from None
        return _claims(claims)


def _claims(claims: dict[str, object]) -> Claims:
    match claims:
        case {
            "sub": str() as account_name,
            "sid": str() as session_id,
            "jti": str(),
            "iat": int() as issued_at,
            "exp": int() as expires_at,
        } if account_name and 0 < expires_at - issued_at <= ACCESS_TOKEN_LASTS.total_seconds():
            try:
                return Claims(
                    account_name, UUID(session_id), datetime.fromtimestamp(expires_at, UTC)
                )
            except ValueError:
                pass
        case _:
            pass
    raise Unauthenticated(_REFUSAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Finds out who is asking."""

    tokens: OwnTokens
    sessions: Sessions
    keys: KeyCallers
    outside: OutsideCallers
    name_of: Callable[[AccountId], str]

    async def viewer(self, authorization: Sequence[str]) -> Viewer | None:
        """The caller whom the Authorization headers name; None when there are none.

        A token is one of ours, an API key, or of another issuer that is accepted here. Raises
        Unauthenticated for anything but one in force, and AccountSuspended.
        """
        if not authorization:
            return None
        token = _bearer(authorization)
        if is_key(token):
            return await self.keys.viewer(token)
        if (issuer := self.outside.issuer_of(token)) is not None:
            return await self.outside.viewer(token, issuer)
        claims = self.tokens.verify(token)
        session = await self.sessions.session_in_force(claims.session_id)
        if session is None or self.name_of(session.account_id) != claims.account_name:
            raise Unauthenticated(_REFUSAL)
        if session.status is AccountStatus.SUSPENDED:
            raise AccountSuspended
        return Viewer(
            account_id=session.account_id,
            session_id=claims.session_id,
            role=session.role,
            expires_at=claims.expires_at,
        )


def _bearer(authorization: Sequence[str]) -> str:
    scheme, _, token = authorization[0].strip().partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(_NOT_A_BEARER)
    return token.strip()
