"""What one would write without billing: a Strawberry mutation that awaits the openai SDK.

Parse and validation caches are on and the SDK runs on aiohttp, its faster backend. Run with a port
and the provider's base URL.
"""

import sys

import strawberry
import uvicorn
from openai import AsyncOpenAI, DefaultAioHttpClient
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache


@strawberry.type
class Query:
    """GraphQL wants one."""

    @strawberry.field
    def hello(self) -> str:
        return "hello"


@strawberry.type
class Answer:
    """As much as the other side tells."""

    text: str
    tokens: int


def app(base_url: str) -> GraphQL[None, None]:
    client = AsyncOpenAI(base_url=base_url, api_key="none", http_client=DefaultAioHttpClient())

    @strawberry.type
    class Mutation:
        """The one that is measured."""

        @strawberry.mutation(name="askAI")
        async def ask_ai(self, content: str) -> Answer:
            completion = await client.chat.completions.create(
                model="m", max_tokens=100, messages=[{"role": "user", "content": content}]
            )
            used = completion.usage
            return Answer(
                text=completion.choices[0].message.content or "",
                tokens=used.total_tokens if used else 0,
            )

    schema = strawberry.Schema(Query, Mutation, extensions=[ParserCache, ValidationCache])
    return GraphQL(schema)


if __name__ == "__main__":
    uvicorn.run(
        app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        ws="none",
    )
