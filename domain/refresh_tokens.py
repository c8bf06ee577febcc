"""Refresh tokens: what a session is prolonged with, each once.

A token is opaque: the name of its family, which it shares with all that follow it, and 256 secret
bits. Only hashes are kept. The token that follows is derived from the one before with a key of the
deployment, so two tabs that refresh at once get the same one and no family ever branches: whatever
token is neither in force nor the one just before it was used already, by its owner or by a thief.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final, Self

from domain.errors import InvalidCredentials

_FAMILY_BYTES: Final = 16
_SECRET_BYTES: Final = 32
NOT_IN_FORCE: Final = "This refresh token is not in force any more. Sign in again."
_FORM: Final = re.compile(r"rt_([\w-]{22})([\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One token of a family."""

    family: str
    secret: str

    @classmethod
    def first(cls) -> Self:
        return cls(token_urlsafe(_FAMILY_BYTES), token_urlsafe(_SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises InvalidCredentials for what was never a token of ours."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise InvalidCredentials(NOT_IN_FORCE)
        return cls(found[1], found[2])

    def following(self, key: bytes) -> Self:
        """The token that this one is traded for, which nobody can tell without the key."""
        secret = hmac.digest(key, f"{self.family}{self.secret}".encode(), "sha256")
        return type(self)(self.family, urlsafe_b64encode(secret).decode().rstrip("="))

    @property
    def text(self) -> str:
        return f"rt_{self.family}{self.secret}"

    # Of so many random bits a plain hash cannot be reversed, and needs no salt.

    @property
    def family_hash(self) -> bytes:
        return sha256(self.family.encode()).digest()

    @property
    def token_hash(self) -> bytes:
        return sha256(self.text.encode()).digest()
