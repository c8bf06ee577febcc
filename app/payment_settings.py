"""What the operator decides about taking payments."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from domain.money import Currency

_CHECKOUT: Final = Path(__file__).parent.parent
STRIPE_URL: Final = "https://api.stripe.com"
PAYSTACK_URL: Final = "https://api.paystack.co"


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _capitals(value: object) -> object:
    return _words(value.upper()) if isinstance(value, str) else value


def _key(*prefixes: str) -> AfterValidator:
    def check(key: SecretStr) -> SecretStr:
        if not key.get_secret_value().startswith(prefixes):
            raise ValueError(f"a secret key begins with {' or '.join(prefixes)}.")
        return key

    return AfterValidator(check)


def _secure(url: str) -> str:
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ValueError("write https://…: a secret key goes there with every request.")
    return url.rstrip("/")


Currencies = Annotated[tuple[Currency, ...], NoDecode, BeforeValidator(_capitals)]
Url = Annotated[str, AfterValidator(_secure)]


class PaymentSettings(BaseSettings):
    """Packs, and the keys of those who take payments."""

    packs_file: Path = _CHECKOUT / "packs.toml"

    stripe_secret_key: Annotated[SecretStr, _key("sk_", "rk_")] | None = None
    stripe_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)] = ()
    stripe_currencies: Currencies = (Currency.USD,)
    stripe_url: Url = STRIPE_URL

    paystack_secret_key: Annotated[SecretStr, _key("sk_")] | None = None
    paystack_currencies: Currencies = (Currency.KES,)
    paystack_url: Url = PAYSTACK_URL

    suspend_while_disputed: bool = False

    @model_validator(mode="after")
    def _stripe_can_be_heard(self) -> Self:
        if self.stripe_secret_key is not None and not self.stripe_webhook_secrets:
            raise ValueError(
                "STRIPE_SECRET_KEY needs STRIPE_WEBHOOK_SECRETS: the signing secret of the "
                "endpoint that Stripe sends its events to."
            )
        return self

    @property
    def takes_payments(self) -> bool:
        """Whether anybody takes real payments."""
        return self.stripe_secret_key is not None or self.paystack_secret_key is not None
