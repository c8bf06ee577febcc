"""Who answers is what the settings say, and the operator is told who that is."""

from pathlib import Path

import pytest

from adapters.settings_file import SettingsFileError
from app.providers import answering
from app.settings import Settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


ROUTES = """
[[routes]]
name = "one"
base_url = "https://one.test/v1"
models = ["deepseek-chat"]

[[routes]]
name = "other"
base_url = "https://other.test/v1"
"""


def test_without_a_provider_answers_are_simulated_and_said_to_be() -> None:
    with answering(Settings.read()) as answers:
        assert answers.told.startswith("simulated")
        assert answers.provider.serves("any-model")


def test_a_key_alone_means_deepseek() -> None:
    with answering(Settings.read(ai_api_key="a-key")) as answers:
        assert answers.told == "deepseek at https://api.deepseek.com/v1"
        assert answers.provider.serves("deepseek-chat")
        assert not answers.provider.serves("gpt-4o-mini")


def test_a_base_url_alone_is_a_provider_without_a_key() -> None:
    with answering(Settings.read(ai_base_url="http://localhost:11434/v1")) as answers:
        assert answers.told == "default at http://localhost:11434/v1"


def test_a_file_names_several_in_its_order(tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES)

    with answering(Settings.read(ai_routes_file=routes)) as answers:
        assert answers.told == "one at https://one.test/v1, other at https://other.test/v1"


def test_prompts_are_not_sent_in_the_clear_unless_the_network_is_private() -> None:
    inside = "http://10.0.0.7/v1"

    with pytest.raises(SettingsFileError, match="plain http"):
        answering(Settings.read(ai_base_url=inside)).__enter__()
    with answering(Settings.read(ai_base_url=inside, ai_private_network=True)) as answers:
        assert answers.told == f"default at {inside}"
