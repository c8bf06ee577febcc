"""However a request is answered or refused, it stays out of caches, frames and guesses."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.routing import Route

from app.asgi import routes_of
from tests.app.asking import COSTLY
from tests.journeys.system import House, open_house

ELSEWHERE = ("/nowhere", "/v1/models", "/v1/nowhere", "/v1/chat/completions", "/graphql/")
METHODS = ("GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "TRACE")


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret) as house:
        yield house


def paths(house: House) -> list[str]:
    """Every path that is routed to, and some that are not."""
    routed = [route.path for route in routes_of(house.system) if isinstance(route, Route)]
    assert {"/", "/graphql", "/graphiql", "/healthz", "/readyz"} <= set(routed)
    return [path.replace("{", "").replace("}", "") for path in routed] + list(ELSEWHERE)


def missing(response: httpx2.Response) -> list[str]:
    headers = response.headers
    policy = headers.get("content-security-policy", "")
    rules = {
        "nosniff": headers.get("x-content-type-options") == "nosniff",
        "no referrer elsewhere": headers.get("referrer-policy") in {"no-referrer", "same-origin"},
        "no frames": "frame-ancestors 'none'" in policy,
        "no scripts of others": "default-src 'none'" in policy or "default-src 'self'" in policy,
        "no cache": bool(headers.get("cache-control")),
        "an id": bool(headers.get("x-request-id")),
        "no software's name": "server" not in headers and "x-powered-by" not in headers,
        "no permission": "access-control-allow-origin" not in headers,
    }
    return [name for name, holds in rules.items() if not holds]


async def test_every_route_answers_every_method_with_safe_headers(house: House) -> None:
    found = {}
    for path in paths(house):
        for method in METHODS:
            response = await house.http.request(
                method, path, headers={"origin": "https://evil.test"}, follow_redirects=False
            )
            if lacks := missing(response):
                found[f"{method} {path} ({response.status_code})"] = lacks

    assert found == {}


async def test_answers_of_the_api_are_never_kept(house: House) -> None:
    user, _ = await house.visitor()

    replies = [
        await house.http.post(
            "/graphql",
            json={"query": "{ balance { available } }"},
            headers={"authorization": f"Bearer {token}"},
        )
        for token in (user.token, "forged")
    ]

    assert [reply.status_code for reply in replies] == [200, 401]
    assert [reply.headers["cache-control"] for reply in replies] == ["no-store"] * 2
    assert replies[1].headers["www-authenticate"].startswith("Bearer")


async def test_too_many_requests_are_told_when_to_come_back(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret, points_per_minute=1_000) as house:
        user, _ = await house.visitor()
        responses = [
            await house.http.post(
                "/graphql",
                json={"query": COSTLY},
                headers={"authorization": f"Bearer {user.token}"},
            )
            for _ in range(2)
        ]

    response = responses[-1]
    [error] = response.json()["errors"]
    assert response.status_code == 429
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert int(response.headers["retry-after"]) == error["extensions"]["retryAfterSeconds"] > 0
