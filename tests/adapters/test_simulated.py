"""The simulated provider as any other program sees it: through the SDK, as a stream too."""

from collections.abc import AsyncIterator

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from adapters.models.simulated import ConnectionCutError, SimulatedProvider


@pytest.fixture
async def client() -> AsyncIterator[AsyncOpenAI]:
    transport = httpx2.ASGITransport(SimulatedProvider(api_key="sk-right"))
    async with AsyncOpenAI(
        api_key="sk-right",
        base_url="http://localhost/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        yield client


async def whole(client: AsyncOpenAI, content: str) -> str:
    completion = await client.chat.completions.create(
        model="simulated", messages=[{"role": "user", "content": content}]
    )
    return completion.choices[0].message.content or ""


async def test_an_answer_says_that_it_is_simulated(client: AsyncOpenAI) -> None:
    assert (await whole(client, "Hello")).startswith(
        "This answer is simulated: no model was asked. You wrote: “Hello”"
    )


async def test_different_questions_have_different_answers(client: AsyncOpenAI) -> None:
    assert await whole(client, "Hello") != await whole(client, "Hello!")


async def test_a_stream_adds_up_to_the_whole_answer_and_ends_with_its_usage(
    client: AsyncOpenAI,
) -> None:
    stream = await client.chat.completions.create(
        model="simulated",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == await whole(client, "Hello")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(text.split())


async def test_a_stream_carries_usage_only_if_asked(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="simulated", messages=[{"role": "user", "content": "Hello"}], stream=True
    )

    assert all(chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_an_unknown_simulation_is_answered_by_the_list_of_known_ones(
    client: AsyncOpenAI,
) -> None:
    text = await whole(client, "Hello\nsimulate: earthquake")

    assert "There is no simulation called earthquake." in text
    assert "slow, empty, cut, stall" in text


async def test_only_the_last_user_message_is_obeyed(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model="simulated",
        messages=[
            {"role": "user", "content": "simulate: 500"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks."},
        ],
    )

    assert completion.choices[0].message.content


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["simulated"]


async def test_a_wrong_key_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        await whole(client.with_options(api_key="sk-wrong"), "Hello")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"model": "m", "messages": []}', b'{"model": "m", "messages": [7]}']
)
async def test_what_is_no_question_is_refused(client: AsyncOpenAI, body: bytes) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.post("/chat/completions", content=body, cast_to=httpx2.Response)


async def test_a_stream_that_is_cut_ends_without_its_end(client: AsyncOpenAI) -> None:
    with pytest.raises(ConnectionCutError):
        await client.chat.completions.create(
            model="simulated",
            messages=[{"role": "user", "content": "simulate: cut"}],
            stream=True,
        )


async def test_another_path_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.moderations.create(input="Hello")
