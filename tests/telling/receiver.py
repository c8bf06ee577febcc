"""A system of the operator's that hears events: as strict as the library, and as moody as told."""

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from standardwebhooks import Webhook
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.models.loopback import serve


def secret_of(word: str) -> str:
    return f"whsec_{base64.b64encode(word.ljust(32, '.').encode()).decode()}"


SECRET = secret_of("first")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came in."""

    headers: Headers
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, object]:
        read = orjson.loads(self.body)
        assert isinstance(read, dict)
        return read

    @property
    def type(self) -> object:
        return self.event["type"]

    @property
    def data(self) -> dict[str, object]:
        data = self.event["data"]
        assert isinstance(data, dict)
        return data

    def verify(self, secret: str = SECRET) -> None:
        """Raises what the library raises when the signature is not good."""
        Webhook(secret).verify(self.body, dict(self.headers))


Mood = Callable[[], Response]


@dataclass(slots=True)
class Receiver:
    """An endpoint; `moods` are how it answers next, and then it accepts."""

    moods: deque[Mood] = field(default_factory=deque)
    always: Mood = field(default=lambda: Response(status_code=204))
    heard: list[Heard] = field(default_factory=list)
    at_once: int = 0
    at_once_most: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, it hears and does not answer."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.heard.append(Heard(request.headers, await request.body()))
        self._news.set()
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        mood = self.moods.popleft() if self.moods else self.always
        await mood()(scope, receive, send)

    async def until_heard(self, count: int, *, seconds_max: float = 60) -> list[Heard]:
        """What was heard, once it is so many messages."""
        async with asyncio.timeout(seconds_max):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return self.heard

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.heard]


def answering(status: int, **headers: str) -> Mood:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: Response(status_code=status, headers=named)


@asynccontextmanager
async def receiving(receiver: Receiver | None = None) -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver on a port of this machine, and its URL."""
    receiver = receiver or Receiver()
    async with serve(receiver) as base_url:
        try:
            yield receiver, f"{base_url}/hooks"
        finally:
            receiver.open.set()
