"""A token of another issuer is believed as its issuer signed it for us, and in no other case."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.believing import JWK, PublicKeys, Rule, SharedSecret
from app.clock import SystemClock
from app.google import GoogleIdTokens
from app.outside_tokens import Confirmation, Issuer, OutsideTokens
from domain.errors import InvalidCredentials, Unauthenticated
from domain.offering import SignInMethod
from domain.outside_identity import OutsideToken
from tests.app.clocks import MovedClock
from tests.issuer import EC_KEY, OTHER_RSA_KEY, RSA_KEY, SUPABASE_SECRET, now, public_keys, signed

PROJECT = "https://project.supabase.test/auth/v1"
LOGIN = "https://login.test/"
GOOGLE = "https://accounts.google.com"
NONCE = "a nonce of this sign-in"
NOW = now()

SUPABASE_CLAIMS: dict[str, object] = {
    "iss": PROJECT,
    "aud": "authenticated",
    "role": "authenticated",
    "sub": "6f1c",
    "email": "ada@example.test",
    "iat": NOW,
    "exp": NOW + 3_600,
    "session_id": "one",
    "is_anonymous": False,
    "user_metadata": {"email_verified": True, "role": "ADMIN", "name": "Eve"},
}
LOGIN_CLAIMS: dict[str, object] = {
    "iss": LOGIN,
    "aud": ["https://api.test", "https://other.test"],
    "sub": "7",
    "email": "Ada@Example.test",
    "email_verified": True,
    "name": "Ada",
    "iat": NOW,
    "exp": NOW + 3_600,
}
GOOGLE_CLAIMS: dict[str, object] = {
    "iss": GOOGLE,
    "aud": "our-client",
    "azp": "our-client",
    "sub": "1087",
    "email": "ada@gmail.test",
    "email_verified": True,
    "name": "Ada Lovelace",
    "nonce": NONCE,
    "at_hash": "x",
    "iat": NOW,
    "exp": NOW + 3_600,
}


@dataclass(slots=True)
class Keys:
    """The issuer's keys, and which of them were asked for."""

    asked: list[str] = field(default_factory=list)

    async def find(self, kid: str) -> JWK | None:
        self.asked.append(kid)
        keys = public_keys()["keys"]
        assert isinstance(keys, list)
        return next((key for key in keys if key["kid"] == kid and key["use"] == "sig"), None)


def supabase(source: SharedSecret | PublicKeys) -> Issuer:
    return Issuer(
        rule=Rule(
            issuers=(PROJECT,),
            audience="authenticated",
            source=source,
            types=frozenset({"jwt"}),
            is_audience_alone=True,
        ),
        confirmation=Confirmation.ALWAYS,
        session_claim="session_id",
        method=SignInMethod.SUPABASE,
    )


LOGIN_ISSUER = Issuer(
    rule=Rule(
        issuers=(LOGIN,),
        audience="https://api.test",
        source=PublicKeys(Keys()),
        types=frozenset({"at+jwt"}),
    ),
    confirmation=Confirmation.CLAIM,
)
SECRET_ISSUER = supabase(SharedSecret(SUPABASE_SECRET.encode()))
KEYS_ISSUER = supabase(PublicKeys(Keys()))


def tokens(issuer: Issuer) -> OutsideTokens:
    return OutsideTokens(
        issuers={issuer.name: issuer}, secret="a deployment's secret", clock=SystemClock()
    )


async def read(issuer: Issuer, token: str) -> OutsideToken:
    return await tokens(issuer).verify(token, issuer.name)


def changed(claims: Mapping[str, object], *without: str, **new: object) -> dict[str, object]:
    merged = {**claims, **new}
    return {name: value for name, value in merged.items() if name not in without}


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: Mapping[str, object], alg: str, **header: object) -> str:
    return f"{encoded({'alg': alg, **header})}.{encoded(claims)}."


