"""The logins we connect with, each with just the rights its work needs.

Their passwords are derived from the deployment's secret, so that one DATABASE_URL (a login that may
create roles) configures all of them and no second secret has to be kept.
"""

import hmac
from enum import StrEnum
from urllib.parse import quote, urlsplit, urlunsplit

from persistence.urls import tenant_of

OWNER = "tallystick_owner"


class Login(StrEnum):
    """A login of ours and what it is for."""

    USER = "tallystick_user"
    """Reads what belongs to the session in force."""
    ADMIN = "tallystick_admin"
    """Reads everything, and changes balances and prices, in an administrator's session."""
    AUTH = "tallystick_auth"
    """Opens accounts and sessions and looks sessions up."""
    WORKER = "tallystick_worker"
    """Takes and ends holds."""
    PAYMENTS = "tallystick_payments"
    """Adds and takes back credits for money."""


def password(login: Login, *, secret: str) -> str:
    """The login's password, which nobody can derive without the secret."""
    return hmac.digest(secret.encode(), f"postgresql:{login}".encode(), "sha256").hex()


def url_of(login: Login, url: str, *, secret: str) -> str:
    """The operator's URL, with one of our logins in place of the operator's."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(login + tenant_of(url))}:{password(login, secret=secret)}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))
