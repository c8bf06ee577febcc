"""A stream ends with the credential that began it; and it is no way round a limit."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypeAlias

import pytest

from app.asgi import application
from domain.identity import Role
from tests.app.streaming import listening, talking
from tests.journeys.programs import make_robot
from tests.journeys.serving import serving
from tests.journeys.system import House, open_house

WATCH = "subscription { balanceChanged { balance { available } } }"
SIGN_IN = """mutation { signIn(input: {email: "nobody@example.test", password: "not a password"}) {
  __typename ... on Problem { code } } }"""
TRIES = 3
PATIENCE = 60.0
Served: TypeAlias = tuple[House, tuple[str, int]]


@pytest.fixture
async def served(database_url: str, deployment_secret: str) -> AsyncIterator[Served]:
    """A system that never looks at rights again by itself."""
    async with open_house(
        database_url,
        deployment_secret,
        tries_per_minute=TRIES,
        sign_in_methods="PASSWORD",
        email_confirmation=False,
    ) as house:
        house.system.watched.streams.look_seconds = 3_600
        async with serving(application(house.system)) as address, asyncio.timeout(PATIENCE):
            yield house, address
        assert await house.differences() == []


async def test_a_stream_that_a_key_began_ends_when_the_key_does(served: Served) -> None:
    house, address = served
    owner = await house.demo_person(Role.USER)
    now = await house.database.fetchval("SELECT clock_timestamp()")
    expires_at = (now + timedelta(seconds=3)).isoformat()
    robot = await make_robot(house, owner, expiresAt=expires_at)

    async with talking(address) as talk, listening(address, WATCH, robot.secret) as events:
        await talk.begin(robot.secret)
        await talk.ask(WATCH)
        first = await talk.hear()
        heard = await events.all()
        code = await talk.closed()

    assert first["type"] == "next"
    assert [name for name, _ in heard] == ["next", "next", "complete"]
    assert "UNAUTHENTICATED" in str(heard[1])
    assert code == 4403


async def test_tries_to_sign_in_are_counted_together_whichever_way_they_come(
    served: Served,
) -> None:
    house, address = served

    async with talking(address) as talk:
        await talk.begin()
        await talk.ask(SIGN_IN, "first")
        by_socket = await talk.answers("first")
        async with listening(address, SIGN_IN) as events:
            by_events = await events.all()
        by_http = await house.stranger.send(SIGN_IN)
        await talk.ask(SIGN_IN, "again")
        again = await talk.answers("again")
        async with listening(address, SIGN_IN) as events:
            refused = await events.all()

    codes = [_code(by_socket[0]["payload"]), _code(by_events[0][1]), by_http["signIn.code"]]
    assert codes == ["INVALID_CREDENTIALS"] * TRIES
    assert [_code(again[0]["payload"]), _code(refused[0][1])] == ["RATE_LIMITED"] * 2


def _code(body: object) -> object:
    match body:
        case {"data": {"signIn": {"code": code}}}:
            return code
        case _:
            raise AssertionError(body)