def pem() -> bytes:
    """The issuer's public key, as a forger would use it for a shared secret."""
    return RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed_with_text(claims: Mapping[str, object], secret: bytes, **header: object) -> str:
    """HS256 by hand: libraries refuse to sign with what looks like a public key."""
    head = encoded({"alg": "HS256", **header})
    body = encoded(claims)
    key = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = key.sign(f"{head}.{body}".encode(), secret)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def forged(claims: Mapping[str, object], algorithm: str, typ: str) -> dict[str, str]:
    """What somebody may try with the claims of a token that would be believed."""

    def made(new_claims: Mapping[str, object] = claims, **header: object) -> str:
        return signed(new_claims, algorithm=algorithm, header={"typ": typ, **header})

    good = made()
    head, body, signature = good.split(".")
    other_body = encoded({**claims, "sub": "somebody else"})
    return {
        "empty": "",
        "no token": "not-a-token",
        "five parts": f"{good}.a.b",
        "no signature": f"{head}.{body}.",
        "another token's signature": f"{head}.{other_body}.{signature}",
        "alg none": unsigned(claims, "none", typ=typ),
        "alg None": unsigned(claims, "None", typ=typ, kid="rsa"),
        "alg missing": f"{encoded({'typ': typ, 'kid': 'rsa'})}.{body}.{signature}",
        "alg empty": unsigned(claims, "", typ=typ, kid="rsa"),
        "HS256 with the public key": signed_with_text(claims, pem(), typ=typ, kid="rsa"),
        "HS256 with an empty key": signed_with_text(claims, b"", typ=typ, kid="rsa"),
        "HS512": signed(claims, algorithm="HS512", typ=typ),
        "RS512": signed(claims, algorithm="RS512", typ=typ),
        "PS256": signed(claims, algorithm="PS256", typ=typ),
        "another RSA key": signed(claims, key=OTHER_RSA_KEY, typ=typ),
        "the other key's kid": signed(claims, algorithm="RS256", kid="ec", typ=typ),
        "an elliptic key under the RSA kid": signed(
            claims, algorithm="ES256", key=EC_KEY, kid="rsa", typ=typ
        ),
        "crit": made(crit=["exp"]),
        "crit b64": made(crit=["b64"], b64=True),
        "an ID token by its type": made(typ="id+jwt"),
        "a number as type": f"{encoded({'alg': algorithm, 'typ': 1})}.{body}.{signature}",
        "no type": made(typ="") if typ != "JWT" else unsigned(claims, "HS256"),
        "another issuer": made(changed(claims, iss="https://evil.test")),
        "an issuer that begins alike": made(changed(claims, iss=f"{claims['iss']}.evil.test")),
        "another audience": made(changed(claims, aud="another-api")),
        "no issuer": made(changed(claims, "iss")),
        "no audience": made(changed(claims, "aud")),
        "no subject": made(changed(claims, "sub")),
        "an empty subject": made(changed(claims, sub="")),
        "a subject with a NUL": made(changed(claims, sub="a\0b")),
        "a huge subject": made(changed(claims, sub="x" * 256)),
        "no exp": made(changed(claims, "exp")),
        "no iat": made(changed(claims, "iat")),
        "expired": made(changed(claims, iat=NOW - 900, exp=NOW - 60)),
        "issued in the future": made(changed(claims, iat=NOW + 7_200)),
        "not yet": made(changed(claims, nbf=NOW + 7_200)),
        "exp as text": made(changed(claims, exp="tomorrow")),
        "exp beyond all years": made(changed(claims, exp=10**30)),
        "huge": made(changed(claims, padding="x" * 8_192)),
    }


ACCESS = {
    "a project with a shared secret": (SECRET_ISSUER, SUPABASE_CLAIMS, "HS256", "JWT"),
    "a project with keys": (KEYS_ISSUER, SUPABASE_CLAIMS, "ES256", "JWT"),
    "an issuer of the operator's": (LOGIN_ISSUER, LOGIN_CLAIMS, "RS256", "at+jwt"),
}
FORGED_ACCESS = [
    pytest.param(issuer, token, id=f"{name}: {how}")
    for name, (issuer, claims, algorithm, typ) in ACCESS.items()
    for how, token in forged(claims, algorithm, typ).items()
]


