"""A file of issuers says for each of them one source of keys, or is refused."""

from pathlib import Path

import pytest

from adapters.identity.issuers import WrittenIssuer, read_issuers
from adapters.settings_file import SettingsFileError

WHOLE = """
[[issuers]]
issuer = "https://login.example.com/"
audience = "https://api.example.com"
keys_url = "https://login.example.com/keys.json"
algorithms = ["ES256"]
type = "JWT"
confirmed_emails = "always"
session_claim = "session"

[[issuers]]
issuer = "our-backend"
audience = "tallystick"
secret_env = "OUR_BACKEND_SECRET"
"""
START = '[[issuers]]\nissuer = "a"\naudience = "b"\n'
KEYS = 'keys_url = "https://a.test/keys"\n'
SECRETS = {"OUR_BACKEND_SECRET": "a secret of thirty-two bytes and more", "SHORT": "short"}


def read(text: str, tmp_path: Path) -> tuple[WrittenIssuer, ...]:
    path = tmp_path / "issuers.toml"
    path.write_text(text, encoding="utf-8")
    return read_issuers(path, SECRETS)


def test_issuers_are_read_with_their_one_source_of_keys(tmp_path: Path) -> None:
    login, backend = read(WHOLE, tmp_path)

    assert login == WrittenIssuer(
        issuer="https://login.example.com/",
        audience="https://api.example.com",
        keys_url="https://login.example.com/keys.json",
        algorithms=("ES256",),
        type="jwt",
        confirmed_emails="always",
        session_claim="session",
    )
    assert (backend.secret, backend.keys_url) == (SECRETS["OUR_BACKEND_SECRET"], None)
    assert (backend.algorithms, backend.type) == (("HS256",), "at+jwt")
    assert SECRETS["OUR_BACKEND_SECRET"] not in repr(backend)


@pytest.mark.parametrize(
    "text",
    [
        "",
        START,
        START + KEYS + 'secret_env = "OUR_BACKEND_SECRET"\n',
        START + 'secret_env = "SHORT"\n',
        START + 'secret_env = "MISSING"\n',
        START + 'keys_url = "http://a.test/keys"\n',
        START + KEYS + 'algorithms = ["HS256"]\n',
        START + KEYS + 'algorithms = ["none"]\n',
        START + KEYS + 'type = "id+jwt"\n',
        START + KEYS + 'confirmed_emails = "perhaps"\n',
        START + KEYS + 'keys = "a typing error"\n',
        START + KEYS + START + KEYS,
        START.replace('"a"', '"tallystick"') + KEYS,
    ],
)
def test_what_is_unclear_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match=r"issuers\.toml"):
        read(text, tmp_path)
