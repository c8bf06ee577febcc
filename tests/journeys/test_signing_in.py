"""People sign up, in and out over HTTP, with mails from a real mail server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.identity import Role
from persistence.operating import set_role
from tests.journeys.door import (
    APP_URL,
    PASSWORD,
    REDEEM,
    REFRESH,
    REINSTATE,
    REQUEST,
    SET_PASSWORD,
    SIGN_IN,
    SIGN_OUT,
    SIGN_UP,
    SUSPEND,
    Door,
    open_door,
)
from tests.mail_server import text_of

ANNA = "anna@example.test"
NOBODY = "nina@example.test"
"""As long as Anna's, so that replies can be compared byte by byte."""

OTHER_PASSWORD = "another horse, another battery"
BALANCE = "{ balance { available } }"


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


async def test_a_link_is_traded_by_a_change_alone_and_once(door: Door) -> None:
    await door.knock(SIGN_UP, email=ANNA, password=PASSWORD)
    token = await door.mails.token_to(ANNA)
    query = f'mutation {{ redeemMagicLink(input: {{ token: "{token}" }}) {{ __typename }} }}'

    prefetched = await door.house.http.get("/graphql", params={"query": query})
    redeemed = await asyncio.gather(*(door.knock(REDEEM, token=token) for _ in range(20)))

    assert prefetched.status_code == 405
    outcomes = [reply["redeemMagicLink.__typename"] for reply in redeemed]
    assert sorted(map(str, outcomes)) == ["InvalidCredentials"] * 19 + ["SessionStarted"]


async def test_a_known_address_is_answered_like_an_unknown_one_to_the_byte(door: Door) -> None:
    await door.sign_up(ANNA)

    async def told(query: str, **wanted: object) -> tuple[bytes, bytes]:
        """What is told of Anna, and of nobody."""
        replies = [
            await door.house.http.post(
                "/graphql", json={"query": query, "variables": {"input": {"email": e, **wanted}}}
            )
            for e in (ANNA, NOBODY)
        ]
        known, unknown = (reply.content for reply in replies)
        return known, unknown.replace(NOBODY.encode(), ANNA.encode())

    for query, wanted in (
        (SIGN_IN, {"password": OTHER_PASSWORD}),
        (REQUEST, {}),
        (SIGN_UP, {"password": OTHER_PASSWORD}),
        (SIGN_UP, {"displayName": "Anna"}),
    ):
        known, unknown = await told(query, **wanted)
        assert known == unknown
    assert text_of(await door.mails.mail_to(ANNA, 2)).startswith("Open this link to sign in")


async def test_a_changed_password_ends_every_other_session_at_once(door: Door) -> None:
    here, _ = await door.member(ANNA)
    elsewhere = await door.sign_in(ANNA)
    there = door.person(elsewhere, "signIn")

    wrong = await here.send(
        SET_PASSWORD, input={"newPassword": OTHER_PASSWORD, "currentPassword": "not it at all"}
    )
    still = await there.send(BALANCE)
    changed = await here.send(
        SET_PASSWORD, input={"newPassword": OTHER_PASSWORD, "currentPassword": PASSWORD}
    )

    assert wrong["setPassword.code"] == "INVALID_CREDENTIALS"
    assert wrong["setPassword.message"] == "The current password is missing or wrong."
    assert still.codes == []
    assert changed["setPassword.__typename"] == "PasswordSet"
    assert (await there.send(BALANCE)).codes == ["UNAUTHENTICATED"]
    assert (await here.send(BALANCE)).codes == []
    refreshed = await door.knock(REFRESH, refreshToken=elsewhere["signIn.session.refreshToken"])
    assert refreshed["refreshSession.code"] == "INVALID_CREDENTIALS"
    assert (await door.sign_in(ANNA))["signIn.code"] == "INVALID_CREDENTIALS"
    assert (await door.sign_in(ANNA, OTHER_PASSWORD))["signIn.__typename"] == "SessionStarted"


async def test_a_forgotten_password_is_reset_by_a_mailed_link(door: Door) -> None:
    await door.sign_up(ANNA)
    await door.knock(REQUEST, email=ANNA)
    back = await door.knock(REDEEM, token=await door.mails.token_to(ANNA, 2))
    anna = door.person(back, "redeemMagicLink")

    reset = await anna.send(SET_PASSWORD, input={"newPassword": OTHER_PASSWORD})

    assert reset["setPassword.__typename"] == "PasswordSet"
    assert (await door.sign_in(ANNA, OTHER_PASSWORD))["signIn.__typename"] == "SessionStarted"


