"""Which web pages may call from a browser: those of this server, and those the operator names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_PREFLIGHT_SECONDS: Final = 600
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST",
    "access-control-max-age": str(_PREFLIGHT_SECONDS),
}
_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9, -]{0,1024}")
_EXPOSED: Final = (
    "retry-after, www-authenticate, x-request-id, x-should-retry, x-tallystick-answer-id, "
    "x-tallystick-balance, x-tallystick-charged, x-tallystick-replayed"
)
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may call, exactly as browsers write them."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, written: Iterable[str]) -> "Origins":
        return cls(frozenset(map(origin_written, written)))

    def allows(self, origin: str, *, scheme: str, host: str) -> bool:
        """Whether a page of this origin may call a server that was reached at this host.

        Behind a proxy that ends TLS we may not know that we were reached by https.
        """
        if origin in self.allowed:
            return True
        return bool(host) and origin in {f"https://{host}", f"{scheme}://{host}"}


def origin_written(text: str) -> str:
    """An origin in the words of browsers. Raises ValueError for anything that is not just one."""
    parts = urlsplit(text)
    if "*" in text:
        raise ValueError("name each origin in full: any page could call with a wildcard.")
    if parts.scheme not in _PORTS or parts.hostname is None or text != text.strip():
        raise ValueError("write an origin, such as https://app.example.com.")
    if parts.path not in {"", "/"}:
        raise ValueError("write origins as https://app.example.com, without a path.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("write origins as https://app.example.com, with nothing else.")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise ValueError("a page of plain http can be changed on its way: name one of https.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    usual = port is None or port == _PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"


class GuardedOrigins:
    """Lets browsers call from the allowed origins, and opens no WebSocket to another page.

    A page of another origin can still make a browser send a request, but cannot read the answer;
    and since nothing but a bearer token counts, such a request is nobody's. A request without
    an Origin is no browser's, or a page's own.
    """

    def __init__(self, app: ASGIApp, origins: Origins, *, with_cookies: bool = False) -> None:
        self.app = app
        self.origins = origins
        self.with_cookies = with_cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self.app(scope, receive, send)
            return
        allowed = self.origins.allows(
            origin, scheme=_scheme(scope), host=headers.get("host", "").lower()
        )
        if scope["type"] == "websocket":
            # Before it is accepted, closing means that the handshake is answered with 403.
            await (self.app if allowed else WebSocketClose())(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            asked = headers.get("access-control-request-headers", "")
            await self._preflight(origin, asked, allowed=allowed)(scope, receive, send)
        else:
            await self.app(scope, receive, self._telling(send, origin, allowed=allowed))

    def _preflight(self, origin: str, asked: str, *, allowed: bool) -> PlainTextResponse:
        if not (allowed and _HEADER_NAMES.fullmatch(asked)):
            return PlainTextResponse(
                "This origin is not one of ALLOWED_ORIGINS.",
                status_code=HTTPStatus.FORBIDDEN,
                headers={"vary": "Origin"},
            )
        headers = {
            **_PREFLIGHT,
            **self._permission(origin),
            "access-control-allow-headers": asked,
            "vary": "Origin",
        }
        return PlainTextResponse("", headers=headers)

    def _permission(self, origin: str) -> dict[str, str]:
        headers = {"access-control-allow-origin": origin}
        if self.with_cookies:
            headers["access-control-allow-credentials"] = "true"
        return headers

    def _telling(self, send: Send, origin: str, *, allowed: bool) -> Send:
        added = [(b"vary", b"Origin")]
        if allowed:
            told = {**self._permission(origin), "access-control-expose-headers": _EXPOSED}
            added += [(name.encode(), value.encode()) for name, value in told.items()]

        async def send_with_permission(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        return send_with_permission


def _scheme(scope: Scope) -> str:
    """The scheme of the page that is served beside this."""
    scheme = str(scope["scheme"])
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)
