"""The operator's settings of providers."""

from pathlib import Path

import pytest

from adapters.models.routes import Route, base_url_fault, read_routes, route_from_settings
from adapters.settings_file import SettingsFileError

TWO_ROUTES = """
[[routes]]
name = "deepseek"
base_url = "https://api.deepseek.com/v1"
api_key_env = "DEEPSEEK_API_KEY"
models = ["deepseek-chat"]

[[routes]]
name = "inside"
base_url = "http://litellm:4000/v1"
models = { "deepseek-chat" = "deepseek/deepseek-chat" }
answer_limit_field = "max_completion_tokens"
private_network = true
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(text)
    return path


def test_routes_are_read_in_their_order_with_keys_from_the_environment(tmp_path: Path) -> None:
    routes = read_routes(written(tmp_path, TWO_ROUTES), {"DEEPSEEK_API_KEY": " sk-deep\n"})

    assert routes == (
        Route(
            name="deepseek",
            base_url="https://api.deepseek.com/v1",
            api_key="sk-deep",
            models={"deepseek-chat": "deepseek-chat"},
        ),
        Route(
            name="inside",
            base_url="http://litellm:4000/v1",
            api_key="",
            models={"deepseek-chat": "deepseek/deepseek-chat"},
            answer_limit_field="max_completion_tokens",
        ),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"write one or more tables \[\[routes\]\]"),
        ("routes = 7", r"write one or more tables \[\[routes\]\]"),
        ("[[routes]]\nnam = 'a'", "there is no setting nam. Known are name, base_url"),
        ("[[routes]]\nname = 'a'", "number 1: base_url is missing"),
        ("[[routes]]\nname = ''\nbase_url = 'https://a.test'", "name has to be text"),
        ("[[routes]]\nname = 'a'\nbase_url = 'http://a.test'", "base_url: plain http would send"),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\napi_key_env = 'A_KEY'",
            "the variable A_KEY, which api_key_env names, is not set",
        ),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\nmodels = 'gpt'",
            "models has to be a list of texts",
        ),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\nmodels = {gpt = 4}",
            "models: gpt has to be text",
        ),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\nanswer_limit_field = 'n'",
            "answer_limit_field has to be max_tokens or max_completion_tokens",
        ),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\nprivate_network = 'yes'",
            "private_network has to be true or false",
        ),
        (
            "[[routes]]\nname = 'a'\nbase_url = 'https://a.test'\n" * 2,
            "two routes have the same name",
        ),
        ("[[routes]", "is not TOML"),
        ("key = 1\n[[routes]]\nname = 'a'", "there is no setting key"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsFileError, match=complaint) as refusal:
        read_routes(path, {})

    assert str(refusal.value).startswith(str(path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match="cannot be read: No such file"):
        read_routes(tmp_path / "nowhere.toml", {})


def test_with_only_a_key_the_provider_is_deepseek() -> None:
    route = route_from_settings(base_url=None, api_key="sk-deep")

    assert route.base_url == "https://api.deepseek.com/v1"
    assert route.name_here("deepseek-chat") == "deepseek-chat"
    assert not route.serves("gpt-4o-mini")


def test_a_base_url_of_ones_own_has_every_model() -> None:
    route = route_from_settings(base_url="https://llm.example.com/v1", api_key="sk-own")

    assert route.name_here("gpt-4o-mini") == "gpt-4o-mini"


@pytest.mark.parametrize("api_key", ["sk deep", "sk-deep\n", "sk-dé", "Bearer sk-deep"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(api_key: str) -> None:
    with pytest.raises(SettingsFileError, match="AI_API_KEY: this is no key") as refusal:
        route_from_settings(base_url=None, api_key=api_key)

    assert api_key not in str(refusal.value)


def test_a_base_url_that_must_not_be_used_is_refused() -> None:
    with pytest.raises(SettingsFileError, match="AI_BASE_URL: plain http"):
        route_from_settings(base_url="http://llm.example.com/v1", api_key="sk-own")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.deepseek.com",
        "https://api.deepseek.com/v1/",
        "https://8.8.8.8/v1",
        "http://localhost:8080/v1",
        "http://127.0.0.1:8080/v1",
        "http://[::1]:8080/v1",
    ],
)
def test_https_and_this_machine_may_be_reached(url: str) -> None:
    assert base_url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.deepseek.com",
        "ftp://api.deepseek.com",
        "https://",
        "https://[::1",
        "https://a.test/v1?key=1",
        "https://a.test/v1#x",
        "https://user:secret@a.test/v1",
        "http://a.test/v1",
        "http://10.0.0.1/v1",
        "https://10.0.0.1/v1",
        "https://192.168.1.1/v1",
        "https://169.254.169.254/latest",
        "https://[fd00::1]/v1",
        "https://0.0.0.0/v1",
    ],
)
def test_what_could_leak_or_reach_inside_is_refused(url: str) -> None:
    assert base_url_fault(url) is not None


@pytest.mark.parametrize("url", ["http://litellm:4000/v1", "http://10.0.0.1/v1"])
def test_a_private_network_is_reached_when_the_operator_says_so(url: str) -> None:
    assert base_url_fault(url, private_network=True) is None


def test_a_key_in_a_url_is_not_repeated_in_the_complaint() -> None:
    fault = base_url_fault("https://user:secret@a.test/v1")

    assert fault is not None
    assert "secret" not in fault


def test_a_route_does_not_show_its_key() -> None:
    assert "sk-deep" not in repr(route_from_settings(base_url=None, api_key="sk-deep"))
