"""What the operator decides about signing in."""

from email.utils import parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from adapters.mail.smtp import SMTPMailer
from app.clock import SystemClock
from app.origins import origin_written
from domain.addresses import read_email


def _words(value: object) -> object:
    return value.replace(",", " ").upper().split() if isinstance(value, str) else value


def _sender(value: str) -> str:
    if read_email(parseaddr(value)[1]) is None:
        raise ValueError("write an address, or a name with one: Tallystick <mail@example.com>.")
    return value


def _mail_server(value: SecretStr) -> SecretStr:
    SMTPMailer.of_url(value.get_secret_value(), sender="", clock=SystemClock())
    return value


class EntranceSettings(BaseSettings):
    """Ways to sign in, mails, and how often may be tried."""

    sign_in_methods: Annotated[
        tuple[Literal["PASSWORD", "MAGIC_LINK"], ...] | None, NoDecode, BeforeValidator(_words)
    ] = None
    sign_up_open: bool | None = None
    email_confirmation: bool | None = None
    refresh_cookie: bool = False
    session_days: int = Field(default=30, ge=1, le=366)

    app_url: Annotated[str, AfterValidator(origin_written)] | None = None
    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = None
    mail_from: Annotated[str, AfterValidator(_sender)] | None = None
    mail_outbox: bool | None = None

    tries_per_minute: int = Field(default=30, ge=1, le=1_000_000)
    tries_per_address: int = Field(default=10, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _mails_are_whole(self) -> Self:
        if self.smtp_url is not None and (self.mail_from is None or self.app_url is None):
            raise ValueError(
                "SMTP_URL needs MAIL_FROM, whom mails are from, and APP_URL, where links lead."
            )
        return self
