"""What one would put in front of a provider without billing. Run with a port, a base URL, a kind.

`bytes` is a Starlette route that hands bytes on by aiohttp, both ways, and understands nothing.
`sdk` is a Starlette route around the openai SDK on its faster backend. Neither asks who calls.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
import uvicorn
from openai import AsyncOpenAI, DefaultAioHttpClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


def handing_on_bytes(base_url: str) -> Handler:
    sessions: list[aiohttp.ClientSession] = []

    async def chat(request: Request) -> Response:
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        body = await request.body()
        response = await sessions[0].post(f"{base_url}/chat/completions", data=body)
        if b'"stream":true' not in body:
            async with response:
                return Response(await response.read(), media_type="application/json")
        return StreamingResponse(_pieces(response), media_type="text/event-stream")

    return chat


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with response:
        async for piece in response.content.iter_any():
            yield piece


def around_the_sdk(base_url: str) -> Handler:
    client = AsyncOpenAI(base_url=base_url, api_key="none", http_client=DefaultAioHttpClient())

    async def chat(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        if asked.get("stream"):
            return StreamingResponse(_chunks(client, asked), media_type="text/event-stream")
        completion = await client.chat.completions.create(**asked)
        return Response(completion.model_dump_json(), media_type="application/json")

    return chat


async def _chunks(client: AsyncOpenAI, asked: dict[str, object]) -> AsyncIterator[str]:
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": str(asked["messages"])}], stream=True
    )
    async for chunk in stream:
        yield f"data: {chunk.model_dump_json()}\n\n"
    yield "data: [DONE]\n\n"


if __name__ == "__main__":
    kind = {"bytes": handing_on_bytes, "sdk": around_the_sdk}[sys.argv[3]]
    uvicorn.run(
        Starlette(routes=[Route("/v1/chat/completions", kind(sys.argv[2]), methods=["POST"])]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        ws="none",
    )
