"""What the operator decides about a LiteLLM proxy that shows credits as budgets of its keys."""

from decimal import Decimal
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from adapters.models.routes import base_url_fault


class MirrorSettings(BaseSettings):
    """Where the proxy is, its key, and what a credit is worth there."""

    litellm_url: str | None = None
    litellm_master_key: SecretStr | None = None
    litellm_usd_per_credit: Decimal | None = Field(default=None, gt=0, le=1_000_000)
    litellm_private_network: bool = False
    litellm_every_seconds: float = Field(default=10, ge=1, le=3_600)

    @field_validator("litellm_master_key")
    @classmethod
    def _can_travel_in_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            text = key.get_secret_value()
            if not (text.isascii() and text.isprintable() and " " not in text):
                raise ValueError("this is no key: it has spaces or letters outside ASCII in it.")
        return key

    @model_validator(mode="after")
    def _a_proxy_is_described_in_full(self) -> Self:
        parts = (self.litellm_url, self.litellm_master_key, self.litellm_usd_per_credit)
        if any(part is not None for part in parts) and None in parts:
            raise ValueError(
                "LITELLM_URL, LITELLM_MASTER_KEY and LITELLM_USD_PER_CREDIT need each other: set "
                "all three, or none."
            )
        fault = self.litellm_url and base_url_fault(
            self.litellm_url,
            private_network=self.litellm_private_network,
            permission="LITELLM_PRIVATE_NETWORK=true",
        )
        if fault:
            raise ValueError(f"LITELLM_URL: {fault}")
        return self
