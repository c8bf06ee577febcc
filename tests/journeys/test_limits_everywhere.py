"""One allowance, whichever door a caller takes."""

from dataclasses import replace

import httpx2

from domain.allowing import Allowance
from domain.errors import RateLimited
from tests.app.asking import COSTLY
from tests.journeys.system import Person, open_house

STREAM = "text/event-stream"


class NoPoints:
    """Has nothing left for anybody, and says who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def take(self, who: str, amount: int = 1) -> Allowance:
        self.asked.append(who)
        raise RateLimited(retry_after_seconds=7)


async def test_who_has_used_up_their_points_is_refused_and_nobody_else(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(
        database_url, deployment_secret, points_per_minute=1_000, demo_sessions_per_minute=100
    ) as house:
        user, _ = await house.visitor()
        other, _ = await house.visitor()
        headers = {"authorization": f"Bearer {user.token}", "accept": STREAM}

        first, second = await user.send(COSTLY), await user.send(COSTLY)
        stream = await house.http.post("/graphql", json={"query": COSTLY}, headers=headers)
        free = [await other.send(COSTLY), await house.stranger.send("{ rateLimit { cost } }")]

    assert first.status == 200
    assert (second.status, second.codes) == (429, ["RATE_LIMITED"])
    assert "RATE_LIMITED" in stream.text
    assert [reply.status for reply in free] == [200, 200]


async def test_reading_models_as_openais_clients_do_is_counted(
    database_url: str, deployment_secret: str
) -> None:
    points = NoPoints()
    async with open_house(database_url, deployment_secret) as house:
        user, _ = await house.visitor()
        gateway = replace(house.system.gateway, points=points)
        transport = httpx2.ASGITransport(gateway)
        async with httpx2.AsyncClient(transport=transport, base_url="http://toy") as http:
            refused = await http.get(
                "/v1/models", headers={"authorization": f"Bearer {user.token}"}
            )

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert len(points.asked) == 1
    assert points.asked[0].endswith(", key 0")


async def test_two_systems_on_one_database_share_a_callers_points(
    database_url: str, deployment_secret: str
) -> None:
    async with (
        open_house(database_url, deployment_secret, points_per_minute=1_000) as one,
        open_house(database_url, deployment_secret, points_per_minute=1_000) as other,
    ):
        user, _ = await one.visitor()
        here = await user.send(COSTLY)
        elsewhere = await Person(other.http, user.token).send(COSTLY)

    assert (here.status, elsewhere.status) == (200, 429)


async def test_fifty_tries_at_once_in_one_document_are_none(
    database_url: str, deployment_secret: str
) -> None:
    tries = " ".join(
        f'a{n}: signInWithGoogle(input: {{idToken: "{n}", nonce: "a nonce"}}) {{ __typename }}'
        for n in range(50)
    )
    async with open_house(database_url, deployment_secret, tries_per_minute=5) as house:
        aliased = [
            await house.stranger.send(f"mutation {{ {tries} }}"),
            await house.stranger.send(f"mutation {{ {tries[: tries.index('a2:')]} }}"),
        ]

    assert [reply.codes for reply in aliased] == [["TOO_EXPENSIVE"]] * 2
