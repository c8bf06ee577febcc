"""What the operator decides about other people's tokens."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, SecretStr, model_validator
from pydantic_settings import BaseSettings

from adapters.identity.key_sets import url_fault
from app.google import ISSUER, KEYS_URL
from app.origins import origin_written

_SECRET_BYTES_MIN: Final = 32


def _keys_url(url: str) -> str:
    if (fault := url_fault(url)) is not None:
        raise ValueError(fault)
    return url


class IssuerSettings(BaseSettings):
    """Google's sign-in, a Supabase project, and any other issuer of access tokens."""

    google_client_id: str | None = None
    google_issuer: str = ISSUER
    google_keys_url: Annotated[str, AfterValidator(_keys_url)] = KEYS_URL

    supabase_url: Annotated[str, AfterValidator(origin_written)] | None = None
    supabase_jwt_secret: SecretStr | None = None
    supabase_confirms_emails: bool = False

    issuers_file: Path | None = None

    @model_validator(mode="after")
    def _supabase_is_whole(self) -> Self:
        if self.supabase_jwt_secret is None:
            return self
        if self.supabase_url is None:
            raise ValueError("SUPABASE_JWT_SECRET needs SUPABASE_URL, whose tokens it is of.")
        if len(self.supabase_jwt_secret.get_secret_value().encode()) < _SECRET_BYTES_MIN:
            raise ValueError(
                f"SUPABASE_JWT_SECRET has to be at least {_SECRET_BYTES_MIN} bytes long."
            )
        return self
