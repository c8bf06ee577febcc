"""Keys are fetched seldom, from where the operator said alone, and outlive a bad hour."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from adapters.identity.key_sets import BYTES_MAX, KeySet, NoKeySet, fetched, url_fault
from domain.errors import Unavailable
from tests.issuer import key_server

FIRST = json.dumps({"keys": [{"kid": "first", "kty": "RSA"}]}).encode()
SECOND = json.dumps({"keys": [{"kid": "second", "kty": "RSA"}]}).encode()


@dataclass(slots=True)
class Issuer:
    """Answers with a key set, or not, at a time of the test's own."""

    body: bytes = FIRST
    is_away: bool = False
    time: float = 1_000.0
    asked: int = 0
    told: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> bytes:
        assert url == "https://id.test/keys"
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise NoKeySet("status 500")
        return self.body

    def keys(self) -> KeySet:
        return KeySet(
            url="https://id.test/keys",
            fetch=self.fetch,
            clock=lambda: self.time,
            failed=self.told.append,
        )


async def test_keys_are_fetched_once_and_again_after_ten_minutes() -> None:
    issuer = Issuer()
    keys = issuer.keys()

    found = await asyncio.gather(*(keys.find("first") for _ in range(50)))
    issuer.time += 599
    await keys.find("first")
    assert issuer.asked == 1
    assert {key["kid"] for key in found if key is not None} == {"first"}

    issuer.time += 1
    await keys.find("first")
    assert issuer.asked == 2


async def test_a_thousand_unknown_keys_cause_one_fetch_at_most() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await keys.find("first")
    issuer.time += 61

    found = [await keys.find(f"unknown {number}") for number in range(1_000)]

    assert found == [None] * 1_000
    assert issuer.asked == 2


async def test_a_new_key_is_found_a_minute_later_and_an_old_one_is_gone() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await keys.find("first")
    issuer.body = SECOND

    too_early = await keys.find("second")
    issuer.time += 60
    found, gone = await keys.find("second"), await keys.find("first")

    assert (too_early, gone) == (None, None)
    assert found is not None


async def test_keys_are_believed_for_an_hour_while_their_issuer_does_not_answer() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    await keys.find("first")
    issuer.is_away = True

    for _ in range(5):
        issuer.time += 700
        assert await keys.find("first") is not None
    issuer.time += 200

    with pytest.raises(Unavailable):
        await keys.find("first")
    assert issuer.told == ["status 500"] * 6


async def test_an_issuer_that_never_answered_is_asked_again_now_and_then() -> None:
    issuer = Issuer(is_away=True)
    keys = issuer.keys()
    for _ in range(10):
        with pytest.raises(Unavailable):
            await keys.find("first")
    assert issuer.asked == 1

    issuer.is_away = False
    issuer.time += 5

    assert await keys.find("first") is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"keys": {}}', b"{}", b"\xff", b"[" * 100_000],
)
async def test_what_is_no_key_set_is_none(body: bytes) -> None:
    issuer = Issuer(body=body)

    with pytest.raises(Unavailable):
        await issuer.keys().find("first")


async def test_only_named_keys_for_signing_count() -> None:
    kept = {"keys": [{"kid": 1}, {}, "x", None, {"kid": "e", "use": "enc"}, {"kid": "s"}]}
    keys = Issuer(body=json.dumps(kept).encode()).keys()

    assert await keys.find("e") is None
    assert await keys.find("s") == {"kid": "s"}


async def test_a_key_set_comes_over_http() -> None:
    with key_server() as server:
        found = await KeySet(url=f"{server.url}/keys").find("rsa")

    assert found is not None
    assert server.asked == ["/keys"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    with key_server() as other, key_server() as server:
        server.status, server.location = status, f"{other.url}/keys"
        with pytest.raises(NoKeySet):
            await fetched(f"{server.url}/keys")

    assert other.asked == []


async def test_what_is_too_large_or_away_is_no_key_set() -> None:
    with key_server() as server:
        server.body = b" " * (BYTES_MAX + 1)
        with pytest.raises(NoKeySet):
            await fetched(server.url)

    with pytest.raises(NoKeySet):
        await fetched(server.url)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://id.test/keys", True),
        ("http://127.0.0.1:9/keys", True),
        ("http://localhost/keys", True),
        ("http://id.test/keys", False),
        ("http://localhost.id.test/keys", False),
        ("ftp://id.test/keys", False),
        ("https://me:secret@id.test/keys", False),
        ("file:///etc/passwd", False),
        ("keys", False),
        ("", False),
    ],
)
def test_keys_come_over_tls_or_from_this_machine(url: str, *, may: bool) -> None:
    assert (url_fault(url) is None) is may
