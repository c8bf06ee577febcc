"""Whatever can reach a provider is named here, and reaches it with an open hold or not at all."""

import ast
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.models.simulated import SimulatedProvider
from app.asgi import routes_of
from domain.passed_calls import Door
from tests.gateway.street import MODEL
from tests.journeys.system import House, Person, open_house

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "schema", "resolvers", "domain", "persistence")

ROUTES = {
    "/",
    "/graphiql",
    "/graphql",
    "/healthz",
    "/readyz",
    "/schema.graphql",
}
"""What is routed, other than pages, mails and payments; of these, GraphQL's askAI asks."""

OTHERS = ("/graphiql/", "/outbox", "/webhooks/", "/sandbox/")

CALLS_OF_PROVIDERS = {
    # Where a run asks, and where the errand of a run that is passed on does.
    ("domain/running.py", "provider.complete"),
    ("domain/passing.py", "self.provider.pass_on"),
    # The service, not a provider.
    ("app/gateway/door.py", "self.passing.pass_on"),
}
BEGINNINGS_OF_RUNS = {
    ("domain/asking.py", "self.running.start"),
    ("domain/passing.py", "self.asking.running.start"),
    ("domain/queueing.py", "self.running.start"),
}
HOLDS = {("domain/asking.py", "self.ledger.hold")}


class WatchedProvider(SimulatedProvider):
    """Looks, with each call, how many holds are open."""

    def __init__(self, database: asyncpg.Pool) -> None:
        super().__init__()
        self._database = database
        self.seen: list[tuple[str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = await self._database.fetchval(
            "SELECT count(*) FROM tallystick.holds WHERE status = 'OPEN'"
        )
        self.seen.append((scope["path"], count))
        await super().__call__(scope, receive, send)


def calls(*endings: str) -> Iterator[tuple[str, str]]:
    """Every call in our code, outside adapters, of something with one of these names."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    called = ast.unparse(node.func)
                    if called.endswith(endings):
                        yield str(file.relative_to(ROOT)), called


def test_providers_are_called_in_one_place_and_runs_begin_behind_one_hold() -> None:
    assert set(calls(".complete", ".pass_on")) == CALLS_OF_PROVIDERS
    assert set(calls("running.start")) == BEGINNINGS_OF_RUNS
    assert set(calls("ledger.hold")) == HOLDS


async def test_every_route_that_reaches_a_provider_has_a_hold_by_then(
    database_url: str, deployment_secret: str
) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            asyncpg.create_pool(database_url, min_size=0, max_size=2)
        )
        provider = WatchedProvider(database)
        house = await stack.enter_async_context(
            open_house(database_url, deployment_secret, provider=provider)
        )
        rich, _ = await house.visitor()
        statuses = [status async for status in knock_everywhere(house, rich)]
        paths = {route.path for route in routes_of(house.system) if isinstance(route, Route)}

    assert statuses == ["AskAISuccess", 200, 200, 200, 200, 200]
    assert provider.seen == [
        ("/v1/chat/completions", 1),
        ("/v1/chat/completions", 1),
        ("/v1/chat/completions", 1),
        ("/v1/embeddings", 1),
        ("/v1/responses", 1),
        ("/v1/responses", 1),
    ]
    assert {path for path in paths if not path.startswith(OTHERS)} == ROUTES
    assert set(Door) == {Door.CHAT, Door.EMBEDDINGS, Door.RESPONSES}


async def test_no_route_reaches_a_provider_without_credits(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret, sign_up_credits="0") as house:
        poor, _ = await house.visitor()
        statuses = [status async for status in knock_everywhere(house, poor)]

    assert statuses == ["InsufficientCredits", 402, 402, 402, 402, 402]
    assert house.provider.calls_received == 0


async def knock_everywhere(house: House, person: Person) -> AsyncIterator[object]:
    """Ask by every way there is, one after another."""
    asked = await person.ask("hello", "one")
    yield asked["askAI.__typename"]
    messages = [{"role": "user", "content": "hello"}]
    for path, body in (
        ("chat/completions", {"messages": messages}),
        ("chat/completions", {"messages": messages, "stream": True}),
        ("embeddings", {"input": "hello"}),
        ("responses", {"input": "hello"}),
        ("responses", {"input": "hello", "stream": True}),
    ):
        reply = await house.http.post(
            f"/v1/{path}",
            json={"model": MODEL, **body},
            headers={"authorization": f"Bearer {person.token}"},
        )
        yield reply.status_code
