"""The operator's database URL: what may be written in it, and how it is read."""

from pathlib import Path
from ssl import get_default_verify_paths
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_FORM: Final = "write postgresql://login:password@host:port/database."

_OF_OTHER_CLIENTS: Final = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "connection_limit",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "pgbouncer",
        "pool_timeout",
        "require_auth",
        "requirepeer",
        "schema",
        "sslcertmode",
        "sslcompression",
        "sslcrldir",
        "sslsni",
        "tcp_user_timeout",
    }
)
"""Parameters of libpq and of others that ours would pass on to the server, which refuses them."""

_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SUPABASE_POOLER: Final = ".pooler.supabase.com"
_OF_TRANSACTIONS: Final = 6543


def usable(url: str) -> str:
    """The URL as our client takes it.

    Raises ValueError, which says what to change and holds nothing of the URL that is secret.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(_FORM)
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if unknown := sorted({name for name, _ in query} & _OF_OTHER_CLIENTS):
        raise ValueError(
            f"take {', '.join(unknown)} out of it: our client knows no such parameter."
        )
    given = dict(query)
    if given.get("sslrootcert") == "system":
        given["sslrootcert"] = _authorities()
    for name in _FILES:
        if name in given and not Path(given[name]).is_file():
            raise ValueError(f"{name} names a file that is not there: {given[name]}.")
    if (parts.hostname or "").endswith(_SUPABASE_POOLER) and _port(url) == _OF_TRANSACTIONS:
        raise ValueError(
            f"port {_OF_TRANSACTIONS} is Supabase's pooler of transactions, where neither notices "
            "nor prepared statements work. Take its pooler of sessions: port 5432 of that host."
        )
    return urlunsplit(parts._replace(query=urlencode(given, safe="/:,")))


def tenant_of(url: str) -> str:
    """What Supabase's pooler wants at the end of every login, such as `.abcdefgh`; else nothing.

    It serves many projects at one address, and tells them apart by `postgres.<project>`.
    """
    parts = urlsplit(url)
    name, dot, project = (parts.username or "").partition(".")
    is_pooled = (parts.hostname or "").endswith(_SUPABASE_POOLER) or name == "postgres"
    return f"{dot}{project}" if is_pooled else ""


def _authorities() -> str:
    """The file with the authorities that this machine trusts."""
    found = get_default_verify_paths().cafile
    if found is None:
        raise ValueError(
            "sslrootcert=system finds no file of authorities here; name one, such as "
            "/etc/ssl/certs/ca-certificates.crt."
        )
    return found


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        raise ValueError(_FORM) from None
