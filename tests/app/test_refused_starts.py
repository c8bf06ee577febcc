"""What must not be started is refused before anything is, by a message that names the setting."""

import re
from pathlib import Path

import pytest

from app.issuers import issuers_of
from app.safety import demo_mode_of
from app.settings import Settings, UnsafeSettings

SECRET = "a secret of these tests, long enough to be one"

REFUSED: dict[str, tuple[str, dict[str, object]]] = {
    "a short secret": ("TALLYSTICK_SECRET", {"tallystick_secret": "short"}),
    "a secret that repeats itself": ("TALLYSTICK_SECRET", {"tallystick_secret": "ab" * 40}),
    "another database": ("DATABASE_URL", {"database_url": "mysql://me@here/books"}),
    "every origin": ("ALLOWED_ORIGINS", {"allowed_origins": "*"}),
    "every subdomain": ("ALLOWED_ORIGINS", {"allowed_origins": "https://*.example.test"}),
    "one wildcard of several": ("ALLOWED_ORIGINS", {"allowed_origins": "https://a.test, *"}),
    "the null origin": ("ALLOWED_ORIGINS", {"allowed_origins": "null"}),
    "an origin of plain http": ("ALLOWED_ORIGINS", {"allowed_origins": "http://app.test"}),
    "an origin with a path": ("ALLOWED_ORIGINS", {"allowed_origins": "https://app.test/x"}),
    "an app of plain http": ("APP_URL", {"app_url": "http://app.test"}),
    "a project of plain http": ("SUPABASE_URL", {"supabase_url": "http://project.test"}),
    "a project with a path": ("SUPABASE_URL", {"supabase_url": "https://project.test/auth/v1"}),
    "a project's secret alone": ("SUPABASE_URL", {"supabase_jwt_secret": SECRET}),
    "a project's short secret": (
        "SUPABASE_JWT_SECRET",
        {"supabase_url": "https://project.test", "supabase_jwt_secret": "short"},
    ),
    "keys over plain http": ("GOOGLE_KEYS_URL", {"google_keys_url": "http://keys.test"}),
    "keys of a file": ("GOOGLE_KEYS_URL", {"google_keys_url": "file:///etc/passwd"}),
    "a proxy by name": ("TRUSTED_PROXIES", {"trusted_proxies": "balancer, 10.0.0.1"}),
    "a network that is an address": ("TRUSTED_PROXIES", {"trusted_proxies": "10.0.0.1/8"}),
    "a token of metrics that is soon guessed": ("METRICS_TOKEN", {"metrics_token": "short"}),
    "no limit of points": ("POINTS_PER_MINUTE", {"points_per_minute": 0}),
    "no limit of questions": ("ASKS_PER_MINUTE", {"asks_per_minute": 0}),
    "no limit of tries": ("TRIES_PER_MINUTE", {"tries_per_minute": 0}),
}
SURPRISING: dict[str, dict[str, object]] = {
    "demo mode for others, which nobody asked for": {"host": "0.0.0.0"},  # noqa: S104
    "demo mode on a name of others": {"host": "tallystick.test"},
    "strangers who spend a provider's money": {"demo_mode": True, "ai_api_key": "a key"},
    "nobody who answers": {"demo_mode": False},
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(("named", "given"), REFUSED.values(), ids=REFUSED)
def test_a_setting_that_is_unsafe_is_refused_and_never_quoted(
    named: str, given: dict[str, object]
) -> None:
    with pytest.raises(UnsafeSettings, match=named) as refused:
        Settings.read(**given)

    secrets = [given.get("tallystick_secret"), given.get("supabase_jwt_secret")]
    assert not any(secret and f"{secret}" in str(refused.value) for secret in secrets)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"supabase_url": "project"}, "SUPABASE_URL: write an origin, such as https://"),
        ({"app_url": "app.test"}, "APP_URL: write an origin, such as https://"),
        ({"sign_in_methods": "PASSWORD, FAX"}, "SIGN_IN_METHODS: Input should be 'PASSWORD'"),
        ({"smtp_url": "smtp://localhost"}, "SMTP_URL needs MAIL_FROM"),
        (
            {
                "litellm_url": "http://10.0.0.1",
                "litellm_master_key": "sk-x",
                "litellm_usd_per_credit": "1",
            },
            "LITELLM_URL: plain http would send what is secret in the clear",
        ),
    ],
)
def test_the_message_begins_with_what_to_change_and_fits_it(
    given: dict[str, object], told: str
) -> None:
    with pytest.raises(UnsafeSettings) as refused:
        Settings.read(**given)

    assert str(refused.value).startswith(told)


def test_no_check_of_a_setting_stands_in_the_way_of_another() -> None:
    """Of two checks of one name, in a class and in its base, only one is made."""
    modules = (Path(__file__).parents[2] / "app").glob("*settings.py")
    check = re.compile(r"@(?:field|model)_validator\(.*\n(?: +@classmethod\n)? +def (\w+)")
    names = [name for module in modules for name in check.findall(module.read_text("utf-8"))]

    assert len(names) > 8
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("given", SURPRISING.values(), ids=SURPRISING)
def test_a_trial_that_would_surprise_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UnsafeSettings):
        demo_mode_of(Settings.read(**given), is_trial=True)


def test_what_is_safe_starts() -> None:
    settings = Settings.read(
        tallystick_secret=SECRET,
        allowed_origins="https://app.test, http://localhost:5173",
        supabase_url="https://project.test",
        supabase_jwt_secret=SECRET,
        ai_api_key="a key",
    )

    assert demo_mode_of(settings, is_trial=False) is False
    assert list(issuers_of(settings)) == ["https://project.test/auth/v1"]
    assert SECRET not in repr(settings)
