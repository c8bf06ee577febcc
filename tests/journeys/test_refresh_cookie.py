"""In cookie mode a browser keeps the refresh token where no script can read it."""

from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie

import httpx2
import pytest

from app.refresh_cookies import NAME
from tests.app.asking import DEMO, Reply
from tests.journeys.system import House, open_house

APP = "https://app.tallystick.test"
REFRESH = """
mutation($token: String) {
  refreshSession(input: {refreshToken: $token}) {
    __typename
    ... on SessionStarted { session { accessToken refreshToken } account { id } }
    ... on Problem { code }
  }
}
"""
START = DEMO.replace("accessToken", "accessToken refreshToken")
SIGN_OUT = "mutation { signOut(input: {}) { ... on SignedOut { sessionsEnded } } }"


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(
        database_url, deployment_secret, refresh_cookie=True, allowed_origins=APP
    ) as house:
        yield house


async def send(
    house: House, query: str, **headers: str
) -> tuple[Reply, "Morsel[str] | None", httpx2.Response]:
    """The reply, and the cookie that came with it. Tests are their own browser."""
    house.http.cookies.clear()
    response = await house.http.post("/graphql", json={"query": query}, headers=headers)
    house.http.cookies.clear()
    cookies: SimpleCookie = SimpleCookie(response.headers.get("set-cookie", ""))
    return Reply(response.status_code, response.json()), cookies.get(NAME), response


def kept(token: str) -> str:
    return f"{NAME}={token}"


async def started(house: House) -> tuple[str, str]:
    """An access token, and the refresh token in its cookie."""
    reply, cookie, _ = await send(house, START, origin=APP)
    assert cookie is not None
    return reply.text("startDemoSession.session.accessToken"), cookie.value


async def test_a_session_sets_the_cookie_and_does_not_tell_the_token(house: House) -> None:
    reply, cookie, response = await send(house, START, origin=APP)

    assert reply["startDemoSession.session.refreshToken"] is None
    assert cookie is not None
    assert cookie.value
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Strict", "/graphql", "")
    assert response.headers["access-control-allow-credentials"] == "true"
    assert cookie.value not in response.text


async def test_the_cookie_is_traded_for_the_next_session_and_the_next_cookie(
    house: House,
) -> None:
    _, token = await started(house)

    reply, cookie, _ = await send(house, REFRESH, origin=APP, cookie=kept(token))

    assert reply["refreshSession.__typename"] == "SessionStarted"
    assert reply["refreshSession.session.refreshToken"] is None
    assert cookie is not None
    assert cookie.value not in {"", token}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://app.tallystick.test"},
        {"origin": "https://app.tallystick.test.evil.test"},
    ],
)
async def test_a_page_that_may_not_call_has_no_cookie(
    house: House, headers: dict[str, str]
) -> None:
    _, token = await started(house)

    reply, cookie, _ = await send(house, REFRESH, cookie=kept(token), **headers)

    assert reply["refreshSession.code"] == "INVALID_INPUT"
    assert cookie is None


async def test_the_cookie_alone_is_nobody(house: House) -> None:
    _, token = await started(house)
    queries = ("{ balance { available } }", SIGN_OUT, '{ answer(id: "x") { id } }')

    replies = [await send(house, query, origin=APP, cookie=kept(token)) for query in queries]

    assert [reply.status for reply, _, _ in replies] == [401] * 3
    assert (await send(house, REFRESH, origin=APP, cookie=kept(token)))[0].status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_a_form_can_send_is_not_read(house: House, content_type: str) -> None:
    _, token = await started(house)
    body = b'{"query": "mutation { refreshSession(input: {}) { __typename } }"}'
    headers = {"content-type": content_type, "origin": APP, "cookie": kept(token)}

    response = await house.http.post("/graphql", content=body, headers=headers)

    assert response.status_code == 415
    assert "set-cookie" not in response.headers


async def test_signing_out_removes_the_cookie(house: House) -> None:
    access_token, token = await started(house)
    bearer = f"Bearer {access_token}"

    reply, cookie, _ = await send(
        house, SIGN_OUT, origin=APP, authorization=bearer, cookie=kept(token)
    )
    again, _, _ = await send(house, REFRESH, origin=APP, cookie=kept(token))

    assert reply["signOut.sessionsEnded"] == 1
    assert cookie is not None
    assert (cookie.value, cookie["expires"]) == ("", "Thu, 01 Jan 1970 00:00:00 GMT")
    assert again["refreshSession.code"] == "INVALID_CREDENTIALS"


async def test_a_program_may_still_send_its_token(house: House) -> None:
    _, token = await started(house)

    response = await house.http.post(
        "/graphql", json={"query": REFRESH, "variables": {"token": token}}
    )

    assert Reply(200, response.json())["refreshSession.__typename"] == "SessionStarted"


async def test_without_cookie_mode_no_cookie_is_read_or_set(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret, allowed_origins=APP) as house:
        reply, cookie, response = await send(house, START, origin=APP)
        token = reply.text("startDemoSession.session.refreshToken")
        refused, _, _ = await send(house, REFRESH, origin=APP, cookie=kept(token))

    assert cookie is None
    assert "access-control-allow-credentials" not in response.headers
    assert refused["refreshSession.code"] == "INVALID_INPUT"
