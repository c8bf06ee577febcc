"""Clients of streams: one by WebSocket, one by server-sent events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import orjson
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = "graphql-transport-ws"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Talk:
    """A connection by graphql-transport-ws, message by message."""

    connection: ClientConnection

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str | bytes) else orjson.dumps(message).decode()
        await self.connection.send(text)

    async def hear(self) -> Json:
        message = orjson.loads(await self.connection.recv())
        assert isinstance(message, dict)
        return message

    async def begin(self, token: str | None = None) -> None:
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        await self.say({"type": "connection_init", "payload": payload})
        assert await self.hear() == {"type": "connection_ack"}

    async def ask(self, query: str, id: str = "1", **variables: object) -> None:
        payload = {"query": query, "variables": variables}
        await self.say({"id": id, "type": "subscribe", "payload": payload})

    async def answers(self, id: str = "1") -> list[Json]:
        """All messages of one operation, to its end."""
        heard: list[Json] = []
        while True:
            message = await self.hear()
            if message.get("id") == id:
                heard.append(message)
                if message["type"] != "next":
                    return heard

    async def closed(self) -> int:
        """The code with which the other side closes, whatever it says before."""
        while True:
            try:
                await self.connection.recv()
            except ConnectionClosed as error:
                return error.rcvd.code if error.rcvd else 0


@asynccontextmanager
async def talking(
    address: tuple[str, int], *, protocol: str | None = PROTOCOL, **headers: str
) -> AsyncIterator[Talk]:
    """A connection to a server that is closed in the end."""
    host, port = address
    async with websockets.connect(
        f"ws://{host}:{port}/graphql",
        subprotocols=[Subprotocol(protocol)] if protocol else None,
        additional_headers=headers,
        proxy=None,
    ) as connection:
        yield Talk(connection)


@dataclass(frozen=True, slots=True)
class Events:
    """A response of server-sent events."""

    response: httpx2.Response

    async def all(self) -> list[tuple[str, Json | None]]:
        """Every event to the end of the response."""
        return [event async for event in self.each()]

    async def each(self) -> AsyncIterator[tuple[str, Json | None]]:
        name = ""
        async for line in self.response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data:"):
                data = line.removeprefix("data:").strip()
                yield name, orjson.loads(data) if data else None


@asynccontextmanager
async def listening(
    address: tuple[str, int], query: str, token: str | None = None, **variables: object
) -> AsyncIterator[Events]:
    """A stream of events, which is left in the end."""
    host, port = address
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    async with (
        httpx2.AsyncClient(timeout=20, trust_env=False) as http,
        http.stream(
            "POST",
            f"http://{host}:{port}/graphql",
            content=orjson.dumps({"query": query, "variables": variables}),
            headers=headers,
        ) as response,
    ):
        yield Events(response)
