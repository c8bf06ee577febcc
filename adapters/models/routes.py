"""Which providers there are, and in which order they are asked: the operator's settings.

One provider comes from AI_BASE_URL and AI_API_KEY. Several come from a file in TOML, asked in
the order in which they are written:

    [[routes]]
    name = "deepseek"
    base_url = "https://api.deepseek.com/v1"
    api_key_env = "DEEPSEEK_API_KEY"                  # the variable that holds the key
    models = ["deepseek-chat", "deepseek-reasoner"]   # all models, if left out

    [[routes]]
    name = "openrouter"
    base_url = "https://openrouter.ai/api/v1"
    api_key_env = "OPENROUTER_API_KEY"
    models = { "deepseek-chat" = "deepseek/deepseek-chat" }   # if they have other names there

Keys never stand in the file. Two more settings of a route: `answer_limit_field =
"max_completion_tokens"` for providers that no longer take "max_tokens", and `private_network =
true` for one that is reached without TLS inside your own network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from adapters import settings_file
from adapters.addresses import is_private, is_this_machine
from adapters.settings_file import SettingsFileError, Table

DEEPSEEK_BASE_URL: Final = "https://api.deepseek.com/v1"
_DEEPSEEK_MODELS: Final = ("deepseek-chat", "deepseek-reasoner")
_NO_KEY: Final = "this is no key: it has spaces, line ends or letters outside ASCII in it."
_NO_BASE_URL: Final = "this is no base URL. Write https://host/path."
_ANSWER_LIMIT_FIELDS: Final = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One provider: where it is, its key, and what it calls the models it has."""

    name: str
    base_url: str
    api_key: str = field(repr=False)
    models: Mapping[str, str] | None = None
    """From upstream names to the names here; None when it has all, each under its own name."""

    answer_limit_field: str = "max_tokens"

    @property
    def chat_completions_url(self) -> str:
        return self.url_of("chat/completions")

    def url_of(self, path: str) -> str:
        """Where a path of OpenAI's API is at this provider."""
        return f"{self.base_url.rstrip('/')}/{path}"

    @property
    def is_on_this_machine(self) -> bool:
        return is_this_machine(urlsplit(self.base_url).hostname or "")

    def serves(self, upstream_name: str) -> bool:
        return self.models is None or upstream_name in self.models

    def name_here(self, upstream_name: str) -> str:
        """What this provider calls a model it serves."""
        return upstream_name if self.models is None else self.models[upstream_name]


def route_from_settings(
    *, base_url: str | None, api_key: str, private_network: bool = False
) -> Route:
    """The one provider of AI_BASE_URL and AI_API_KEY: DeepSeek, when only a key is given.

    Raises SettingsFileError when the URL must not be used, or the key cannot be one.
    """
    if not _can_be_a_key(api_key):
        raise SettingsFileError(f"AI_API_KEY: {_NO_KEY}")
    if base_url is None:
        return Route(
            name="deepseek",
            base_url=DEEPSEEK_BASE_URL,
            api_key=api_key,
            models={model: model for model in _DEEPSEEK_MODELS},
        )
    fault = base_url_fault(
        base_url, private_network=private_network, permission="AI_PRIVATE_NETWORK=true"
    )
    if fault:
        raise SettingsFileError(f"AI_BASE_URL: {fault}")
    return Route(name="default", base_url=base_url, api_key=api_key)


def read_routes(path: Path, environment: Mapping[str, str]) -> tuple[Route, ...]:
    """Read a file of routes, taking the keys it names from the environment.

    Raises SettingsFileError.
    """
    top = settings_file.read(path)
    top.only("routes")
    routes = tuple(_route(table, environment) for table in top.tables("routes"))
    if len({route.name for route in routes}) < len(routes):
        raise top.error("two routes have the same name.")
    return routes


def base_url_fault(
    url: str, *, private_network: bool = False, permission: str = "private_network = true"
) -> str | None:
    """Why a key or a prompt must not be sent there; None when it may.

    `permission` is what the operator has to write to say that it is meant.

    Plain http and private addresses are for this machine, or for a network that the operator
    says is their own. Names are not resolved: an address in the settings is the operator's
    word, and no caller can send one.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return _NO_BASE_URL
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        return _NO_BASE_URL
    if parts.username is not None or parts.password is not None:
        return "the URL carries a password. Keys belong into their own variable."
    if private_network or is_this_machine(host):
        return None
    return _exposure(host, is_plain=parts.scheme != "https", permission=permission)


def _exposure(host: str, *, is_plain: bool, permission: str) -> str | None:
    if is_plain:
        return (
            "plain http would send what is secret in the clear. Use https, or set "
            f"{permission} if it is reached inside your own network."
        )
    if is_private(host):
        return f"{host} is a private address. Set {permission} if it is meant."
    return None


def _route(table: Table, environment: Mapping[str, str]) -> Route:
    table.only("name", "base_url", "api_key_env", "models", "answer_limit_field", "private_network")
    base_url = table.text("base_url")
    private_network = table.flag("private_network", default=False)
    fault = base_url_fault(base_url, private_network=private_network)
    if fault:
        raise table.error(f"base_url: {fault}")
    return Route(
        name=table.text("name"),
        base_url=base_url,
        api_key=_api_key(table, environment),
        models=_models(table),
        answer_limit_field=_answer_limit_field(table),
    )


def _api_key(table: Table, environment: Mapping[str, str]) -> str:
    if not table.has("api_key_env"):
        return ""
    variable = table.text("api_key_env")
    key = environment.get(variable, "").strip()
    if not key:
        raise table.error(f"the variable {variable}, which api_key_env names, is not set.")
    if not _can_be_a_key(key):
        raise table.error(f"the variable {variable}: {_NO_KEY}")
    return key


def _can_be_a_key(key: str) -> bool:
    """Whether it can travel in a header; what cannot would fail with every call."""
    return key.isascii() and key.isprintable() and " " not in key


def _models(table: Table) -> Mapping[str, str] | None:
    if not table.has("models"):
        return None
    if table.holds_a_table("models"):
        names = table.table("models")
        return {upstream_name: names.text(upstream_name) for upstream_name in names}
    return {upstream_name: upstream_name for upstream_name in table.texts("models")}


def _answer_limit_field(table: Table) -> str:
    if not table.has("answer_limit_field"):
        return _ANSWER_LIMIT_FIELDS[0]
    value = table.text("answer_limit_field")
    if value not in _ANSWER_LIMIT_FIELDS:
        raise table.error(f"answer_limit_field has to be {' or '.join(_ANSWER_LIMIT_FIELDS)}.")
    return value
