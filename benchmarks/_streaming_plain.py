"""What one would write without us: run with a port, the provider's base URL, and which.

`subscription` is a Strawberry subscription that yields every chunk of the openai SDK, the SDK on
aiohttp; `bytes` is a Starlette route that passes on what aiohttp reads.
"""

import sys
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import strawberry
import uvicorn
from openai import AsyncOpenAI, DefaultAioHttpClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from strawberry.asgi import GraphQL


@strawberry.type
class Query:
    """GraphQL wants one."""

    @strawberry.field
    def hello(self) -> str:
        return "hello"


@strawberry.type
class Chunk:
    """As much as the other side tells."""

    offset: int
    text: str
    status: str


def subscription(base_url: str) -> ASGIApp:
    client = AsyncOpenAI(base_url=base_url, api_key="none", http_client=DefaultAioHttpClient())

    @strawberry.type
    class Subscription:
        """The one that is measured."""

        @strawberry.subscription
        async def answer(self, id: str) -> AsyncGenerator[Chunk, None]:
            offset = 0
            stream = await client.chat.completions.create(
                model="m",
                max_tokens=100,
                messages=[{"role": "user", "content": id}],
                stream=True,
                stream_options={"include_usage": True},
            )
            async for chunk in stream:
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    yield Chunk(offset=offset, text=text, status="RUNNING")
                    offset += len(text)

    return GraphQL(strawberry.Schema(Query, subscription=Subscription))


def passing(base_url: str) -> ASGIApp:
    sessions: list[aiohttp.ClientSession] = []

    async def complete(request: Request) -> StreamingResponse:
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        body = await request.body()

        async def chunks() -> AsyncIterator[bytes]:
            async with sessions[0].post(f"{base_url}/chat/completions", data=body) as reply:
                async for piece in reply.content.iter_any():
                    yield piece

        return StreamingResponse(chunks(), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


if __name__ == "__main__":
    kinds = {"subscription": subscription, "bytes": passing}
    uvicorn.run(
        kinds[sys.argv[3]](sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
