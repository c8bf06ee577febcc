"""What the operator decides about being watched."""

from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

TOKEN_CHARACTERS_MIN: Final = 16


class MetricsSettings(BaseSettings):
    """Where metrics are served, and to whom."""

    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    metrics_host: str = "127.0.0.1"
    metrics_token: SecretStr | None = None

    @field_validator("metrics_token")
    @classmethod
    def _token_is_hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            text = token.get_secret_value()
            if not (text.isascii() and text.isprintable() and " " not in text):
                raise ValueError("this is no token: it has spaces or letters outside ASCII in it.")
            if len(text) < TOKEN_CHARACTERS_MIN:
                raise ValueError(f"at least {TOKEN_CHARACTERS_MIN} characters are needed.")
        return token
