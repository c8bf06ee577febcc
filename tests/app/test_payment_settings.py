"""Who takes payments, as the environment says it."""

import pytest

from adapters.settings_file import SettingsFileError
from app.settings import Settings, UnsafeSettings
from app.tills import check_sales
from domain.money import Currency

STRIPE = {"stripe_secret_key": "sk_test_hunter2", "stripe_webhook_secrets": "whsec_hunter2"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_nobody_takes_payments_unless_a_key_is_set() -> None:
    assert Settings.read().takes_payments is False
    assert Settings.read(**STRIPE).takes_payments is True
    assert Settings.read(paystack_secret_key="sk_test_x").takes_payments is True


def test_secrets_are_not_shown() -> None:
    settings = Settings.read(**STRIPE, paystack_secret_key="sk_test_hunter2")

    assert "hunter2" not in repr(settings)


def test_currencies_and_secrets_are_lists() -> None:
    settings = Settings.read(
        stripe_secret_key="rk_live_x",
        stripe_webhook_secrets="whsec_1, whsec_2",
        paystack_currencies="kes usd",
    )

    assert len(settings.stripe_webhook_secrets) == 2
    assert settings.stripe_currencies == (Currency.USD,)
    assert settings.paystack_currencies == (Currency.KES, Currency.USD)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"stripe_secret_key": "hunter2"}, "STRIPE_SECRET_KEY: a secret key begins with"),
        ({"stripe_secret_key": "pk_live_hunter2"}, "STRIPE_SECRET_KEY: a secret key begins"),
        ({"paystack_secret_key": "pk_test_hunter2"}, "PAYSTACK_SECRET_KEY: a secret key begins"),
        ({"stripe_secret_key": "sk_test_hunter2"}, "needs STRIPE_WEBHOOK_SECRETS"),
        ({"stripe_currencies": "EUR"}, "STRIPE_CURRENCIES"),
        ({"stripe_url": "http://stripe.test"}, "STRIPE_URL: write https://"),
        ({"paystack_url": "ftp://paystack.test"}, "PAYSTACK_URL: write https://"),
    ],
)
def test_what_cannot_be_is_refused_without_telling_it(given: dict[str, str], told: str) -> None:
    with pytest.raises(UnsafeSettings, match=told) as refusal:
        Settings.read(**given)

    assert "hunter2" not in str(refusal.value)


def test_buyers_are_not_sent_back_to_an_address_nobody_reaches() -> None:
    with pytest.raises(UnsafeSettings, match="APP_URL"):
        check_sales(Settings.read(**STRIPE, host="0.0.0.0"))  # noqa: S104 - the case

    here = Settings.read(**STRIPE)
    there = Settings.read(**STRIPE, host="0.0.0.0", app_url="https://app.test")  # noqa: S104
    assert len(check_sales(here)) == len(check_sales(there)) == 3


def test_a_list_of_packs_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsFileError, match=r"nowhere\.toml"):
        check_sales(Settings.read(packs_file="nowhere.toml"))
