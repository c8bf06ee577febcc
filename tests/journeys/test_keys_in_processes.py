"""API keys, and several processes on one database: told everywhere at once, safe from kill -9."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import asyncpg
import httpx2

from adapters.price_book import read_price_book
from persistence import operating, verifying
from tests.app.asking import Caller, Reply, demo_caller
from tests.app.shell import Running, running
from tests.journeys.programs import CREATE, FUND, REVOKE, UPDATE
from tests.journeys.system import PRICE_BOOK

ASKS = """mutation ($content: String!, $key: String!) {
  askAI(input: { messages: { content: $content }, maxOutputTokens: 100, idempotencyKey: $key }) {
    __typename ... on Problem { code } } }"""
CALLERS = 8
ANSWERS_MIN = 40
LEASE_SECONDS = 2


@contextmanager
def two_processes(database_url: str, secret: str) -> Iterator[tuple[Running, Running]]:
    """Two servers on one database, ready for requests."""
    asyncio.run(operating.load_models(database_url, read_price_book(PRICE_BOOK)))
    settings = {
        "DATABASE_URL": database_url,
        "TALLYSTICK_SECRET": secret,
        "DEMO_MODE": "true",
        "PORT": "0",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "ASKS_PER_MINUTE": "1000000",
        "POINTS_PER_MINUTE": "100000000",
    }
    with running("serve", **settings) as one, running("serve", **settings) as other:
        one.wait_for('"event":"serving"')
        other.wait_for('"event":"serving"')
        yield one, other


def ask(robot: Caller, key: str) -> Reply:
    return robot.send(ASKS, content="What is a ledger?", key=key)


def test_a_key_that_is_edited_or_revoked_is_so_in_every_process_at_once(
    database_url: str, deployment_secret: str
) -> None:
    with two_processes(database_url, deployment_secret) as (one, other):
        owner, _ = demo_caller(one.url)
        made = owner.send(CREATE, input={"name": "a robot"})
        key_id, secret = made.text("createApiKey.apiKey.id"), made.text("createApiKey.secret")
        here, there = Caller(one.url, secret), Caller(other.url, secret)
        at_first = [ask(here, "1")["askAI.__typename"], ask(there, "2")["askAI.__typename"]]

        def change(**settings: object) -> None:
            owner.send(UPDATE, input={"apiKeyId": key_id, **settings})

        change(enabled=False)
        switched_off = [here.send("{ balance { available } }"), there.send("{ balance { held } }")]
        change(enabled=True, budget={"limit": "0.000001"})
        without_budget = ask(there, "3")
        change(budget=None)
        with_budget = ask(there, "4")
        change(requestsPerMinute=1)
        too_often = [ask(there, key) for key in ("5", "6")]
        owner.send(REVOKE, id=key_id)
        revoked = [there.send("{ balance { available } }"), here.send("{ balance { held } }")]

    assert at_first == ["AskAISuccess"] * 2
    assert [reply.status for reply in switched_off] == [401, 401]
    assert without_budget["askAI.code"] == "BUDGET_EXCEEDED"
    assert with_budget["askAI.__typename"] == "AskAISuccess"
    assert too_often[1]["askAI.code"] == "RATE_LIMITED"
    assert [reply.codes for reply in revoked] == [["UNAUTHENTICATED"]] * 2


def test_a_process_is_killed_while_keys_spend_and_every_credit_is_where_it_belongs(
    database_url: str, deployment_secret: str
) -> None:
    with two_processes(database_url, deployment_secret) as (one, other):
        owner, _ = demo_caller(other.url)
        limited = owner.send(CREATE, input={"name": "a", "budget": {"limit": "400"}})
        own = owner.send(CREATE, input={"name": "b", "funding": "OWN"})
        own_id = own.text("createApiKey.apiKey.id")
        owner.send(FUND, id=own_id, amount="400", key="1")
        secrets = [reply.text("createApiKey.secret") for reply in (limited, own)]

        asyncio.run(ask_until_killed(one, secrets))
        revoked = owner.send(REVOKE, id=own_id)
        charged = asyncio.run(until_nothing_is_held(database_url))
        report = asyncio.run(verifying.verify(database_url))
        total = Decimal(owner.send("{ balance { total } }").text("balance.total"))

    assert revoked["revokeApiKey.apiKey.status"] == "REVOKED"
    assert report.is_clean, report.lines()
    assert total == 1_000 - Decimal(charged) / 1_000_000


async def ask_until_killed(server: Running, secrets: list[str]) -> None:
    """Keys ask as fast as they can, some of it slow, until their process dies under them."""
    answered = 0

    async def caller(number: int, http: httpx2.AsyncClient) -> None:
        nonlocal answered
        headers = {"authorization": f"Bearer {secrets[number % 2]}"}
        for turn in range(1_000):
            content = "What is a ledger?" + ("\nsimulate: slow 1" if turn % 5 == 4 else "")
            variables = {"content": content, "key": f"{number} {turn}"}
            try:
                reply = await http.post(
                    "/graphql", json={"query": ASKS, "variables": variables}, headers=headers
                )
            except httpx2.HTTPError:
                return
            answered += reply.json()["data"]["askAI"]["__typename"] == "AskAISuccess"
            if answered == ANSWERS_MIN:
                server.process.send_signal(signal.SIGKILL)

    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
        await asyncio.gather(*(caller(number, http) for number in range(CALLERS)))
    assert answered >= ANSWERS_MIN


async def until_nothing_is_held(database_url: str) -> int:
    """Wait until the survivor has ended what the dead one left open, and emptied what is revoked.

    Returns what all answers were charged together.
    """
    connection = await asyncpg.connect(database_url)
    try:
        for _ in range(300):
            row = await connection.fetchrow(
                "SELECT sum(held) AS held, sum(total) FILTER (WHERE key_number > 0) AS of_keys,"
                " (SELECT coalesce(sum(held), 0) FROM tallystick.key_budgets) AS budgeted,"
                " (SELECT -sum(amount) FROM tallystick.entries WHERE kind = 'CHARGE') AS charged"
                " FROM tallystick.balances"
            )
            assert row is not None
            if row["held"] == 0 and row["budgeted"] == 0 and row["of_keys"] == 0:
                return int(row["charged"])
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
    raise AssertionError("something is held for ever")
