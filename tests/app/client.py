"""A client in this process, and a server on a loopback port for what only a socket shows."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx2
import orjson
import uvicorn
from starlette.types import ASGIApp

from app import server

NEWER = "application/graphql-response+json"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, with its body read as JSON."""

    status: int
    headers: httpx2.Headers
    body: dict[str, object]

    @property
    def codes(self) -> list[object]:
        errors = self.body.get("errors", [])
        assert isinstance(errors, list)
        return [error["extensions"]["code"] for error in errors]

    @property
    def messages(self) -> list[str]:
        errors = self.body.get("errors", [])
        assert isinstance(errors, list)
        return [error["message"] for error in errors]


@dataclass(frozen=True, slots=True)
class Client:
    """Asks an application over HTTP, without a socket."""

    http: httpx2.AsyncClient

    async def send(self, method: str, url: str = "/graphql", **options: object) -> Reply:
        headers = options.pop("headers", {})
        content = options.pop("content", None)
        assert isinstance(headers, dict)
        assert isinstance(content, bytes | None)
        response = await self.http.request(method, url, headers=headers, content=content)
        return Reply(response.status_code, response.headers, orjson.loads(response.content))

    async def post(self, body: object, **headers: str) -> Reply:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("POST", headers={"content-type": JSON, **named}, content=content)

    async def ask(
        self, query: str, by: str | None = None, variables: dict[str, object] | None = None
    ) -> Reply:
        """Send a query as the newer media type's clients do."""
        who = {"authorization": f"Bearer {by}"} if by else {}
        return await self.post({"query": query, "variables": variables}, accept=NEWER, **who)


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[Client]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://toy") as http:
        yield Client(http)


@contextmanager
def served(
    app: ASGIApp, protocol: type[server.GuardedProtocol] = server.GuardedProtocol
) -> Iterator[tuple[str, int]]:
    """Serve an application as the product does, and say where."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        config = server.config(app, host=host, port=port)
        config.http = protocol
        running = uvicorn.Server(config)
        thread = threading.Thread(
            target=lambda: asyncio.run(running.serve(sockets=[listening])), daemon=True
        )
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield host, port
        running.should_exit = True
        thread.join()
