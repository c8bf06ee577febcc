"""People who sign in somewhere else: with Google, a Supabase project, or an issuer of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from domain.identity import Role
from tests.app.asking import Reply
from tests.issuer import SUPABASE_SECRET, KeyServer, key_server, now, signed
from tests.journeys.system import House, Person, open_house

PROJECT = "https://project.supabase.test"
WHO = "{ viewer { account { id email emailConfirmed displayName role } } balance { available } }"
GOOGLE = """
mutation($token: String!, $nonce: String!) {
  signInWithGoogle(input: {idToken: $token, nonce: $nonce}) {
    __typename
    ... on SessionStarted { session { accessToken refreshToken } account { id email } }
    ... on Problem { code httpStatus }
  }
}
"""
SIGN_OUT = """
mutation($everywhere: Boolean!) {
  signOut(input: {everywhere: $everywhere}) { ... on SignedOut { sessionsEnded } }
}
"""
SUSPEND = """
mutation($id: ID!) {
  suspendAccount(input: {accountId: $id, reason: "a test"}) {
    ... on AccountStatusSuccess { account { status } }
  }
}
"""
NONCE = "a nonce of this sign-in"


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    with key_server() as server:
        yield server


@pytest.fixture
async def house(
    database_url: str, deployment_secret: str, keys: KeyServer, tmp_path: Path
) -> AsyncIterator[House]:
    issuers = tmp_path / "issuers.toml"
    issuers.write_text(
        f'[[issuers]]\nissuer = "https://login.test/"\naudience = "https://api.test"\n'
        f'keys_url = "{keys.url}/keys"\n',
        encoding="utf-8",
    )
    async with open_house(
        database_url,
        deployment_secret,
        supabase_url=PROJECT,
        supabase_jwt_secret=SUPABASE_SECRET,
        supabase_confirms_emails=True,
        google_client_id="our-client",
        google_keys_url=f"{keys.url}/keys",
        issuers_file=issuers,
    ) as house:
        yield house
        assert await house.differences() == []


def supabase_token(**claims: object) -> str:
    usual: dict[str, object] = {
        "iss": f"{PROJECT}/auth/v1",
        "aud": "authenticated",
        "role": "authenticated",
        "sub": "6f1c",
        "email": "ada@example.test",
        "session_id": "one",
        "iat": now(),
        "exp": now() + 3_600,
    }
    return signed({**usual, **claims}, algorithm="HS256", typ="JWT")


def login_token(**claims: object) -> str:
    usual: dict[str, object] = {
        "iss": "https://login.test/",
        "aud": "https://api.test",
        "sub": "7",
        "email": "bob@example.test",
        "email_verified": True,
        "name": "Bob",
        "iat": now(),
        "exp": now() + 300,
    }
    return signed({**usual, **claims}, typ="at+jwt")


def id_token(**claims: object) -> str:
    usual: dict[str, object] = {
        "iss": "https://accounts.google.com",
        "aud": "our-client",
        "sub": "1087",
        "email": "ada@example.test",
        "email_verified": True,
        "nonce": NONCE,
        "iat": now(),
        "exp": now() + 3_600,
    }
    return signed({**usual, **claims})


async def google(house: House, token: str, nonce: str = NONCE) -> Reply:
    return await house.stranger.send(GOOGLE, token=token, nonce=nonce)


async def test_twenty_first_requests_at_once_make_one_account_with_one_grant(
    house: House,
) -> None:
    token = supabase_token()

    replies = await asyncio.gather(*(Person(house.http, token).send(WHO) for _ in range(20)))

    assert {reply.text("viewer.account.id") for reply in replies} == {
        replies[0].text("viewer.account.id")
    }
    account = replies[0]["viewer.account"]
    assert isinstance(account, dict)
    assert (account["email"], account["emailConfirmed"]) == ("ada@example.test", True)
    assert account["role"] == "USER"
    assert replies[0]["balance.available"] == "1000"


async def test_somebody_from_outside_asks_and_pays_like_anybody(house: House) -> None:
    bob = Person(house.http, login_token())

    asked = await bob.ask("What is a ledger?", "one")
    seen = await bob.send(WHO)

    assert asked["askAI.__typename"] == "AskAISuccess"
    assert seen["viewer.account.displayName"] == "Bob"
    assert float(seen.text("balance.available")) < 1_000


async def test_an_anonymous_user_has_an_account_without_credits(house: House) -> None:
    anonymous = Person(house.http, supabase_token(is_anonymous=True, email="", sub="nobody"))

    seen = await anonymous.send(WHO)

    assert seen["viewer.account.email"] is None
    assert seen["balance.available"] == "0"


async def test_what_a_token_says_of_roles_means_nothing(house: House) -> None:
    claims = {"app_metadata": {"role": "ADMIN"}, "user_role": "ADMIN", "sub": "eve"}
    eve = Person(house.http, supabase_token(**claims, session_id="two"))

    seen, refused = await eve.send(WHO), await eve.send("{ admin { __typename } }")

    assert seen["viewer.account.role"] == "USER"
    assert (refused.status, refused.codes) == (403, ["FORBIDDEN"])


@pytest.mark.parametrize("everywhere", [False, True])
async def test_signing_out_ends_the_session_for_every_token_of_it(
    house: House, *, everywhere: bool
) -> None:
    token, renewed = supabase_token(), supabase_token(exp=now() + 7_200)
    for each in (token, renewed):
        assert (await Person(house.http, each).send(WHO)).status == 200

    signed_out = await Person(house.http, token).send(SIGN_OUT, everywhere=everywhere)
    refused = [await Person(house.http, each).send(WHO) for each in (token, renewed)]
    again = await Person(house.http, supabase_token(session_id="two", iat=now() + 5)).send(WHO)

    assert signed_out["signOut.sessionsEnded"] == 1
    assert [reply.status for reply in refused] == [401, 401]
    assert again.status == 200


async def test_suspending_an_account_refuses_its_outside_tokens_at_once(house: House) -> None:
    token = supabase_token()
    seen = await Person(house.http, token).send(WHO)
    administrator = await house.demo_person(Role.ADMIN)

    suspended = await administrator.send(SUSPEND, id=seen.text("viewer.account.id"))
    refused = [
        await Person(house.http, each).send(WHO)
        for each in (token, supabase_token(session_id="two"))
    ]

    assert suspended["suspendAccount.account.status"] == "SUSPENDED"
    assert [(reply.status, reply.codes) for reply in refused] == [(403, ["ACCOUNT_SUSPENDED"])] * 2


async def test_a_forged_token_is_refused_before_anything_runs(house: House) -> None:
    forged = [
        supabase_token(role="service_role"),
        supabase_token(iss="https://evil.test/auth/v1"),
        supabase_token(exp=now() - 60),
        login_token(aud="another"),
        login_token(nonce="x"),
        id_token(),
    ]

    replies = [await Person(house.http, token).send(WHO) for token in forged]

    assert [(reply.status, reply.codes) for reply in replies] == [(401, ["UNAUTHENTICATED"])] * len(
        forged
    )
    assert await house.database.fetchval("SELECT count(*) FROM tallystick.outside_identities") == 0


async def test_while_an_issuer_is_out_of_reach_its_tokens_wait_and_others_do_not(
    house: House, keys: KeyServer
) -> None:
    keys.status = 500

    theirs = await Person(house.http, login_token()).send(WHO)
    others = await Person(house.http, supabase_token()).send(WHO)

    assert (theirs.status, theirs.codes) == (503, ["UNAVAILABLE"])
    assert others.status == 200


async def test_signing_in_with_google_signs_up_first_and_in_later(house: House) -> None:
    first = await google(house, id_token())
    later = await google(house, id_token(iat=now() - 1))
    person = Person(house.http, first.text("signInWithGoogle.session.accessToken"))

    assert first["signInWithGoogle.account"] == later["signInWithGoogle.account"]
    assert (await person.balance())["available"] == "1000"
    service = await house.stranger.send("{ service { signInMethods } }")
    methods = service["service.signInMethods"]
    assert isinstance(methods, list)
    assert {"GOOGLE", "SUPABASE"} <= {str(method) for method in methods}


async def test_google_and_the_project_lead_to_one_account_by_its_confirmed_address(
    house: House,
) -> None:
    seen = await Person(house.http, supabase_token()).send(WHO)

    started = await google(house, id_token())

    assert started["signInWithGoogle.account.id"] == seen["viewer.account.id"]


@pytest.mark.parametrize(
    ("changes", "nonce"),
    [
        ({"aud": "another-client"}, NONCE),
        ({}, "another nonce"),
        ({"nonce": ""}, ""),
        ({"email_verified": False}, NONCE),
        ({"iat": now() - 700}, NONCE),
    ],
)
async def test_an_id_token_that_is_not_of_this_sign_in_is_refused(
    house: House, changes: dict[str, object], nonce: str
) -> None:
    refused = await google(house, id_token(**changes), nonce)

    assert refused["signInWithGoogle.__typename"] == "InvalidCredentials"
    assert refused["signInWithGoogle.httpStatus"] == 401


async def test_a_suspended_account_is_not_signed_in_to_with_google(house: House) -> None:
    started = await google(house, id_token())
    administrator = await house.demo_person(Role.ADMIN)
    await administrator.send(SUSPEND, id=started.text("signInWithGoogle.account.id"))

    refused = await google(house, id_token(iat=now() - 1))

    assert refused["signInWithGoogle.code"] == "ACCOUNT_SUSPENDED"


async def test_without_settings_google_is_not_offered(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret) as house:
        refused = await google(house, id_token())

    assert refused["signInWithGoogle.code"] == "UNAVAILABLE"
