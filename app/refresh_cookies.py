"""The refresh token in a cookie that no script can read, for web apps that want it there.

Nothing but `refreshSession` reads it, and only for pages of an allowed origin; every other field
goes by the access token alone, so a page that makes a browser send the cookie gains nothing by it.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.origins import Origins

NAME: Final = "__Secure-tallystick-refresh"
PATH: Final = "/graphql"
_ATTRIBUTES: Final = f"Path={PATH}; Secure; HttpOnly; SameSite=Strict"
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IN_SCOPE: Final = "tallystick.refresh_cookie"


class RefreshCookie:
    """The cookie of one request: as the browser sent it, and as the answer will set it."""

    def __init__(self, received: str | None) -> None:
        self.received = received
        self.to_set: bytes | None = None
        self.is_too_late = False

    def keep(self, token: str, expires_at: datetime) -> bool:
        """Have the browser keep a token; False when the answer has begun already."""
        if self.is_too_late:
            return False
        expires = format_datetime(expires_at.astimezone(UTC), usegmt=True)
        self.to_set = f"{NAME}={token}; Expires={expires}; {_ATTRIBUTES}".encode()
        return True

    def drop(self) -> None:
        """Have the browser forget it."""
        self.keep("", _LONG_AGO)


def cookie_of(connection: HTTPConnection) -> RefreshCookie | None:
    """The cookie of a request; None where there are none, and on sockets, which cannot set one."""
    found = connection.scope.get(_IN_SCOPE)
    return found if isinstance(found, RefreshCookie) else None


class RefreshCookies:
    """Reads the cookie of a request to the API, and sets it in the answer."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        cookie = RefreshCookie(self._received(connection))
        scope[_IN_SCOPE] = cookie

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie.is_too_late = True
                if cookie.to_set is not None:
                    message["headers"] = [*message["headers"], (b"set-cookie", cookie.to_set)]
            await send(message)

        await self.app(scope, receive, send_with_cookie)

    def _received(self, connection: HTTPConnection) -> str | None:
        # Browsers name the page's origin in every POST; without one it is nobody's page.
        headers = connection.headers
        origin, host = headers.get("origin"), headers.get("host", "").lower()
        if origin is None or not self.origins.allows(
            origin, scheme=connection.url.scheme, host=host
        ):
            return None
        return connection.cookies.get(NAME) or None
