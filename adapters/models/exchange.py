"""One request to a provider and its response, as bytes: over the network, or to an app of ours.

The openai SDK costs some 0.7 ms a call and 70 us a chunk (benchmarks/gateway.py), most of it for
turning what is only passed on into objects and back. What is passed on goes through here instead.
"""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, Self

import aiohttp
import httpx2
from starlette.types import ASGIApp

from adapters.models.in_process import InProcess
from adapters.models.routes import Route

_CONNECT_TIMEOUT_SECONDS: Final = 5.0
_READ_BYTES: Final = 256 * 1024
_AT_ONCE_BYTES: Final = 512 * 1024
"""A larger body is sent in pieces, so that it does not keep other calls waiting."""

# Reading waits for the deadline of the call, which covers every try together.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_SECONDS)


class BrokenOff(Exception):
    """The connection ended in the middle of a response."""


class Response(Protocol):
    """A response whose head has arrived."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in any case."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises BrokenOff."""
        ...


class Exchange(Protocol):
    """A way to one route."""

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Response]:
        """Send a body under the route's base URL; leaving early ends the provider's work."""
        ...

    async def aclose(self) -> None: ...


def _headers(route: Route) -> dict[str, str]:
    """A key is sent where there is one; nothing is unpacked that could be huge when it is."""
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if route.api_key:
        headers["authorization"] = f"Bearer {route.api_key}"
    return headers


@dataclass(slots=True)
class _NetworkResponse:
    response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    async def pieces(self) -> AsyncGenerator[bytes]:
        content = self.response.content
        try:
            while piece := await content.readany():
                yield piece
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as error:
            raise BrokenOff from error


@dataclass(slots=True)
class NetworkExchange:
    """Reaches a route over the network. Redirects are not followed."""

    route: Route
    _session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[Response]:
        async with self._open().post(
            self.route.url_of(path),
            data=body if len(body) <= _AT_ONCE_BYTES else io.BytesIO(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            yield _NetworkResponse(response)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """The session, made when it is first needed: it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # How many calls there may be is decided where they are admitted.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                headers=_headers(self.route),
                timeout=_TIMEOUT,
                read_bufsize=_READ_BYTES,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                # The environment may name a proxy, which is no way to a server on this machine.
                trust_env=not self.route.is_on_this_machine,
            )
        return self._session


@dataclass(slots=True)
class _AppResponse:
    response: httpx2.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            async for piece in self.response.aiter_raw():
                yield piece
        except httpx2.HTTPError as error:
            raise BrokenOff from error


@dataclass(frozen=True, slots=True)
class AppExchange:
    """Reaches an application in this process by the same wire, without a socket."""

    route: Route
    client: httpx2.AsyncClient

    @classmethod
    def of(cls, route: Route, app: ASGIApp) -> Self:
        return cls(route, httpx2.AsyncClient(transport=InProcess(app), timeout=None))

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[Response]:
        async with self.client.stream(
            "POST",
            self.route.url_of(path),
            content=body,
            headers={**_headers(self.route), **headers},
        ) as response:
            yield _AppResponse(response)

    async def aclose(self) -> None:
        await self.client.aclose()
