"""The official client for node, unchanged but for its base URL."""

import asyncio
import json

from tests import node
from tests.gateway.street import MODEL, Street


async def test_the_node_client_works_as_it_is(street: Street) -> None:
    visitor = await street.visitor()

    printed = await asyncio.to_thread(
        node.run, "openai_client.mjs", street.base_url, visitor.token, MODEL
    )

    seen = json.loads(printed)
    assert "What is a ledger?" in seen["whole"]
    assert seen["streamed"] == seen["whole"] == seen["responded"]
    assert float(seen["charged"]) > 0
    assert seen["usage"] > 10
    assert seen["called"] == "weather"
    assert seen["dimensions"] == [8, 8]
    assert seen["deltas"] > 10
    assert MODEL in seen["models"]
    assert seen["refusals"] == {
        "authentication": ["AuthenticationError", 401, "invalid_api_key"],
        "badRequest": ["BadRequestError", 400, "invalid_value"],
        "notFound": ["NotFoundError", 404, "model_not_found"],
        "conflict": ["ConflictError", 409, "idempotency_key_reused"],
        "payment": ["APIError", 402, "insufficient_credits"],
        "provider": ["InternalServerError", 502, "provider_empty"],
        "stream": ["APIError", None, "provider_failed"],
    }
    assert await street.house.differences() == []
