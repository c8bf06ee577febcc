"""Mail addresses, in the one form in which they are kept and compared."""

import re
from hashlib import sha256
from typing import Final

from domain.errors import InputIssue, InvalidInput

EMAIL_LENGTH_MAX: Final = 254
NO_ADDRESS: Final = InputIssue(("email",), "This is not an email address.")
_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_LOCAL_LENGTH_MAX: Final = 64


def email_of(text: str) -> str:
    """An address as it is kept. Raises InvalidInput for what no mail can be sent to."""
    email = read_email(text)
    if email is None:
        raise InvalidInput([NO_ADDRESS])
    return email


def read_email(text: str) -> str | None:
    """An address as it is kept: in lower case, its domain as DNS spells it. None if it is none.

    Quoted and non-ASCII local parts are legal, but next to nobody has one, and they are a way to
    smuggle something into a mail.
    """
    local, at, domain = text.strip().lower().rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        return None
    email = f"{local}{at}{domain}"
    is_one = (
        len(email) <= EMAIL_LENGTH_MAX
        and len(local) <= _LOCAL_LENGTH_MAX
        and _LOCAL.fullmatch(local)
        and _DOMAIN.fullmatch(domain)
    )
    return email if is_one else None


def identity_of(way: str, email: str) -> str:
    """Whom tries are counted for: an address, by one way to sign in.

    So a flood of mails locks nobody's password out. It is not in the address's own words, because
    counts may lie where addresses should not.
    """
    return f"{way} {sha256(email.encode()).hexdigest()[:32]}"
