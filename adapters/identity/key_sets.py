"""The public keys of an issuer (a JWKS), fetched when they are needed and kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import httpx2
import orjson

from domain.errors import Unavailable

KEPT_SECONDS: Final = 600.0
"""How long keys are believed without asking again."""
KEPT_WITHOUT_ANSWER_SECONDS: Final = 3_600.0
"""How long they still are while their issuer does not answer."""
UNKNOWN_KEY_SECONDS: Final = 60.0
"""How seldom an unknown key makes us ask again, however many of them are named."""
RETRY_SECONDS: Final = 5.0
FETCH_SECONDS_MAX: Final = 3.0
BYTES_MAX: Final = 256 * 1024
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})

JWK = Mapping[str, object]
Fetch = Callable[[str], Awaitable[bytes]]


class NoKeySet(Exception):
    """What was fetched is no key set; says why, for the operator's log."""


def url_fault(url: str) -> str | None:
    """Why keys must not be fetched from there; None when they may."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        return "write the address of a key set, such as https://id.example.com/keys.json."
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS):
        return None
    return "keys that come over plain http can be anybody's: use https."


async def fetched(url: str) -> bytes:
    """The body at an address, or NoKeySet. Redirects are not followed: they lead anywhere."""
    limits = httpx2.Timeout(FETCH_SECONDS_MAX)
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS_MAX),
            httpx2.AsyncClient(timeout=limits, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise NoKeySet(f"status {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > BYTES_MAX:
                    raise NoKeySet(f"more than {BYTES_MAX} bytes")
    except TimeoutError:
        raise NoKeySet(f"no answer within {FETCH_SECONDS_MAX:g} s") from None
    except httpx2.HTTPError as error:
        raise NoKeySet(type(error).__name__) from error
    return bytes(body)


@dataclass(slots=True, kw_only=True)
class KeySet:
    """The keys of one issuer, by their ids."""

    url: str
    fetch: Fetch = fetched
    clock: Callable[[], float] = monotonic
    failed: Callable[[str], None] = lambda _: None
    """Told why keys could not be had."""
    _keys: dict[str, JWK] = field(default_factory=dict)
    _fetched_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, kid: str) -> JWK | None:
        """The key of an id, or None when the issuer has none. Raises Unavailable without keys."""
        # Whoever names a key that we have does not wait while somebody else asks again.
        if self._must_ask(kid) and not (self._fetching.locked() and kid in self._keys):
            async with self._fetching:
                if self._must_ask(kid):
                    await self._refresh()
        if self.clock() >= self._fetched_at + KEPT_WITHOUT_ANSWER_SECONDS:
            raise Unavailable("The keys of the token's issuer are out of reach. Try again shortly.")
        return self._keys.get(kid)

    def _must_ask(self, kid: str) -> bool:
        now = self.clock()
        if now < self._tried_at + RETRY_SECONDS:
            return False
        if now >= self._fetched_at + KEPT_SECONDS:
            return True
        return kid not in self._keys and now >= self._tried_at + UNKNOWN_KEY_SECONDS

    async def _refresh(self) -> None:
        try:
            self._keys = _keys(await self.fetch(self.url))
        except NoKeySet as error:
            self.failed(str(error))
        else:
            self._fetched_at = self.clock()
        finally:
            self._tried_at = self.clock()


def _keys(body: bytes) -> dict[str, JWK]:
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoKeySet("no JSON") from error
    match document:
        case {"keys": [*keys]}:
            pass
        case _:
            raise NoKeySet("no `keys`")
    named: dict[str, JWK] = {}
    for key in keys:
        match key:
            case {"kid": str() as kid} if key.get("use", "sig") == "sig":
                named[kid] = key
            case _:
                pass
    return named
