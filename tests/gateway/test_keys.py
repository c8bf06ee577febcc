"""Programs with API keys: what they may ask, and what they may spend."""

import openai
import pytest

from tests.gateway.street import MODEL, Street
from tests.journeys.programs import make_robot


async def test_a_key_reaches_its_models_within_its_scopes(street: Street) -> None:
    owner = (await street.visitor()).person
    asker = await make_robot(street.house, owner, scopes=["ASK"], allowedModels=[MODEL])
    reader = await make_robot(street.house, owner, scopes=["READ"])

    async with openai.AsyncOpenAI(api_key=asker.secret, base_url=street.base_url) as client:
        models = [model.id async for model in client.models.list()]
        answer = await client.embeddings.create(model=MODEL, input="hello")
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="deepseek-chat", input="hello")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("deepseek-chat")
    async with openai.AsyncOpenAI(api_key=reader.secret, base_url=street.base_url) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.embeddings.create(model=MODEL, input="hello")

    assert models == [MODEL]
    assert answer.model == MODEL
    assert street.house.provider.calls_received == 1


async def test_a_budget_says_what_is_left_of_it(street: Street) -> None:
    owner = (await street.visitor()).person
    robot = await make_robot(street.house, owner, budget={"limit": "2", "period": "DAY"})

    async with openai.AsyncOpenAI(api_key=robot.secret, base_url=street.base_url) as client:
        await client.embeddings.create(model=MODEL, input="hello")
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=16_000
            )

    body = refused.value.body
    assert isinstance(body, dict)
    assert (refused.value.status_code, body["code"]) == (402, "budget_exceeded")
    assert float(body["required"]) > 2 > float(body["available"]) > 1.9
    assert f"needs {body['required']} credits" in body["message"]
    assert f"{body['available']} are left until 20" in body["message"]
    assert await street.house.differences() == []
