"""What was asked over HTTP is summed up for whoever asked it, and for administrators."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from domain.identity import Role
from persistence.folding import PostgresFolding
from persistence.pools import pool_of
from persistence.roles import Login
from tests.app.asking import Reply
from tests.journeys.programs import make_robot
from tests.journeys.system import House, Person, open_house

MINE = """query ($from: DateTime!, $filter: UsageFilter) {
  usage(first: 100, filter: $filter) { nodes {
    charged inputTokens outputTokens latencyMs apiKey { id } model { id } } }
  usageSummary(range: { from: $from }, filter: $filter, timeZone: "Asia/Kathmandu") {
    totals { ...figures } buckets { totals { ...figures } }
    byModel { model { id } totals { ...figures } }
    byApiKey { apiKey { id name } totals { ...figures } } } }
fragment figures on UsageTotals {
  attempts succeeded failed inputTokens outputTokens charged
  latencyMs { average p50 p95 } firstTokenMs { p50 } }"""
EVERYBODYS = """query ($from: DateTime!, $id: ID!) { admin {
  usageSummary(range: { from: $from }) { totals { attempts charged providerCost }
    byApiKey { apiKey { id } totals { attempts } } }
  account(id: $id) { usageSummary(range: { from: $from }) { totals { attempts } } } } }"""


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret, asks_per_minute=1_000) as house:
        yield house
        assert await house.differences() == []


async def yesterday(house: House) -> str:
    found = await house.database.fetchval("SELECT now() - interval '1 day'")
    return str(found.isoformat())


def listed(reply: Reply, path: str, name: str) -> list[object]:
    """What each item of a list says under a name."""
    items = reply[path]
    assert isinstance(items, list)
    return [reply[f"{path}.{n}.{name}"] for n in range(len(items))]


def is_sum_of_usage(reply: Reply) -> bool:
    """Whether the totals are what the records that are listed add up to."""
    for figure in ("inputTokens", "outputTokens", "charged"):
        each = listed(reply, "usage.nodes", figure)
        total = str(reply[f"usageSummary.totals.{figure}"])
        assert Decimal(total) == sum(Decimal(str(amount)) for amount in each)
    count = len(listed(reply, "usage.nodes", "charged"))
    attempts = [
        reply["usageSummary.totals.attempts"],
        reply["usageSummary.totals.succeeded"],
        *listed(reply, "usageSummary.byModel", "totals.attempts"),
        listed(reply, "usageSummary.buckets", "totals.attempts")[-1],
    ]
    return attempts == [count] * 4 and reply["usageSummary.totals.latencyMs"] is not None


async def ask(person: Person, count: int, name: str) -> None:
    replies = await asyncio.gather(
        *(person.ask("What is a ledger?", f"{name} {n}") for n in range(count))
    )
    assert {reply.text("askAI.__typename") for reply in replies} == {"AskAISuccess"}


async def fold(house: House) -> int:
    """What the upkeep does, without waiting for what is certain to be old."""
    async with pool_of(
        Login.WORKER, house.deployment.url_of(Login.WORKER), connections_max=1
    ) as pool:
        return await PostgresFolding(pool, spared=0).fold()


async def test_a_summary_is_of_the_records_that_usage_lists(house: House) -> None:
    owner, account_id = await house.visitor()
    robot = await make_robot(house, owner)
    await ask(owner, 3, "a person")
    assert await fold(house) == 3
    await ask(robot.person, 2, "a robot")
    since = await yesterday(house)

    owners = await owner.send(MINE, **{"from": since})
    robots = await robot.person.send(MINE, **{"from": since})
    filtered = await owner.send(MINE, **{"from": since}, filter={"apiKeyId": robot.key_id})

    assert is_sum_of_usage(owners)
    assert is_sum_of_usage(robots)
    assert owners["usageSummary.totals.attempts"] == 5
    assert listed(owners, "usageSummary.byApiKey", "totals.attempts") == [3, 2]
    assert owners["usageSummary.byApiKey.1.apiKey.id"] == robot.key_id
    assert filtered["usageSummary"] == robots["usageSummary"]

    administrator = await house.demo_person(Role.ADMIN)
    everybody = await administrator.send(EVERYBODYS, **{"from": since}, id=account_id)
    assert everybody["admin"] == {
        "usageSummary": {
            "totals": {
                "attempts": 5,
                "charged": owners["usageSummary.totals.charged"],
                "providerCost": everybody.text("admin.usageSummary.totals.providerCost"),
            },
            "byApiKey": [
                {"apiKey": None, "totals": {"attempts": 3}},
                {"apiKey": {"id": robot.key_id}, "totals": {"attempts": 2}},
            ],
        },
        "account": {"usageSummary": {"totals": {"attempts": 5}}},
    }


async def test_it_makes_no_difference_how_far_usage_is_folded(house: House) -> None:
    owner, _ = await house.visitor()
    await make_robot(house, owner)
    await ask(owner, 4, "a person")
    since = await yesterday(house)
    before = await owner.send(MINE, **{"from": since})

    assert await fold(house) == 4

    after = await owner.send(MINE, **{"from": since})
    assert after["usageSummary"] == before["usageSummary"]


async def test_a_range_that_cannot_be_is_told_as_a_bad_request(house: House) -> None:
    owner, _ = await house.visitor()

    reply = await owner.send(MINE, **{"from": "2999-01-01T00:00:00Z"})

    assert reply.codes == ["BAD_REQUEST"]
    assert "Lies in the future" in str(reply.body)
