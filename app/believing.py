"""Tokens that others signed: what it takes for one to be believed, the same for every issuer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

LEEWAY: Final = timedelta(seconds=30)
TOKEN_CHARACTERS_MAX: Final = 8_192
SUBJECT_LENGTH_MAX: Final = 255
RSA_BITS_MIN: Final = 2_048
ISSUERS_KEPT_MAX: Final = 2_048
"""Tokens whose issuer is remembered: it is asked for at each request."""

Algorithm = Literal["HS256", "RS256", "ES256"]
PublicAlgorithm = Literal["RS256", "ES256"]
JWK = Mapping[str, object]
Payload = Mapping[str, object]

_REQUIRED: Final = ["iss", "aud", "sub", "iat", "exp"]


class NotBelieved(Exception):
    """A token that says nothing; for us alone, and without its words."""


class FindsKeys(Protocol):
    """Where the public keys of an issuer are."""

    async def find(self, kid: str) -> JWK | None: ...


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A key that we have as well as the issuer: HS256 and nothing else."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Keys of which we have the public half; the key decides the algorithm, never the token."""

    keys: FindsKeys
    algorithms: frozenset[PublicAlgorithm] = frozenset({"RS256", "ES256"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a token is believed."""

    issuers: tuple[str, ...]
    audience: str
    source: SharedSecret | PublicKeys
    types: frozenset[str]
    """What the header's `typ` may say, in lower case; an empty text allows that it is missing."""
    is_audience_alone: bool = False
    """Whether a token for several audiences is refused even if we are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """What a believed token says."""

    issuer: str
    subject: str
    issued_at: datetime
    expires_at: datetime
    payload: Payload = field(repr=False)


async def believed(text: str, rule: Rule) -> Believed:
    """What a token says. Raises NotBelieved, or Unavailable while there are no keys to check by."""
    if len(text) > TOKEN_CHARACTERS_MAX:
        raise NotBelieved
    algorithm, key = await _key(_header(text, rule), rule.source)
    try:
        payload: Payload = jwt.decode(
            text,
            key,
            algorithms=[algorithm],
            issuer=list(rule.issuers),
            audience=rule.audience,
            leeway=LEEWAY,
            options={"require": _REQUIRED, "strict_aud": rule.is_audience_alone},
        )
    except (jwt.PyJWTError, RecursionError, ValueError, TypeError, OverflowError):
        raise NotBelieved from None
    return _believed(payload)


@lru_cache(maxsize=ISSUERS_KEPT_MAX)
def issuer_named(text: str) -> str | None:
    """Who a token says it is from, which proves nothing yet."""
    if len(text) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        payload: Payload = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError, ValueError, TypeError, OverflowError):
        return None
    issuer = payload.get("iss")
    return issuer if isinstance(issuer, str) else None


def _header(text: str, rule: Rule) -> Payload:
    try:
        header: Payload = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, RecursionError, ValueError, TypeError):
        raise NotBelieved from None
    kind = header.get("typ", "")
    # What is critical we would have to understand, and there is nothing more that we do.
    if not isinstance(kind, str) or "crit" in header:
        raise NotBelieved
    if kind.lower().removeprefix("application/") not in rule.types:
        raise NotBelieved
    return header


async def _key(
    header: Payload, source: SharedSecret | PublicKeys
) -> tuple[Algorithm, bytes | RSAPublicKey | EllipticCurvePublicKey]:
    if isinstance(source, SharedSecret):
        return "HS256", source.secret
    kid = header.get("kid")
    if not isinstance(kid, str) or header.get("alg") not in source.algorithms:
        raise NotBelieved
    found = await source.keys.find(kid)
    if found is None:
        raise NotBelieved
    algorithm, key = _public_key(found)
    if algorithm not in source.algorithms:
        raise NotBelieved
    return algorithm, key


def _public_key(jwk: JWK) -> tuple[PublicAlgorithm, RSAPublicKey | EllipticCurvePublicKey]:
    try:
        key: object = jwt.PyJWK(dict(jwk)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise NotBelieved from None
    match key:
        case RSAPublicKey(key_size=bits) if bits >= RSA_BITS_MIN:
            return "RS256", key
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return "ES256", key
        case _:
            raise NotBelieved


def _believed(payload: Payload) -> Believed:
    match payload:
        case {
            "iss": str() as issuer,
            "sub": str() as subject,
            "iat": int() | float() as issued_at,
            "exp": int() | float() as expires_at,
        } if 0 < len(subject) <= SUBJECT_LENGTH_MAX and "\0" not in subject:
            try:
                return Believed(
                    issuer=issuer,
                    subject=subject,
                    issued_at=datetime.fromtimestamp(issued_at, UTC),
                    expires_at=datetime.fromtimestamp(expires_at, UTC),
                    payload=payload,
                )
            except (ValueError, OverflowError, OSError):
                pass
        case _:
            pass
    raise NotBelieved


def is_for_sign_in(
    payload: Payload, claims: Sequence[str] = ("nonce", "at_hash", "c_hash")
) -> bool:
    """Whether a token tells an app who signed in, instead of letting anybody call an API."""
    return any(claim in payload for claim in claims)
