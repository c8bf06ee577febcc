"""The real LiteLLM proxy as the route: calls, streams and failures pass through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from adapters.models.loopback import serve
from adapters.models.routes import Route
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import SimulatedProvider
from benchmarks._ports import free_port
from tests.gateway.street import MODEL, Street, Visitor, open_street
from tests.litellm.proxy import MASTER_KEY, litellm_proxy


def says(content: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": content}]


@pytest.fixture
async def street(
    database_url: str, deployment_secret: str, tmp_path: Path
) -> AsyncIterator[Street]:
    with ExitStack() as stack:
        async with serve(SimulatedProvider()) as provider_url:
            base_url = await asyncio.to_thread(
                stack.enter_context, litellm_proxy(tmp_path, free_port(), provider_url)
            )
            route = Route(
                name="litellm", base_url=base_url, api_key=MASTER_KEY, models={MODEL: MODEL}
            )
            routed = RoutedProvider.over_network([route])
            async with open_street(database_url, deployment_secret, routed=routed) as street:
                yield street


async def charged(visitor: Visitor, before: Decimal) -> Decimal:
    return before - await visitor.available()


async def test_a_litellm_proxy_is_a_route_like_any_other(street: Street) -> None:
    visitor = await street.visitor()
    before = await visitor.available()
    client = openai.AsyncOpenAI(
        api_key=visitor.token, base_url=street.base_url, max_retries=0, timeout=60
    )

    whole = await client.chat.completions.with_raw_response.create(
        model=MODEL, messages=says("What is a ledger?")
    )
    stream = await client.chat.completions.create(
        model=MODEL, messages=says("What is a ledger?"), stream=True
    )
    chunks = [chunk async for chunk in stream]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    after_stream = await charged(visitor, before)
    embedded = await client.embeddings.create(model=MODEL, input="one text")
    asked = await visitor.person.ask("What is a ledger?", "by GraphQL")
    paid = await charged(visitor, before)
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model=MODEL, messages=says("simulate: 500"))
    broken = await client.chat.completions.create(
        model=MODEL, messages=says("hello\nsimulate: broken"), stream=True
    )
    with pytest.raises(openai.APIError):
        [chunk async for chunk in broken]
    differences = await street.house.differences()
    paid_after_failures = await charged(visitor, before)
    await client.close()

    once = Decimal(whole.headers["x-tallystick-charged"])
    assert once > 0
    assert whole.parse().choices[0].message.content == streamed
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert all(chunk.usage is None for chunk in chunks)
    # The usage that it tells at the end of a stream is the same as that of the whole answer.
    assert after_stream == 2 * once
    assert embedded.data[0].embedding
    assert asked["askAI.answer.text"] == streamed
    assert paid_after_failures == paid > after_stream
    assert differences == []
