"""One allowance, whichever door a caller takes."""

from tests.journeys.system import Person, open_house

COSTLY = "{ usage(first: 100) { nodes { id answer { id } model { id } } } }"
STREAM = "text/event-stream"


async def test_who_has_used_up_their_points_is_refused_at_every_door(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(
        database_url, deployment_secret, points_per_minute=1_000, demo_sessions_per_minute=100
    ) as house:
        user, _ = await house.visitor()
        other, _ = await house.visitor()
        for _ in range(3):
            assert (await user.send(COSTLY)).status == 200
        bearer = {"authorization": f"Bearer {user.token}"}

        json = await user.send(COSTLY)
        stream = await house.http.post(
            "/graphql", json={"query": COSTLY}, headers={**bearer, "accept": STREAM}
        )
        models = [await house.http.get("/v1/models", headers=bearer) for _ in range(110)]
        free = [
            await other.send(COSTLY),
            await house.stranger.send("{ rateLimit { cost } }"),
        ]

    assert (json.status, json.codes) == (429, ["RATE_LIMITED"])
    assert "RATE_LIMITED" in stream.text
    assert {response.status_code for response in models} == {200, 429}
    assert models[-1].status_code == 429
    assert int(models[-1].headers["retry-after"]) > 0
    assert [reply.status for reply in free] == [200, 200]


async def test_two_systems_on_one_database_share_a_callers_points(
    database_url: str, deployment_secret: str
) -> None:
    async with (
        open_house(database_url, deployment_secret, points_per_minute=1_000) as one,
        open_house(database_url, deployment_secret, points_per_minute=1_000) as other,
    ):
        user, _ = await one.visitor()
        statuses = [(await user.send(COSTLY)).status for _ in range(2)]
        elsewhere = Person(other.http, user.token)
        statuses += [(await elsewhere.send(COSTLY)).status for _ in range(3)]

    assert statuses[:3] == [200] * 3
    assert statuses[-1] == 429


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
