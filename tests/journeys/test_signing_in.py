"""People sign up, in and out over HTTP, with mails from a real mail server."""

from collections.abc import AsyncIterator

import pytest

from tests.journeys.door import (
    APP_URL,
    PASSWORD,
    REDEEM,
    REFRESH,
    REQUEST,
    SIGN_OUT,
    SIGN_UP,
    Door,
    open_door,
)
from tests.mail_server import text_of

ANNA = "anna@example.test"


@pytest.fixture
async def door(database_url: str, deployment_secret: str) -> AsyncIterator[Door]:
    async with open_door(database_url, deployment_secret) as door:
        yield door
        assert await door.house.differences() == []


async def test_from_signing_up_to_signing_out(door: Door) -> None:
    offered = await door.house.stranger.send(
        "{ service { signUpOpen emailConfirmation signInMethods signUpCredits } }"
    )
    asked = await door.knock(SIGN_UP, email=" Anna@Example.TEST ", password=PASSWORD)
    mail = await door.mails.mail_to(ANNA)
    token = await door.mails.token_to(ANNA)
    confirmed = await door.knock(REDEEM, token=token)
    anna = door.person(confirmed, "redeemMagicLink")
    answered = await anna.ask("What is a ledger?", "one")
    signed_out = await anna.send(SIGN_OUT)
    refused = await anna.send("{ balance { available } }")
    refreshed = await door.knock(
        REFRESH, refreshToken=confirmed["redeemMagicLink.session.refreshToken"]
    )
    back = await door.sign_in(ANNA)

    assert offered["service"] == {
        "signUpOpen": True,
        "emailConfirmation": True,
        "signInMethods": ["PASSWORD", "MAGIC_LINK"],
        "signUpCredits": "1000",
    }
    assert asked["signUp"] == {"__typename": "LinkSent", "email": ANNA}
    assert (mail["to"], mail["subject"]) == (ANNA, "Confirm your address")
    assert f"{APP_URL}/#token={token}" in text_of(mail)
    assert confirmed["redeemMagicLink.account.emailConfirmed"] is True
    assert confirmed["redeemMagicLink.account.balance.available"] == "1000"
    assert answered["askAI.answer.status"] == "SUCCEEDED"
    assert signed_out["signOut"] == {"__typename": "SignedOut", "sessionsEnded": 1}
    assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"])
    assert refreshed["refreshSession.code"] == "INVALID_CREDENTIALS"
    assert back["signIn.account.id"] == confirmed["redeemMagicLink.account.id"]


async def test_a_link_leads_to_the_path_that_was_asked_for(door: Door) -> None:
    await door.sign_up(ANNA)

    await door.knock(REQUEST, email=ANNA, returnPath="/keys?new=1")

    text = text_of(await door.mails.mail_to(ANNA, 2))
    assert f"{APP_URL}/keys?new=1#token=lt_" in text
