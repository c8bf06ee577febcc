"""What the operator decides, read once from the environment; docs/configuration.md explains it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode, SettingsConfigDict

from adapters.settings_file import SettingsFileError
from app.alert_settings import AlertSettings
from app.entrance_settings import EntranceSettings
from app.issuer_settings import IssuerSettings
from app.metrics_settings import MetricsSettings
from app.mirror_settings import MirrorSettings
from app.origins import origin_written
from app.payment_settings import PaymentSettings
from app.secret_files import files_of
from app.webhook_settings import WebhookSettings
from domain.errors import TallystickError
from domain.money import parse_credits
from domain.units import MICROCREDITS_PER_CREDIT, Microcredits
from persistence.urls import usable

SECRET_BYTES_MIN: Final = 32
_SECRET_CHARACTERS_MIN: Final = 10
_CHECKOUT: Final = Path(__file__).parent.parent


@contextmanager
def named(setting: str) -> Iterator[None]:
    """Say of a file that cannot be used which setting names it."""
    try:
        yield
    except SettingsFileError as error:
        raise SettingsFileError(f"{setting}: {error}") from error


class UnsafeSettings(TallystickError):
    """The settings cannot be used, or must not be: nothing was started."""


def _credits(value: object) -> object:
    return parse_credits(value) if isinstance(value, str) else value


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _networks(written: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for network in written:
            ip_network(network)
    except ValueError:
        raise ValueError("write addresses or networks, such as 10.0.0.7, 192.168.0.0/16.") from None
    return written


def _origins(written: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(origin_written, written))


class Settings(
    EntranceSettings,
    IssuerSettings,
    PaymentSettings,
    MirrorSettings,
    WebhookSettings,
    AlertSettings,
    MetricsSettings,
):
    """Every setting, by its name in the environment in lower case. Empty means left out."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    secrets_dir: Path | None = None

    database_url: SecretStr | None = None
    database_pool_size: int = Field(default=10, ge=1, le=200)
    tallystick_secret: SecretStr | None = None
    tallystick_data_dir: Path | None = None

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    trusted_proxies: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_networks)
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_origins)
    ] = ()
    processes: int = Field(default=1, ge=1, le=256)
    shutdown_seconds: int = Field(default=20, ge=0, le=600)
    shutdown_delay_seconds: int = Field(default=0, ge=0, le=600)

    ai_base_url: str | None = None
    ai_api_key: SecretStr | None = None
    ai_private_network: bool = False
    ai_routes_file: Path | None = None
    ai_timeout_seconds: float = Field(default=120, ge=1, le=3_600)
    ai_idle_seconds: float = Field(default=60, gt=0, le=3_600)
    answers_at_once: int = Field(default=1_000, ge=1, le=100_000)
    answers_waiting_max: int = Field(default=1_000, ge=0, le=1_000_000)
    answer_waiting_seconds: int = Field(default=600, ge=1, le=86_400)
    lease_seconds: int = Field(default=15, ge=2, le=300)
    answer_text_hours: int = Field(default=24, ge=1, le=24 * 366)

    models_file: Path = _CHECKOUT / "models.toml"
    sign_up_credits: Annotated[Microcredits, BeforeValidator(_credits)] = Field(
        default=Microcredits(1_000 * MICROCREDITS_PER_CREDIT), ge=0
    )
    demo_mode: bool | None = None
    demo_sessions_per_minute: int = Field(default=20, ge=1, le=100_000)

    points_per_minute: int = Field(default=10_000, ge=1_000, le=100_000_000)
    asks_per_minute: int = Field(default=60, ge=1, le=1_000_000)
    gateway_body_mib: int = Field(default=20, ge=1, le=512)
    free_cancels_per_minute: int = Field(default=10, ge=1, le=1_000_000)
    introspection: bool | None = None

    log_format: Literal["json", "console"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None

    @field_validator("database_url")
    @classmethod
    def _names_a_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(usable(url.get_secret_value()))

    @field_validator("tallystick_secret")
    @classmethod
    def _is_hard_to_guess(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and (fault := fault_of_secret(secret.get_secret_value())):
            raise ValueError(fault)
        return secret

    @property
    def has_provider(self) -> bool:
        """Whether answers come from a provider of the operator's, rather than one of ours."""
        return any((self.ai_base_url, self.ai_api_key, self.ai_routes_file))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @classmethod
    def read(cls, **given: object) -> Self:
        """The environment's settings, with those given on the command line in their place.

        What neither says may be a file of SECRETS_DIR.
        Raises UnsafeSettings, which names each setting that is wrong but never its value.
        """
        known = {name: value for name, value in given.items() if value is not None}
        try:
            files = files_of(cls.model_fields, os.environ)
        except ValueError as error:
            raise UnsafeSettings(str(error)) from None
        try:
            return cls.model_validate({**files, **known})
        except ValidationError as error:
            raise UnsafeSettings("\n".join(map(_told, error.errors()))) from None


def fault_of_secret(secret: str) -> str | None:
    """Why a secret is too easy to guess, or None when it is not."""
    if len(secret.encode()) < SECRET_BYTES_MIN:
        return (
            f"at least {SECRET_BYTES_MIN} bytes are needed. "
            "`openssl rand -hex 32` prints a good secret."
        )
    if len(set(secret)) < _SECRET_CHARACTERS_MIN:
        return "this repeats itself too much. `openssl rand -hex 32` prints a good secret."
    return None


def _told(error: ErrorDetails) -> str:
    """What is wrong with a setting; where it is with several, the message says which."""
    fault = error["msg"].removeprefix("Value error, ")
    return f"{str(error['loc'][0]).upper()}: {fault}" if error["loc"] else fault
