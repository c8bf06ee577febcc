"""A LiteLLM proxy that shows credits as budgets, as the environment says it."""

from decimal import Decimal

import pytest

from app.settings import Settings, UnsafeSettings

PROXY = {
    "litellm_url": "https://litellm.test",
    "litellm_master_key": "sk-hunter2",
    "litellm_usd_per_credit": "0.001",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_nothing_is_mirrored_unless_a_proxy_is_named() -> None:
    settings = Settings.read()

    assert settings.litellm_url is None


def test_a_proxy_is_read_and_its_key_not_shown() -> None:
    settings = Settings.read(**PROXY)

    assert settings.litellm_usd_per_credit == Decimal("0.001")
    assert "hunter2" not in repr(settings)


def test_a_private_proxy_is_allowed_where_it_is_meant() -> None:
    private = {**PROXY, "litellm_url": "http://litellm:4000"}

    settings = Settings.read(**private, litellm_private_network="true")

    assert settings.litellm_url == "http://litellm:4000"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"litellm_url": ""}, "set all three, or none"),
        ({"litellm_master_key": ""}, "set all three, or none"),
        ({"litellm_usd_per_credit": ""}, "set all three, or none"),
        ({"litellm_usd_per_credit": "0"}, "LITELLM_USD_PER_CREDIT"),
        ({"litellm_usd_per_credit": "NaN"}, "LITELLM_USD_PER_CREDIT"),
        ({"litellm_url": "http://litellm.test"}, "LITELLM_URL: plain http"),
        ({"litellm_url": "https://10.0.0.1"}, "LITELLM_URL: 10.0.0.1 is a private address"),
        ({"litellm_url": "https://me:hunter2@litellm.test"}, "LITELLM_URL: the URL carries"),
        ({"litellm_master_key": "sk hunter2"}, "LITELLM_MASTER_KEY: this is no key"),
        ({"litellm_every_seconds": "0"}, "LITELLM_EVERY_SECONDS"),
    ],
)
def test_what_cannot_be_is_refused_without_telling_it(changed: dict[str, str], told: str) -> None:
    given = {name: value for name, value in (PROXY | changed).items() if value}

    with pytest.raises(UnsafeSettings, match=told) as refusal:
        Settings.read(**given)

    assert "hunter2" not in str(refusal.value)