@pytest.mark.parametrize(("issuer", "claims", "algorithm", "typ"), ACCESS.values(), ids=ACCESS)
async def test_a_token_as_its_issuer_made_it_is_believed(
    issuer: Issuer, claims: dict[str, object], algorithm: str, typ: str
) -> None:
    believed = await read(issuer, signed(claims, algorithm=algorithm, typ=typ))

    assert believed.identity.issuer == issuer.name
    assert believed.identity.subject == claims["sub"]
    assert believed.identity.confirmed_email == "ada@example.test"
    assert believed.expires_at.timestamp() == claims["exp"]


@pytest.mark.parametrize(("issuer", "token"), FORGED_ACCESS)
async def test_a_forged_access_token_is_refused(issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await read(issuer, token)


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash"])
async def test_an_id_token_is_no_access_token(claim: str) -> None:
    token = signed(changed(LOGIN_CLAIMS, **{claim: "x"}), typ="at+jwt")

    with pytest.raises(Unauthenticated):
        await read(LOGIN_ISSUER, token)


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "anon"},
        {"role": "service_role"},
        {"role": ["authenticated"]},
        {"role": ""},
        {"aud": "anon"},
        {"aud": ["authenticated", "other"]},
        {"aud": ""},
    ],
)
async def test_only_a_projects_signed_in_users_are_let_in(changes: dict[str, object]) -> None:
    token = signed(changed(SUPABASE_CLAIMS, **changes), algorithm="HS256", typ="JWT")

    with pytest.raises(Unauthenticated):
        await read(SECRET_ISSUER, token)


async def test_a_project_with_keys_does_not_take_its_old_secret() -> None:
    token = signed(SUPABASE_CLAIMS, algorithm="HS256", typ="JWT", kid="rsa")

    with pytest.raises(Unauthenticated):
        await read(KEYS_ISSUER, token)


async def test_a_project_with_a_secret_does_not_take_keys() -> None:
    for algorithm in ("RS256", "ES256"):
        with pytest.raises(Unauthenticated):
            await read(SECRET_ISSUER, signed(SUPABASE_CLAIMS, algorithm=algorithm, typ="JWT"))


async def test_keys_for_other_uses_or_of_other_kinds_do_not_count() -> None:
    for kid in ("for encrypting", "unknown", "../rsa", ""):
        with pytest.raises(Unauthenticated):
            await read(KEYS_ISSUER, signed(SUPABASE_CLAIMS, algorithm="RS256", kid=kid))


async def test_an_operator_can_narrow_the_algorithms() -> None:
    source = PublicKeys(Keys(), frozenset({"ES256"}))
    issuer = replace(LOGIN_ISSUER, rule=replace(LOGIN_ISSUER.rule, source=source))

    await read(issuer, signed(LOGIN_CLAIMS, algorithm="ES256", typ="at+jwt"))
    with pytest.raises(Unauthenticated):
        await read(issuer, signed(LOGIN_CLAIMS, algorithm="RS256", typ="at+jwt"))


@pytest.mark.parametrize(
    ("confirmation", "changes", "email"),
    [
        (Confirmation.CLAIM, {}, "ada@example.test"),
        (Confirmation.CLAIM, {"email_verified": False}, None),
        (Confirmation.CLAIM, {"email_verified": "true"}, None),
        (Confirmation.CLAIM, {"email_verified": 1}, None),
        (Confirmation.CLAIM, {"email": "no address"}, None),
        (Confirmation.CLAIM, {"email": None}, None),
        (Confirmation.CLAIM, {"is_anonymous": True}, None),
        (Confirmation.ALWAYS, {"email_verified": False}, "ada@example.test"),
        (Confirmation.ALWAYS, {"is_anonymous": True}, None),
        (Confirmation.NEVER, {}, None),
    ],
)
async def test_an_address_counts_only_if_its_issuer_confirmed_it(
    confirmation: Confirmation, changes: dict[str, object], email: str | None
) -> None:
    issuer = replace(LOGIN_ISSUER, confirmation=confirmation)

    believed = await read(issuer, signed(changed(LOGIN_CLAIMS, **changes), typ="at+jwt"))

    assert believed.identity.confirmed_email == email


