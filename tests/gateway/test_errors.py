"""Each way to be refused, as the official client tells it, and what it does about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from app.gateway.door import LARGE_OF_ONE_MAX
from domain.allowing import Allowance
from schema.ids import account_named
from tests.gateway.street import MODEL, Limits, Street, Visitor, open_street

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def says(content: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": content}]


def client_of(street: Street, token: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=token, base_url=street.base_url)


@pytest.fixture
async def visitor(street: Street) -> Visitor:
    return await street.visitor()


@pytest.fixture
async def client(street: Street, visitor: Visitor) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(street, visitor.token) as client:
        yield client


@asynccontextmanager
async def raises(
    kind: type[openai.APIStatusError], code: str
) -> AsyncIterator[list[openai.APIStatusError]]:
    """The one error that is raised, which has to be of this class and code."""
    caught: list[openai.APIStatusError] = []
    with pytest.raises(kind) as error:
        yield caught
    caught.append(error.value)
    assert error.value.code == code
    assert "x-request-id" in error.value.response.headers


async def read_into(heard: list[object], stream: AsyncIterator[object]) -> None:
    async for each in stream:
        heard.append(each)  # noqa: PERF401 - what was heard before an error is of interest


async def test_a_wrong_key_is_an_authentication_error(street: Street) -> None:
    async with client_of(street, "sk-nobody") as client:
        async with raises(openai.AuthenticationError, "invalid_api_key"):
            await client.chat.completions.create(model=MODEL, messages=says("hello"))
        async with raises(openai.AuthenticationError, "invalid_api_key") as foreign:
            await client.models.list()
    async with (
        client_of(street, "ck_nobody") as client,
        raises(openai.AuthenticationError, "invalid_api_key") as ended,
    ):
        await client.models.list()

    assert "neither an API key of this server (ck_…) nor an access token" in foreign[0].message
    assert "is disabled, expired or revoked" in ended[0].message


async def test_bad_requests_say_which_field_and_cost_nothing(
    street: Street, visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    async with raises(openai.BadRequestError, "invalid_value") as errors:
        await client.chat.completions.create(model=MODEL, messages=says("hello"), max_tokens=0)
    async with raises(openai.BadRequestError, "invalid_value") as keyed:
        await client.chat.completions.create(
            model=MODEL, messages=says("hello"), extra_headers={"Idempotency-Key": "x" * 129}
        )
    async with raises(openai.BadRequestError, "invalid_value") as stateful:
        await client.responses.create(model=MODEL, input="x", previous_response_id="resp_1")
    async with raises(openai.BadRequestError, "invalid_value") as searching:
        await client.responses.create(model=MODEL, input="x", tools=[{"type": "web_search"}])

    assert errors[0].param == "max_tokens"
    assert keyed[0].param == "Idempotency-Key"
    assert stateful[0].param == "previous_response_id"
    assert searching[0].param == "tools.0"
    assert street.house.provider.calls_received == 0
    assert await visitor.outcomes() == []


async def test_an_unknown_model_and_an_unknown_path_are_not_found(
    client: openai.AsyncOpenAI,
) -> None:
    async with raises(openai.NotFoundError, "model_not_found"):
        await client.chat.completions.create(model="nobody/knows:it", messages=says("hello"))
    async with raises(openai.NotFoundError, "model_not_found"):
        await client.models.retrieve("nobody/knows:it")
    async with raises(openai.NotFoundError, "unknown_url"):
        await client.moderations.create(input="hello")


async def test_too_few_credits_say_what_is_needed_and_what_is_affordable(
    street: Street, visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.APIStatusError) as error:
        await client.chat.completions.create(
            model="gpt-4.1-mini", messages=says("hello"), max_tokens=32_000, n=100
        )
    body = error.value.body
    assert error.value.status_code == 402
    assert isinstance(body, dict)
    affordable = body["affordable_output_tokens"]
    second = await client.chat.completions.create(
        model="gpt-4.1-mini", messages=says("hello"), max_tokens=affordable, n=100
    )

    assert error.value.code == "insufficient_credits"
    assert float(body["required"]) > float(body["available"]) == 1000
    assert 0 < affordable < 32_000
    assert len(second.choices) == 100
    assert street.house.provider.calls_received == 1


@pytest.mark.parametrize(
    ("directive", "kind", "status", "code"),
    [
        ("500", openai.InternalServerError, 502, "provider_failed"),
        ("cut", openai.InternalServerError, 502, "provider_failed"),
        ("malformed", openai.InternalServerError, 502, "provider_failed"),
        ("empty", openai.InternalServerError, 502, "provider_empty"),
        ("429 60", openai.InternalServerError, 503, "provider_overloaded"),
        ("timeout", openai.InternalServerError, 504, "provider_timeout"),
    ],
)
async def test_failures_of_the_provider_are_told_in_our_words_and_are_free(
    database_url: str,
    deployment_secret: str,
    directive: str,
    kind: type[openai.APIStatusError],
    status: int,
    code: str,
) -> None:
    async with open_street(
        database_url, deployment_secret, limits=Limits(ai_timeout_seconds=1.5)
    ) as street:
        visitor = await street.visitor()
        before = await visitor.available()
        async with (
            client_of(street, visitor.token).with_options(max_retries=0) as client,
            raises(kind, code) as errors,
        ):
            await client.chat.completions.create(
                model=MODEL, messages=says(f"hello\nsimulate: {directive}")
            )
        after = await visitor.available()
        charges = {charged for _, charged in await visitor.outcomes()}
        differences = await street.house.differences()

    assert errors[0].status_code == status
    assert "simulated" not in errors[0].message.lower()
    assert after == before
    assert charges == {"0"}
    assert differences == []


async def test_a_failure_in_the_middle_of_a_stream_is_an_error_of_the_stream(
    street: Street, visitor: Visitor, client: openai.AsyncOpenAI
) -> None:
    before = await visitor.available()
    chat = await client.chat.completions.create(
        model=MODEL, messages=says("hello\nsimulate: broken"), stream=True
    )
    response = await client.responses.create(model=MODEL, input="hello\nsimulate: cut", stream=True)
    heard: list[object] = []

    with pytest.raises(openai.APIError) as chat_error:
        await read_into(heard, chat)
    with pytest.raises(openai.APIError) as response_error:
        await read_into(heard, response)

    assert len(heard) > 10
    assert "Nothing was charged." in chat_error.value.message
    assert "Nothing was charged." in response_error.value.message
    assert await visitor.available() == before
    assert await visitor.held() == 0
    assert await street.house.differences() == []


async def test_what_cannot_succeed_is_not_tried_again(street: Street, visitor: Visitor) -> None:
    async with client_of(street, visitor.token) as client:
        create = partial(
            client.chat.completions.create,
            model=MODEL,
            extra_headers={"Idempotency-Key": "the same"},
        )
        await create(messages=says("one"))
        with pytest.raises(openai.ConflictError):
            await create(messages=says("another"))
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model=MODEL,
                messages=says("hello\nsimulate: empty"),
                extra_headers={"Idempotency-Key": "fails"},
            )

    # One that was answered, and one that was empty: nothing was asked a second time.
    assert street.house.provider.calls_received == 2


async def test_too_many_calls_are_told_when_to_come_back(
    database_url: str, deployment_secret: str
) -> None:
    async with open_street(
        database_url, deployment_secret, limits=Limits(asks_per_minute=1)
    ) as street:
        visitor = await street.visitor()
        async with client_of(street, visitor.token).with_options(max_retries=0) as client:
            await client.embeddings.create(model=MODEL, input="one")
            async with raises(openai.RateLimitError, "rate_limit_exceeded") as errors:
                await client.embeddings.create(model=MODEL, input="two")

    assert 0 < int(errors[0].response.headers["retry-after"]) <= 60


async def test_what_http_refuses_has_the_same_shape(
    database_url: str, deployment_secret: str
) -> None:
    async with open_street(
        database_url, deployment_secret, limits=Limits(gateway_body_mib=1)
    ) as street:
        visitor = await street.visitor()
        async with street.http(visitor) as http:
            replies = await asyncio.gather(
                http.get("/chat/completions"),
                http.post("/models"),
                http.post("/chat/completions", content=b"{" * (1024 * 1024 + 1)),
                http.post("/chat/completions", data={"model": "form"}),
                http.post("/chat/completions", content=b"{nonsense"),
                http.post("/chat/completions", content=b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"),
                http.get("/"),
            )

    told = [(reply.status_code, reply.json()["error"]["code"]) for reply in replies]
    assert told == [
        (405, "method_not_allowed"),
        (405, "method_not_allowed"),
        (413, "request_too_large"),
        (415, "unsupported_media_type"),
        (400, "invalid_value"),
        (400, "invalid_value"),
        (404, "unknown_url"),
    ]
    assert replies[0].headers["allow"] == "POST"
    assert all(set(r.json()["error"]) >= {"message", "type", "param", "code"} for r in replies)


async def test_large_bodies_are_kept_in_bounds_and_small_ones_go_on(street: Street) -> None:
    visitor = await street.visitor()
    picture = f"data:image/png;base64,{'A' * 1_100_000}"
    parts = [{"type": "image_url", "image_url": {"url": picture}}]
    large = {"model": MODEL, "messages": [{"role": "user", "content": parts}], "max_tokens": 1}
    room = street.house.system.gateway.room
    async with street.http(visitor) as http:
        first = await http.post("/chat/completions", json=large)
        places, room.places = room.places, 0
        refused = await http.post("/chat/completions", json=large)
        small = await http.post("/embeddings", json={"model": MODEL, "input": "hello"})
        room.places = places
        second = await http.post("/chat/completions", json=large)

    assert [r.status_code for r in (first, refused, small, second)] == [200, 503, 200, 200]
    assert refused.json()["error"]["code"] == "unavailable"
    assert refused.headers["retry-after"] == "1"


async def test_one_account_leaves_half_of_the_room_to_others(street: Street) -> None:
    greedy, modest = await street.visitor(), await street.visitor()
    room, one = street.house.system.gateway.room, account_named(greedy.account_id)
    assert one is not None
    large = b" " * 1_100_000
    async with street.http(greedy) as http, street.http(modest) as others, AsyncExitStack() as held:
        for _ in range(LARGE_OF_ONE_MAX):
            held.enter_context(room.taken(one))
        refused = await http.post("/chat/completions", content=large)
        taken_in = await others.post("/chat/completions", content=large)
        await held.aclose()
        again = await http.post("/chat/completions", content=large)

    assert [r.status_code for r in (refused, taken_in, again)] == [503, 400, 400]


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{}] * 100_001},
        {"messages": [{"role": "user", "content": [{"type": "text"}] * 50_001}]},
        {"messages": says("hello"), "tools": [{"type": "function"}] * 50_001},
        {"messages": says("hello"), "unknown": [[[0]]] * 50_001},
        {"messages": says("hello")} | {f"field{n}": 0 for n in range(100_001)},
    ],
)
async def test_a_body_of_too_many_parts_is_not_looked_through(
    street: Street, asked: dict[str, object]
) -> None:
    visitor = await street.visitor()
    async with street.http(visitor) as http:
        refused = await http.post("/chat/completions", json={"model": MODEL} | asked)

    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == (
        "body: At most 100000 objects, lists and fields in all."
    )


async def test_many_parts_and_many_tokens_are_taken(street: Street) -> None:
    visitor = await street.visitor()
    code = [{"type": "text", "text": 'a \\" quoted \\\\" : {[' * 300}] * 1_000
    async with street.http(visitor) as http:
        asked = await http.post(
            "/chat/completions",
            json={
                "model": MODEL,
                "messages": [{"role": "user", "content": code}],
                "max_tokens": 1,
            },
        )
        embedded = await http.post("/embeddings", json={"model": MODEL, "input": [7] * 120_000})

    assert (asked.status_code, embedded.status_code) == (200, 200)


@dataclass(slots=True)
class Counted:
    """Allows everything and keeps what was taken."""

    taken: list[tuple[str, int]] = field(default_factory=list)

    async def take(self, who: str, amount: int = 1) -> Allowance:
        self.taken.append((who, amount))
        return Allowance(cost=amount, limit=1, remaining=1, reset_at=NOON)


async def test_a_large_body_costs_a_point_for_every_32_kib_even_if_it_is_refused(
    street: Street,
) -> None:
    visitor = await street.visitor()
    counted = Counted()
    door = httpx2.ASGITransport(replace(street.house.system.gateway, points=counted))

    async with httpx2.AsyncClient(
        transport=door,
        base_url="http://door/v1",
        headers={"authorization": f"Bearer {visitor.token}"},
    ) as http:
        large = await http.post("/chat/completions", content=b" " * (64 * 32 * 1024))
        small = await http.post("/embeddings", json={"model": MODEL, "input": "hello"})

    assert (large.status_code, small.status_code) == (400, 200)
    [(_, points)] = counted.taken
    assert points == 64
