"""The issuers whose access tokens are accepted, as the operator wrote them into a file in TOML.

Such as:

    [[issuers]]
    issuer = "https://login.example.com/"             # exactly as tokens say it in `iss`
    audience = "https://api.example.com"              # what their `aud` has to name
    keys_url = "https://login.example.com/keys.json"  # `jwks_uri` of its openid-configuration

    [[issuers]]
    issuer = "our-backend"
    audience = "tallystick"
    secret_env = "OUR_BACKEND_SECRET"                 # instead of keys_url: HS256

More settings of an issuer: `algorithms = ["RS256"]` (of RS256 and ES256; both, if left out),
`type = "JWT"` for one whose access tokens do not say `at+jwt` in their header, `confirmed_emails =
"always"` or `"never"` (`"claim"` if left out: by `email_verified`), and `session_claim = "sid"`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adapters import settings_file
from adapters.identity.key_sets import url_fault
from adapters.settings_file import Table

SECRET_BYTES_MIN: Final = 32
_ALGORITHMS: Final = ("RS256", "ES256")
_CONFIRMATIONS: Final = ("claim", "always", "never")
_TYPES: Final = ("at+jwt", "jwt")
_OURS: Final = "tallystick"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenIssuer:
    """An issuer as the operator wrote it: with the address of its keys, or with a secret."""

    issuer: str
    audience: str
    keys_url: str | None = None
    secret: str | None = field(default=None, repr=False)
    algorithms: tuple[str, ...] = _ALGORITHMS
    type: str = "at+jwt"
    confirmed_emails: str = "claim"
    session_claim: str = "sid"


def read_issuers(path: Path, environment: Mapping[str, str]) -> tuple[WrittenIssuer, ...]:
    """Read a file of issuers, taking the secrets it names from the environment.

    Raises SettingsFileError.
    """
    top = settings_file.read(path)
    top.only("issuers")
    issuers = tuple(_issuer(table, environment) for table in top.tables("issuers"))
    if len({issuer.issuer for issuer in issuers}) < len(issuers):
        raise top.error("two issuers have the same name.")
    return issuers


def _issuer(table: Table, environment: Mapping[str, str]) -> WrittenIssuer:
    table.only(
        "issuer",
        "audience",
        "keys_url",
        "secret_env",
        "algorithms",
        "type",
        "confirmed_emails",
        "session_claim",
    )
    if table.has("keys_url") == table.has("secret_env"):
        raise table.error("write either keys_url or secret_env: one source of keys.")
    if table.text("issuer") == _OURS:
        raise table.error("this is the name of our own tokens' issuer.")
    is_secret = table.has("secret_env")
    return WrittenIssuer(
        issuer=table.text("issuer"),
        audience=table.text("audience"),
        keys_url=None if is_secret else _keys_url(table),
        secret=_secret(table, environment) if is_secret else None,
        algorithms=("HS256",) if is_secret else _algorithms(table),
        type=_one_of(table, "type", _TYPES),
        confirmed_emails=_one_of(table, "confirmed_emails", _CONFIRMATIONS),
        session_claim=table.text("session_claim") if table.has("session_claim") else "sid",
    )


def _keys_url(table: Table) -> str:
    url = table.text("keys_url")
    if (fault := url_fault(url)) is not None:
        raise table.error(f"keys_url: {fault}")
    return url


def _secret(table: Table, environment: Mapping[str, str]) -> str:
    name = table.text("secret_env")
    secret = environment.get(name, "")
    if len(secret.encode()) < SECRET_BYTES_MIN:
        raise table.error(f"{name} has to hold a secret of at least {SECRET_BYTES_MIN} bytes.")
    return secret


def _algorithms(table: Table) -> tuple[str, ...]:
    if not table.has("algorithms"):
        return _ALGORITHMS
    written = table.texts("algorithms")
    if not set(written) <= set(_ALGORITHMS):
        raise table.error("algorithms may be RS256 and ES256; HS256 goes with secret_env.")
    return written


def _one_of(table: Table, key: str, known: tuple[str, ...]) -> str:
    if not table.has(key):
        return known[0]
    text = table.text(key).lower()
    if text not in known:
        raise table.error(f"{key} may be {', '.join(known)}.")
    return text
