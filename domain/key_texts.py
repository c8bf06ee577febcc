"""What an API key looks like: `ck_<id>_<secret><checksum>`.

The id is public and says which key to look up. The secret has 256 bits, and only its hash is kept.
The checksum says whether this can be a key at all without asking anybody: scanners of published
source find keys by it, and a mistyped one costs no query.
"""

import re
from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import Final
from zlib import crc32

from domain.units import AccountId, ApiKeyId, KeyNumber

PREFIX: Final = "ck_"
SECRET_START: Final = 4
"""Characters of the secret that are kept to recognise a key by: 24 bits of its 256."""

_SECRET_BYTES: Final = 32
_ACCOUNT_BYTES: Final = 8
_NUMBER_BYTES: Final = 4
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_FORM: Final = re.compile(
    rf"(ck_([a-z2-7]{{20}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}}))([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A new secret, known to whoever made it until its text is shown."""

    _text: str = field(repr=False)

    @classmethod
    def new(cls) -> "KeySecret":
        return cls(_in_digits(int.from_bytes(token_bytes(_SECRET_BYTES), "big"), _SECRET_LENGTH))

    @property
    def hash(self) -> bytes:
        """What is kept. Of 256 random bits a plain hash cannot be reversed, and needs no salt."""
        return _hash(self._text)

    @property
    def start(self) -> str:
        return self._text[:SECRET_START]

    def text(self, key_id: ApiKeyId) -> str:
        """The whole key, to be shown once."""
        body = f"{PREFIX}{_spelled(key_id)}_{self._text}"
        return body + _checksum(body)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What somebody claims: to be this key, with a secret of this hash."""

    key_id: ApiKeyId
    secret_hash: bytes = field(repr=False)


def prefix_of(key_id: ApiKeyId, secret_start: str) -> str:
    """The first characters of a key, to recognise it by."""
    return f"{PREFIX}{_spelled(key_id)}_{secret_start}"


def read(text: str) -> PresentedKey | None:
    """What a text claims, or None when it cannot be a key of ours: nothing was looked up."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    body, spelled, secret, checksum = found.groups()
    key_id = _named(spelled)
    if checksum != _checksum(body) or key_id is None:
        return None
    return PresentedKey(key_id, _hash(secret))


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("ascii")).digest()


def _checksum(body: str) -> str:
    return _in_digits(crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def _in_digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _spelled(key_id: ApiKeyId) -> str:
    numbers = key_id.account_id.to_bytes(_ACCOUNT_BYTES, "big") + key_id.number.to_bytes(
        _NUMBER_BYTES, "big"
    )
    return b32encode(numbers).decode("ascii").rstrip("=").lower()


def _named(spelled: str) -> ApiKeyId | None:
    numbers = b32decode(spelled.upper() + "====")
    account_id = int.from_bytes(numbers[:_ACCOUNT_BYTES], "big", signed=True)
    number = int.from_bytes(numbers[_ACCOUNT_BYTES:], "big", signed=True)
    if account_id <= 0 or number <= 0:
        return None
    key_id = ApiKeyId(AccountId(account_id), KeyNumber(number))
    # The last character has bits to spare: one name has one spelling.
    return key_id if _spelled(key_id) == spelled else None