async def test_a_suspension_is_felt_at_once_and_is_over_for_new_sessions_only(door: Door) -> None:
    anna, signed_in = await door.member(ANNA)
    admin = await door.house.demo_person(Role.ADMIN)
    account_id = signed_in["signIn.account.id"]
    refresh_token = signed_in["signIn.session.refreshToken"]
    link = await _asked_for_link(door)

    suspended = await admin.send(SUSPEND, id=account_id, reason="fraud")
    refused = await anna.send(BALANCE)
    attempts = [
        (await door.sign_in(ANNA))["signIn.code"],
        (await door.knock(REFRESH, refreshToken=refresh_token))["refreshSession.code"],
        (await door.knock(REDEEM, token=link))["redeemMagicLink.code"],
    ]
    reinstated = await admin.send(REINSTATE, id=account_id, reason="it was not")
    audit = await admin.send(
        "{ admin { auditLog(first: 2) { nodes { action summary targetId actor { email } } } } }"
    )

    assert suspended["suspendAccount.account"] == {
        "status": "SUSPENDED", "suspensionReason": "fraud",
    }  # fmt: skip
    assert (refused.status, refused.codes) == (403, ["ACCOUNT_SUSPENDED"])
    assert attempts == ["ACCOUNT_SUSPENDED"] * 3
    assert reinstated["reinstateAccount.account"] == {
        "status": "ACTIVE", "suspensionReason": None,
    }  # fmt: skip
    assert (await anna.send(BALANCE)).codes == ["UNAUTHENTICATED"]
    assert (await door.sign_in(ANNA))["signIn.__typename"] == "SessionStarted"
    assert audit["admin.auditLog.nodes"] == [
        {
            "action": action,
            "summary": summary,
            "targetId": account_id,
            "actor": {"email": "admin@demo.test"},
        }
        for action, summary in (
            ("reinstateAccount", "reinstated: it was not"),
            ("suspendAccount", "suspended: fraud"),
        )
    ]


async def _asked_for_link(door: Door) -> str:
    await door.knock(REQUEST, email=ANNA)
    return await door.mails.token_to(ANNA, 2)


async def test_an_administrator_suspends_neither_themselves_nor_without_a_reason(
    door: Door,
) -> None:
    admin = await door.house.demo_person(Role.ADMIN)
    oneself = (await admin.send("{ viewer { account { id } } }")).text("viewer.account.id")

    tired = await admin.send(SUSPEND, id=oneself, reason="tired")
    silent = await admin.send(SUSPEND, id=oneself, reason=" ")
    unknown = await admin.send(SUSPEND, id="acct_x", reason="who")

    assert tired["suspendAccount.code"] == "STATE_CONFLICT"
    assert silent["suspendAccount.code"] == "INVALID_INPUT"
    assert unknown["suspendAccount.code"] == "NOT_FOUND"
    assert (await admin.send(BALANCE)).codes == []


async def test_an_administrator_of_a_moment_ago_suspends_nobody(door: Door) -> None:
    anna, signed_in = await door.member(ANNA)
    account_id = signed_in["signIn.account.id"]
    await set_role(door.house.deployment.url, ANNA, Role.ADMIN)
    as_admin = await anna.send(SUSPEND, id=account_id, reason="mine")
    await set_role(door.house.deployment.url, ANNA, Role.USER)

    as_user = await anna.send(SUSPEND, id=account_id, reason="mine")

    assert as_admin["suspendAccount.code"] == "STATE_CONFLICT"
    assert as_user.codes == ["FORBIDDEN"]


async def test_two_tabs_that_refresh_at_once_go_on_together(door: Door) -> None:
    _, signed_in = await door.member(ANNA)
    token = signed_in["signIn.session.refreshToken"]

    tabs = await asyncio.gather(*(door.knock(REFRESH, refreshToken=token) for _ in range(2)))
    after = await door.knock(REFRESH, refreshToken=tabs[0]["refreshSession.session.refreshToken"])

    assert {tab["refreshSession.__typename"] for tab in tabs} == {"SessionStarted"}
    assert len({str(tab["refreshSession.session.refreshToken"]) for tab in tabs}) == 1
    assert [(await door.person(tab, "refreshSession").send(BALANCE)).codes for tab in tabs] == [
        [], [],
    ]  # fmt: skip
    assert after["refreshSession.__typename"] == "SessionStarted"


