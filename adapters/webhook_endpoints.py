"""Which systems of the operator's are told what happens: their settings.

One comes from WEBHOOK_URL and WEBHOOK_SECRETS. Several come from a file in TOML:

    [[endpoints]]
    name = "crm"
    url = "https://crm.example.com/hooks/tallystick"
    secrets_env = ["CRM_WEBHOOK_SECRET"]          # the variables that hold the secrets
    events = ["payment.*", "balance.low"]         # all events, if left out

Secrets never stand in the file. Two sign side by side while one is being changed. One more setting,
`private_network = true`, is for an endpoint inside your own network, or one without TLS there.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from adapters import settings_file
from adapters.addresses import is_private, is_this_machine
from adapters.settings_file import SettingsFileError, Table
from domain.telling import Endpoint, EventType

ONLY: Final = "default"
"""What the endpoint of WEBHOOK_URL is called."""

SECRET_BYTES: Final = range(24, 65)
NAME_LENGTH_MAX: Final = 60
_PREFIX: Final = "whsec_"
_NO_URL: Final = "this is no URL. Write https://host/path."
_UNFIT: Final = (
    "a secret is whsec_ and 24 to 64 bytes in base64. "
    '`echo "whsec_$(openssl rand -base64 32)"` prints a good one.'
)


def endpoint_from_settings(
    *, url: str, secrets: Sequence[str], events: Sequence[str], private_network: bool
) -> Endpoint:
    """The one endpoint of WEBHOOK_URL. Raises SettingsFileError."""
    permission = "WEBHOOK_PRIVATE_NETWORK=true"
    if fault := url_fault(url, private_network=private_network, permission=permission):
        raise SettingsFileError(f"WEBHOOK_URL: {fault}")
    if not secrets:
        raise SettingsFileError(f"WEBHOOK_SECRETS has to sign for WEBHOOK_URL: {_UNFIT}")
    if not all(map(_is_secret, secrets)):
        raise SettingsFileError(f"WEBHOOK_SECRETS: {_UNFIT}")
    try:
        types = _types(events)
    except ValueError as error:
        raise SettingsFileError(f"WEBHOOK_EVENTS: {error}") from None
    return Endpoint(
        name=ONLY,
        url=url,
        secrets=tuple(secrets),
        types=types,
        private_network=private_network,
    )


def read_endpoints(path: Path, environment: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Read a file of endpoints, taking the secrets it names from the environment.

    Raises SettingsFileError.
    """
    top = settings_file.read(path)
    top.only("endpoints")
    endpoints = tuple(_endpoint(table, environment) for table in top.tables("endpoints"))
    if len({endpoint.name for endpoint in endpoints}) < len(endpoints):
        raise top.error("two endpoints have the same name.")
    return endpoints


def url_fault(
    url: str, *, private_network: bool, permission: str = "private_network = true"
) -> str | None:
    """Why events must not be sent there; None when they may.

    `permission` is what the operator has to write to say that it is meant.
    Names are resolved when they are connected to, and looked at again then.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return _NO_URL
    if parts.scheme not in {"http", "https"} or not host or parts.fragment:
        return _NO_URL
    if parts.username is not None or parts.password is not None:
        return "the URL carries a password. Messages are signed; check the signature instead."
    if private_network or is_this_machine(host):
        return None
    return _exposure(host, is_plain=parts.scheme != "https", permission=permission)


def _exposure(host: str, *, is_plain: bool, permission: str) -> str | None:
    if is_plain:
        return (
            f"plain http would send events in the clear. Use https, or set {permission} if it is "
            "reached inside your own network."
        )
    if is_private(host):
        return f"{host} is a private address. Set {permission} if it is meant."
    return None


def _endpoint(table: Table, environment: Mapping[str, str]) -> Endpoint:
    table.only("name", "url", "secrets_env", "events", "private_network")
    url = table.text("url")
    private_network = table.flag("private_network", default=False)
    if fault := url_fault(url, private_network=private_network):
        raise table.error(f"url: {fault}")
    name = table.text("name")
    if len(name) > NAME_LENGTH_MAX or not name.isprintable() or " " in name:
        raise table.error(f"name has to be one word of at most {NAME_LENGTH_MAX} characters.")
    try:
        types = _types(table.texts("events") if table.has("events") else ())
    except ValueError as error:
        raise table.error(f"events: {error}") from None
    return Endpoint(
        name=name,
        url=url,
        secrets=tuple(_secret(table, name, environment) for name in table.texts("secrets_env")),
        types=types,
        private_network=private_network,
    )


def _secret(table: Table, variable: str, environment: Mapping[str, str]) -> str:
    secret = environment.get(variable, "").strip()
    if not secret:
        raise table.error(f"the variable {variable}, which secrets_env names, is not set.")
    if not _is_secret(secret):
        raise table.error(f"the variable {variable}: {_UNFIT}")
    return secret


def _is_secret(secret: str) -> bool:
    if not secret.startswith(_PREFIX):
        return False
    try:
        return len(b64decode(secret.removeprefix(_PREFIX), validate=True)) in SECRET_BYTES
    except ValueError:
        return False


def _types(patterns: Sequence[str]) -> frozenset[EventType]:
    """The events that words such as `payment.*` name; all, without any. Raises ValueError."""
    if not patterns:
        return frozenset(EventType)
    named: set[EventType] = set()
    for pattern in patterns:
        found = {each for each in EventType if fnmatchcase(each, pattern)}
        if not found:
            raise ValueError(f"there is no event {pattern}. There are {', '.join(EventType)}.")
        named |= found
    return frozenset(named)
