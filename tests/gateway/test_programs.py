"""A program whose key is all that an OpenAI client needs, and two hundred calls at once of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from adapters.models.simulated import Gate, SimulatedProvider
from tests.gateway.street import MODEL, Street, Visitor, open_street
from tests.journeys.programs import REVOKE, Robot, make_robot

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a ledger?"}]


@pytest.fixture
async def visitor(street: Street) -> Visitor:
    return await street.visitor()


@asynccontextmanager
async def client_of(street: Street, robot: Robot) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        # Two hundred at once may take longer to be connected than the five seconds that are usual.
        api_key=robot.secret,
        base_url=street.base_url,
        max_retries=0,
        timeout=120,
    ) as client:
        yield client


async def ask(client: openai.AsyncOpenAI) -> str:
    """How a call went, in a word."""
    try:
        await client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=100)
    except openai.APIStatusError as error:
        return str(error.code)
    return "answered"


async def test_a_key_is_all_that_a_client_needs(street: Street, visitor: Visitor) -> None:
    robot = await make_robot(street.house, visitor.person)

    async with client_of(street, robot) as client:
        answered = await ask(client)
        usage = await robot.person.send("{ usage { nodes { outcome apiKey { id } } } }")
        await visitor.person.send(REVOKE, id=robot.key_id)
        revoked = await ask(client)

    assert (answered, revoked) == ("answered", "invalid_api_key")
    assert usage["usage.nodes"] == [{"outcome": "SUCCEEDED", "apiKey": {"id": robot.key_id}}]


async def test_of_two_hundred_calls_ten_are_paid_for_and_ten_reach_the_model(
    database_url: str, deployment_secret: str
) -> None:
    provider = SimulatedProvider(gate=Gate(11))  # the eleventh will be a person's
    async with open_street(database_url, deployment_secret, provider=provider) as street:
        visitor = await street.visitor()
        probe = await make_robot(street.house, visitor.person, budget={"limit": "0.000001"})
        async with client_of(street, probe) as client:
            with pytest.raises(openai.APIStatusError) as refused:
                await client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=100)
        assert isinstance(refused.value.body, dict)
        held = Decimal(str(refused.value.body["required"]))
        budget = {"limit": str(held * 10 + Decimal("0.000001"))}
        robot = await make_robot(street.house, visitor.person, budget=budget)

        async with client_of(street, robot) as client:
            calls = [asyncio.create_task(ask(client)) for _ in range(200)]
            for number, call in enumerate(asyncio.as_completed(calls), 1):
                await call
                if number == 190:
                    break
            await visitor.person.ask("lets the ten go on", "1")
            outcomes = Counter(await asyncio.gather(*calls))
        differences = await street.house.differences()

    assert outcomes == {"answered": 10, "budget_exceeded": 190}
    assert provider.calls_received == 10 + 1
    assert differences == []
