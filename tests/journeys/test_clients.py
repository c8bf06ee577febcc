"""The clients that people use, under node, and the recipes of docs/api.md on a bad network."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.asgi import application
from tests import node
from tests.journeys.serving import serving
from tests.journeys.system import open_house

RUNS = 100
RECIPES = re.compile(r"```js\n(// (follow-by-\w+\.mjs)\n.*?)```", re.DOTALL)
PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@asynccontextmanager
async def served(database_url: str, secret: str) -> AsyncIterator[str]:
    """Where a system is served that lets anybody ask as often as they like."""
    async with open_house(
        database_url,
        secret,
        asks_per_minute=10_000,
        demo_sessions_per_minute=10_000,
        points_per_minute=10_000_000,
    ) as house:
        async with serving(application(house.system)) as (host, port):
            yield f"http://{host}:{port}"
        assert await house.differences() == []


async def printed_by(script: str, *arguments: str) -> Mapping[str, object]:
    printed = await asyncio.to_thread(node.run, script, *arguments, folder=node.CLIENTS)
    found = json.loads(printed)
    assert isinstance(found, dict)
    return found


async def test_each_client_asks_and_follows(database_url: str, deployment_secret: str) -> None:
    async with served(database_url, deployment_secret) as origin:
        heard = await printed_by("everyday.mjs", origin)

    whole = {"total": "1000", "status": "SUCCEEDED", "isWhole": True}
    assert heard == dict.fromkeys(("graphql-ws", "graphql-sse", "apollo", "urql"), whole)


@pytest.mark.parametrize("name", ["follow-by-events.mjs", "follow-by-socket.mjs"])
async def test_a_recipe_shows_the_whole_text_however_often_the_connection_is_lost(
    name: str, database_url: str, deployment_secret: str
) -> None:
    recipes = {found: code for code, found in RECIPES.findall(PAGE.read_text(encoding="utf-8"))}
    folder = node.CLIENTS / "recipes"
    folder.mkdir(exist_ok=True)
    recipe = folder / name
    recipe.write_text(recipes[name], encoding="utf-8")

    async with served(database_url, deployment_secret) as origin:
        told = await printed_by("follow.mjs", str(recipe), origin, str(RUNS))

    assert (told["runs"], told["wrong"], told["repainted"]) == (RUNS, 0, 0)
    cuts = told["cuts"]
    assert isinstance(cuts, int)
    assert cuts > RUNS / 2