async def test_a_session_of_the_issuers_is_one_of_ours_in_every_process() -> None:
    def made(**changes: object) -> str:
        return signed(changed(SUPABASE_CLAIMS, **changes), algorithm="HS256", typ="JWT")

    one, renewed, another = made(), made(exp=NOW + 7_200), made(session_id="two")
    nameless = [made(session_id=None), made(session_id=None, exp=NOW + 7_200)]

    ids = [
        (await read(SECRET_ISSUER, token)).session_id
        for token in (one, renewed, another, *nameless, made(sub="bob"))
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    elsewhere = replace_secret(tokens(SECRET_ISSUER))
    assert (await elsewhere.verify(one, PROJECT)).session_id != ids[0]


def replace_secret(own: OutsideTokens) -> OutsideTokens:
    return OutsideTokens(issuers=own.issuers, secret="another secret", clock=own.clock)


async def test_a_token_is_verified_once_and_expires_all_the_same() -> None:
    keys = Keys()
    source = PublicKeys(keys)
    issuer = replace(LOGIN_ISSUER, rule=replace(LOGIN_ISSUER.rule, source=source))
    clock = MovedClock(SystemClock().now())
    known = OutsideTokens(issuers={LOGIN: issuer}, secret="a secret", clock=clock)
    token = signed(changed(LOGIN_CLAIMS, exp=now() + 300), typ="at+jwt")

    for _ in range(5):
        await known.verify(token, LOGIN)
    assert keys.asked == ["rsa"]
    clock.pass_on(seconds=331)

    with pytest.raises(Unauthenticated):
        await known.verify(token, LOGIN)


def google(clock: MovedClock | None = None) -> GoogleIdTokens:
    return GoogleIdTokens(
        client_id="our-client",
        issuer=GOOGLE,
        keys=PublicKeys(Keys(), frozenset({"RS256"})),
        clock=clock or SystemClock(),
    )


@pytest.mark.parametrize("issuer", [GOOGLE, "accounts.google.com"])
async def test_an_id_token_of_this_sign_in_is_believed(issuer: str) -> None:
    claims = changed(GOOGLE_CLAIMS, iss=issuer, iat=now())

    identity = await google().verify(signed(claims), NONCE)

    assert identity.issuer == GOOGLE
    assert (identity.subject, identity.confirmed_email) == ("1087", "ada@gmail.test")
    assert identity.display_name == "Ada Lovelace"


FORGED_ID = {
    **forged(GOOGLE_CLAIMS, "RS256", "JWT"),
    "another client's": signed(changed(GOOGLE_CLAIMS, aud="another-client")),
    "for several clients": signed(changed(GOOGLE_CLAIMS, aud=["our-client", "another"])),
    "another sign-in's": signed(changed(GOOGLE_CLAIMS, nonce="another nonce")),
    "without nonce": signed(changed(GOOGLE_CLAIMS, "nonce")),
    "a number as nonce": signed(changed(GOOGLE_CLAIMS, nonce=1)),
    "an unconfirmed address": signed(changed(GOOGLE_CLAIMS, email_verified=False)),
    "an address confirmed in words": signed(changed(GOOGLE_CLAIMS, email_verified="true")),
    "no word of confirmation": signed(changed(GOOGLE_CLAIMS, "email_verified")),
    "no address": signed(changed(GOOGLE_CLAIMS, "email")),
    "of eleven minutes ago": signed(changed(GOOGLE_CLAIMS, iat=NOW - 660)),
    "signed with an elliptic curve": signed(GOOGLE_CLAIMS, algorithm="ES256"),
}


@pytest.mark.parametrize("token", FORGED_ID.values(), ids=FORGED_ID)
async def test_a_forged_id_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidCredentials):
        await google().verify(token, NONCE)
