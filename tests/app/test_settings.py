"""Settings come from the environment, and the command line counts more."""

from pathlib import Path

import pytest

from app.safety import demo_mode_of
from app.settings import Settings, UnsafeSettings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = Settings.read()

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.sign_up_credits == 1_000_000_000
    assert settings.models_file.name == "models.toml"


def test_an_option_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("HOST", "")

    assert (Settings.read().port, Settings.read(port=9001).port) == (9000, 9001)
    assert Settings.read().host == "127.0.0.1"


def test_lists_are_words_and_amounts_are_exact() -> None:
    settings = Settings.read(trusted_proxies="10.0.0.1, 10.0.0.2", sign_up_credits="0.000001")

    assert settings.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.sign_up_credits == 1


def test_settings_may_be_files_of_a_folder_and_the_environment_counts_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "TALLYSTICK_SECRET").write_text("a secret out of a file, long enough to be one\n")
    (tmp_path / "ai_api_key").write_text("of the file")
    (tmp_path / "postgres_password").write_text("of others")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("AI_API_KEY", "of the environment")

    settings = Settings.read()

    assert settings.tallystick_secret is not None
    assert settings.ai_api_key is not None
    assert settings.tallystick_secret.get_secret_value().endswith("long enough to be one")
    assert settings.ai_api_key.get_secret_value() == "of the environment"


def test_a_folder_of_secrets_that_is_not_there_is_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "nothing"))

    assert Settings.read().tallystick_secret is None


def test_a_secret_that_is_no_text_or_cannot_be_read_is_told_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ai_api_key").write_bytes(b"hunter2\xff")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    with pytest.raises(UnsafeSettings, match=r"SECRETS_DIR: .* is not text") as refused:
        Settings.read()

    assert "hunter2" not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    settings = Settings.read(
        tallystick_secret="hunter2 hunter2 hunter2 and much more",
        database_url="postgresql://me:hunter2@here/books",
        ai_api_key="hunter2",
    )

    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "is_trial", "is_on"),
    [
        ({}, True, True),
        ({"host": "::1"}, True, True),
        ({"host": "localhost"}, True, True),
        ({"host": "0.0.0.0", "demo_mode": True}, True, True),  # noqa: S104 - the case
        ({"demo_mode": True}, False, True),
        ({"ai_api_key": "a-key"}, True, False),
        ({"ai_api_key": "a-key"}, False, False),
        ({"ai_api_key": "a-key", "demo_mode": False}, True, False),
    ],
)
def test_demo_mode_is_on_where_it_is_harmless_or_asked_for(
    given: dict[str, object], *, is_trial: bool, is_on: bool
) -> None:
    assert demo_mode_of(Settings.read(**given), is_trial=is_trial) is is_on


@pytest.mark.parametrize(
    ("given", "is_trial"),
    [
        ({"host": "0.0.0.0"}, True),  # noqa: S104 - the case
        ({"host": "tallystick.test"}, True),
        ({}, False),
        ({"demo_mode": False}, True),
        ({"demo_mode": True, "ai_api_key": "a-key"}, True),
        ({"demo_mode": True, "ai_base_url": "https://ai.test/v1"}, False),
    ],
)
def test_a_start_that_would_surprise_is_refused(
    given: dict[str, object], *, is_trial: bool
) -> None:
    with pytest.raises(UnsafeSettings):
        demo_mode_of(Settings.read(**given), is_trial=is_trial)