async def test_a_refresh_token_that_comes_back_ends_what_it_began(door: Door) -> None:
    _, signed_in = await door.member(ANNA)
    stolen = signed_in["signIn.session.refreshToken"]
    refreshed = await door.knock(REFRESH, refreshToken=stolen)
    await door.house.database.execute(
        "UPDATE tallystick.sessions SET refreshed_at = refreshed_at - interval '11 seconds'"
    )

    replayed = await door.knock(REFRESH, refreshToken=stolen)

    assert replayed["refreshSession.code"] == "INVALID_CREDENTIALS"
    assert (await door.person(refreshed, "refreshSession").send(BALANCE)).status == 401
    admin = await door.house.demo_person(Role.ADMIN)
    audit = await admin.send("{ admin { auditLog(first: 1) { nodes { action targetId } } } }")
    assert audit["admin.auditLog.nodes.0"] == {
        "action": "refreshSession",
        "targetId": signed_in["signIn.account.id"],
    }


async def test_fifty_sign_ins_in_one_request_are_refused_before_any(door: Door) -> None:
    await door.sign_up(ANNA)
    tries = " ".join(
        f'a{number}: signIn(input: {{email: "{ANNA}", password: "guess number {number}"}})'
        " { __typename }"
        for number in range(50)
    )

    fifty = await door.house.stranger.send(f"mutation {{ {tries} }}")
    two = await door.house.stranger.send(
        "mutation($input: SignInInput!) {"
        " one: signIn(input: $input) { __typename } two: signIn(input: $input) { __typename } }",
        input={"email": ANNA, "password": PASSWORD},
    )

    assert (fifty.status, fifty.codes) == (400, ["TOO_EXPENSIVE"])
    assert (two.status, two.codes) == (400, ["TOO_EXPENSIVE"])


async def test_a_demo_account_is_reached_by_no_link(door: Door) -> None:
    asked = await door.knock(REQUEST, email="admin@demo.test")
    await door.sign_up(ANNA)

    assert asked["requestMagicLink"] == {"__typename": "LinkSent", "email": "admin@demo.test"}
    assert {address for e in door.mails.envelopes for address in e.rcpt_tos} == {ANNA}


async def test_a_mail_that_could_not_be_sent_is_sent_later(door: Door) -> None:
    door.mails.says.append("451 busy")
    await door.knock(SIGN_UP, email=ANNA, password=PASSWORD)
    async with asyncio.timeout(20):
        while door.mails.says:  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.01)
    await door.house.database.execute("UPDATE tallystick.promised_mails SET next_try_at = now()")
    await door.knock(REQUEST, email=NOBODY)  # whatever is promised next takes it along

    confirmed = await door.knock(REDEEM, token=await door.mails.token_to(ANNA))

    assert confirmed["redeemMagicLink.__typename"] == "SessionStarted"


async def test_where_addresses_are_not_confirmed_a_sign_up_is_a_session(
    database_url: str, deployment_secret: str
) -> None:
    async with open_door(database_url, deployment_secret, email_confirmation=False) as door:
        signed_up = await door.knock(SIGN_UP, email=ANNA, password=PASSWORD, displayName="Anna")
        again = await door.knock(SIGN_UP, email="ANNA@example.test", password=OTHER_PASSWORD)
        back = await door.sign_in(ANNA)
        anna = door.person(signed_up, "signUp")

        assert signed_up["signUp.account.emailConfirmed"] is False
        assert signed_up["signUp.account.balance.available"] == "1000"
        assert (await anna.send(BALANCE))["balance.available"] == "1000"
        assert again["signUp.code"] == "STATE_CONFLICT"
        assert back["signIn.account.id"] == signed_up["signUp.account.id"]
        assert await door.house.differences() == []


async def test_tries_for_an_address_are_limited_whether_or_not_anybody_has_it(
    database_url: str, deployment_secret: str
) -> None:
    async with open_door(database_url, deployment_secret, tries_per_address=3) as door:
        await door.sign_up(ANNA)
        told = {
            email: [(await door.sign_in(email, OTHER_PASSWORD))["signIn.code"] for _ in range(5)]
            for email in (ANNA, NOBODY)
        }

    assert told[ANNA] == told[NOBODY] == ["INVALID_CREDENTIALS"] * 3 + ["RATE_LIMITED"] * 2
