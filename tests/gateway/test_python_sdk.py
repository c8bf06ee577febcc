"""The official Python client, unchanged but for its base URL."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.gateway.street import MODEL, Street, Visitor

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a ledger?"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
async def visitor(street: Street) -> Visitor:
    return await street.visitor()


@pytest.fixture
async def client(street: Street, visitor: Visitor) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=visitor.token, base_url=street.base_url) as client:
        yield client


async def test_a_chat_is_answered_and_charged_what_its_headers_say(
    street: Street, visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    before = await visitor.available()

    raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION)

    completion = raw.parse()
    charged = Decimal(raw.headers["x-tallystick-charged"])
    assert "What is a ledger?" in (completion.choices[0].message.content or "")
    assert completion.model == MODEL
    assert completion.usage is not None
    assert charged > 0
    assert Decimal(raw.headers["x-tallystick-balance"]) == before - charged
    assert await visitor.available() == before - charged
    assert raw.headers["x-tallystick-answer-id"].startswith("ans_")
    assert raw.headers["x-request-id"]
    assert await street.house.differences() == []


async def test_a_stream_comes_in_pieces_and_without_usage_nobody_asked_for(
    visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    before = await visitor.available()

    stream = await client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
    chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "What is a ledger?" in text
    assert len(chunks) > 10
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert await visitor.available() < before
    assert await visitor.held() == 0


async def test_a_stream_ends_with_usage_for_whoever_asks(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 10


async def test_a_tool_is_called_and_its_result_answered(client: openai.AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model=MODEL, messages=QUESTION, tools=[WEATHER])
    [call] = first.choices[0].message.tool_calls or []
    second = await client.chat.completions.create(
        model=MODEL,
        messages=[
            *QUESTION,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": "weather", "arguments": "{}"},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "Sun."},
        ],
        tools=[WEATHER],
    )

    assert first.choices[0].finish_reason == "tool_calls"
    assert "Sun." in (second.choices[0].message.content or "")


async def test_a_streamed_tool_call_is_charged(
    visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    before = await visitor.available()

    stream = await client.chat.completions.create(
        model=MODEL, messages=QUESTION, tools=[WEATHER], stream=True
    )
    calls = [
        call.function
        async for chunk in stream
        for call in chunk.choices[0].delta.tool_calls or []
        if call.function is not None
    ]

    assert [call.name for call in calls] == ["weather"]
    assert await visitor.outcomes() == [("SUCCEEDED", str(before - await visitor.available()))]


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_tool_call_without_usage_is_charged_for_its_name_and_arguments(
    street: Street, visitor: Visitor, *, is_stream: bool
) -> None:
    question = {"role": "user", "content": "hello\nsimulate: no-usage"}

    async with street.http(visitor) as http:
        body = {"model": MODEL, "messages": [question], "tools": [WEATHER], "stream": is_stream}
        reply = await http.post("/chat/completions", json=body)
    told = await visitor.person.send("{ usage { nodes { outcome estimated outputTokens } } }")

    assert "weather" in reply.text
    assert told["usage.nodes.0"] == {"outcome": "SUCCEEDED", "estimated": True, "outputTokens": 7}
    assert await street.house.differences() == []


async def test_several_choices_are_paid_for_together(
    visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    one = await client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION)
    three = await client.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION, n=3
    )

    assert len(three.parse().choices) == 3
    charged = [Decimal(raw.headers["x-tallystick-charged"]) for raw in (one, three)]
    assert charged[1] > 2 * charged[0]


async def test_an_image_goes_along(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
                ],
            }
        ],
    )

    assert "[image_url]" in (completion.choices[0].message.content or "")


async def test_embeddings_are_charged_for_their_input(
    visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    before = await visitor.available()

    answer = await client.embeddings.create(model=MODEL, input=["one text", "another longer text"])

    # 0.2 credits a thousand tokens of input, and five of them.
    assert [len(each.embedding) for each in answer.data] == [8, 8]
    assert answer.model == MODEL
    assert await visitor.available() == before - Decimal("0.001")


async def test_a_response_is_answered_whole(visitor: Visitor, client: openai.AsyncOpenAI) -> None:
    before = await visitor.available()

    response = await client.responses.create(model=MODEL, input="What is a ledger?")

    assert "What is a ledger?" in response.output_text
    assert response.model == MODEL
    assert await visitor.available() < before


async def test_a_response_is_streamed(visitor: Visitor, client: openai.AsyncOpenAI) -> None:
    before = await visitor.available()

    stream = await client.responses.create(model=MODEL, input="What is a ledger?", stream=True)
    events = [event async for event in stream]

    last = events[-1]
    assert [event.type for event in events].count("response.output_text.delta") > 10
    assert last.type == "response.completed"
    assert "What is a ledger?" in last.response.output_text
    assert last.response.model == MODEL
    assert await visitor.available() < before


async def test_models_are_listed_and_found(client: openai.AsyncOpenAI) -> None:
    listed = [model async for model in client.models.list()]
    found = await client.models.retrieve(MODEL)

    assert MODEL in [model.id for model in listed]
    assert (found.id, found.owned_by) == (MODEL, "OpenAI")


async def test_the_synchronous_client_works_too(street: Street, visitor: Visitor) -> None:
    def calls() -> tuple[str, str]:
        with openai.OpenAI(api_key=visitor.token, base_url=street.base_url) as client:
            whole = client.chat.completions.create(model=MODEL, messages=QUESTION)
            with client.chat.completions.create(
                model=MODEL, messages=QUESTION, stream=True
            ) as stream:
                pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        return whole.choices[0].message.content or "", "".join(pieces)

    whole, streamed = await asyncio.to_thread(calls)

    assert whole == streamed
    assert "What is a ledger?" in whole
