"""What the operator decides about their own systems that are told what happens."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from domain.money import parse_credits
from domain.units import MICROCREDITS_PER_CREDIT, Microcredits


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _credits(value: object) -> object:
    return parse_credits(value) if isinstance(value, str) else value


class WebhookSettings(BaseSettings):
    """Endpoints, what they want to hear, and how long it is kept."""

    webhook_url: SecretStr | None = None
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)] = ()
    webhook_events: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    webhook_private_network: bool = False
    webhooks_file: Path | None = None
    webhook_timeout_seconds: float = Field(default=15, ge=1, le=60)
    webhook_days: int = Field(default=30, ge=7, le=3_660)
    low_balance_credits: Annotated[Microcredits, BeforeValidator(_credits)] = Field(
        default=Microcredits(100 * MICROCREDITS_PER_CREDIT), ge=0
    )

    @model_validator(mode="after")
    def _endpoints_are_named_in_one_way(self) -> Self:
        if self.webhooks_file is not None and self.webhook_url is not None:
            raise ValueError("set WEBHOOK_URL for one endpoint or WEBHOOKS_FILE for several.")
        return self
