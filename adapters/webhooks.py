"""Sends messages to endpoints as Standard Webhooks says: signed, bounded, and nowhere else.

Where a name leads is looked at when it is connected to, so an endpoint reaches no address of the
operator's own network that it was not allowed, whatever its DNS says. Redirects are not followed.
"""

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from socket import AddressFamily
from time import monotonic
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from standardwebhooks import Webhook

from adapters.addresses import is_private, is_this_machine
from domain.outside import Clock
from domain.telling import Endpoint, Message, Reply

CONNECT_SECONDS: Final = 5.0
REPLY_BYTES_MAX: Final = 1_024
"""Of a reply's body; nobody needs more of it."""

_CONNECTIONS_MAX: Final = 100


class PrivateAddress(OSError):
    """A name leads into a private network."""


class PublicResolver(AbstractResolver):
    """Finds public addresses only."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if not is_private(each["host"])]
        if not public:
            raise PrivateAddress
        return public

    async def close(self) -> None:
        await self._resolver.close()


_FAULTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (PrivateAddress, "its name leads into a private network, which is not allowed"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorDNSError, "its name is not known"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not to be trusted"),
    (aiohttp.ClientConnectorSSLError, "no secure connection"),
    (aiohttp.ClientConnectorError, "no connection"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSender:
    """Carries messages over HTTP, as `domain.telling.Sender` promises."""

    public: aiohttp.ClientSession = field(repr=False)
    private: aiohttp.ClientSession = field(repr=False)
    """For endpoints of this machine, and of a network that the operator said is their own."""
    clock: Clock

    @classmethod
    def connecting(
        cls,
        *,
        clock: Clock,
        seconds_max: float,
        resolver: AbstractResolver | None = None,
    ) -> Self:
        """Connections are made when they are needed; close them with `aclose`."""
        guarded = PublicResolver(resolver or DefaultResolver())
        return cls(
            public=_session(seconds_max, guarded),
            private=_session(seconds_max, resolver),
            clock=clock,
        )

    async def aclose(self) -> None:
        await self.public.close()
        await self.private.close()

    async def send(self, endpoint: Endpoint, message: Message) -> Reply:
        began = monotonic()
        try:
            reply = await self._post(endpoint, message)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reply = Reply(fault=_fault_of(error))
        return Reply(
            status=reply.status,
            fault=reply.fault,
            retry_after=reply.retry_after,
            took_ms=round((monotonic() - began) * 1_000),
        )

    async def _post(self, endpoint: Endpoint, message: Message) -> Reply:
        host = urlsplit(endpoint.url).hostname or ""
        is_trusted = endpoint.private_network or is_this_machine(host)
        if is_private(host) and not is_trusted:
            raise PrivateAddress
        session = self.private if is_trusted else self.public
        async with session.post(
            endpoint.url,
            data=message.body,
            headers=self._headers(endpoint, message),
            allow_redirects=False,
        ) as response:
            await response.content.read(REPLY_BYTES_MAX)
            return Reply(
                status=response.status,
                retry_after=self._retry_after(response.headers.get("retry-after", "")),
            )

    def _headers(self, endpoint: Endpoint, message: Message) -> dict[str, str]:
        now = self.clock.now().astimezone(UTC)
        text = message.body.decode()
        signatures = (Webhook(secret).sign(message.id, now, text) for secret in endpoint.secrets)
        return {
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "Tallystick-Webhooks/1",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _retry_after(self, written: str) -> timedelta | None:
        """Seconds, or a date; None when it is neither."""
        if written.isascii() and written.isdecimal() and len(written) < 10:  # noqa: PLR2004 - digits
            return timedelta(seconds=int(written))
        try:
            then = parsedate_to_datetime(written)
        except ValueError:
            return None
        return max(timedelta(0), then.astimezone(UTC) - self.clock.now())


def _fault_of(error: Exception) -> str:
    """Why there was no answer, without addresses: they may carry secrets."""
    if isinstance(error, aiohttp.ClientConnectorDNSError) and isinstance(
        error.os_error, PrivateAddress
    ):
        error = error.os_error
    for kind, told in _FAULTS:
        if isinstance(error, kind):
            return told
    return f"the connection broke: {type(error).__name__}"


def _session(seconds_max: float, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=_CONNECTIONS_MAX, limit_per_host=0, resolver=resolver, use_dns_cache=False
        ),
        timeout=aiohttp.ClientTimeout(total=seconds_max, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
