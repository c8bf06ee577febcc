"""A token is believed only as we issued it, and means no more than the database says."""

import base64
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.authentication import Callers, OwnTokens
from app.clock import SystemClock
from app.key_authentication import KeyCallers
from domain.errors import AccountSuspended, Unauthenticated
from domain.identity import AccountStatus, Role
from domain.keys import KeyInForce
from domain.signing_in import SessionInForce
from domain.units import AccountId, ApiKeyId
from tests.app.clocks import MovedClock
from tests.outsiders import no_outside_callers

SECRET = "a deployment secret that only these tests know"
KEY = hmac.digest(SECRET.encode(), b"access tokens", "sha256")
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SESSION = UUID(int=7)
ALICE = AccountId(1)
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - PyJWT asks the machine's clock

HEADER = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS: dict[str, object] = {
    "iss": "tallystick",
    "aud": "tallystick-api",
    "sub": "acct_1",
    "sid": str(SESSION),
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 900,
    "jti": "one",
}


def name_of(account_id: AccountId) -> str:
    return f"acct_{account_id}"


def signed(
    header: dict[str, object] | None = None,
    key: bytes = KEY,
    digest: str = "sha256",
    without: str = "",
    **claims: object,
) -> str:
    """A token put together by hand, with any header and any claims."""
    merged = {**CLAIMS, **claims}
    merged.pop(without, None)
    parts = [encoded(json.dumps(part).encode()) for part in (header or HEADER, merged)]
    signature = hmac.digest(key, ".".join(parts).encode(), digest)
    return ".".join([*parts, encoded(signature)])


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def changed(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join([head, encoded(json.dumps({**claims, "sub": "acct_2"}).encode()), signature])


def tokens() -> OwnTokens:
    return OwnTokens(SECRET, clock=SystemClock(), name_of=name_of)


def in_seconds(seconds: int) -> int:
    return int(NOW.timestamp()) + seconds


FORGED = {
    "empty": "",
    "no token": "not-a-token",
    "two parts": "a.b",
    "five parts, as an encrypted one": "a.b.c.d.e",
    "a NUL": "\0.\0.\0",
    "beyond ASCII": "é.é.é",
    "no signature": signed().rpartition(".")[0] + ".",
    "alg none": signed(header={"alg": "none", "typ": "at+jwt"}).rpartition(".")[0] + ".",
    "alg None": signed(header={"alg": "None", "typ": "at+jwt"}),
    "alg missing": signed(header={"typ": "at+jwt"}),
    "another key": signed(key=b"k" * 32),
    "the secret itself as key": signed(key=SECRET.encode()),
    "an empty key": signed(key=b""),
    "a changed claim": changed(signed()),
    "HS512": signed(header={"alg": "HS512", "typ": "at+jwt"}, digest="sha512"),
    "RS256": jwt.encode(CLAIMS, RSA_KEY, algorithm="RS256", headers={"typ": "at+jwt"}),
    "typ JWT": signed(header={"alg": "HS256", "typ": "JWT"}),
    "typ missing": signed(header={"alg": "HS256"}),
    "an ID token": signed(header={"alg": "HS256", "typ": "id+jwt"}),
    "crit": signed(header={**HEADER, "crit": ["exp"]}),
    "crit b64": signed(header={**HEADER, "crit": ["b64"], "b64": True}),
    "a key by kid": signed(header={**HEADER, "kid": "../../dev/null"}),
    "a key by jku": signed(header={**HEADER, "jku": "https://keys.test/"}),
    "a key by jwk": signed(header={**HEADER, "jwk": {"kty": "oct", "k": "AAAA"}}),
    "a nested token": signed(header={**HEADER, "cty": "JWT"}),
    "another issuer": signed(iss="somebody else"),
    "several issuers": signed(iss=["tallystick"]),
    "an issuer that begins alike": signed(iss="tallystick.evil.test"),
    "another audience": signed(aud="another-api"),
    "several audiences": signed(aud=["tallystick-api", "another-api"]),
    "an empty subject": signed(sub=""),
    "a number as subject": signed(sub=1),
    "a session that is no UUID": signed(sid="7"),
    "an empty session": signed(sid=""),
    "issued in the future": signed(iat=in_seconds(7_200), exp=in_seconds(9_000)),
    "not valid yet": signed(nbf=in_seconds(7_200)),
    "expired": signed(iat=in_seconds(-900), exp=in_seconds(-31)),
    "lives too long": signed(exp=in_seconds(901)),
    "expires before it begins": signed(iat=in_seconds(20), exp=in_seconds(10)),
    "expires never": signed(exp=None),
    "expires at a text": signed(exp="tomorrow"),
    "expires at infinity": signed(exp=float("inf")),
    "far too long": signed(pad="x" * 2_000),
    "deeply nested": f"{encoded(b'[' * 700)}.{encoded(b'{}')}.{encoded(b'x')}",
    **{f"no {claim}": signed(without=claim) for claim in CLAIMS},
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED.keys())
def test_nothing_but_our_own_tokens_is_believed(text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens().verify(text)


def test_the_table_of_forgeries_differs_from_a_token_that_is_believed() -> None:
    claims = tokens().verify(signed())

    assert (claims.account_name, claims.session_id) == ("acct_1", SESSION)


def test_an_issued_token_names_its_session_for_fifteen_minutes() -> None:
    own, before = tokens(), SystemClock().now()

    token = own.issue(ALICE, SESSION)

    assert own.verify(token.text).session_id == SESSION
    assert timedelta(minutes=14, seconds=58) < token.expires_at - before <= timedelta(minutes=16)


def test_a_token_that_was_believed_once_expires_all_the_same() -> None:
    clock = MovedClock(SystemClock().now())
    own = OwnTokens(SECRET, clock=clock, name_of=name_of)
    token = own.issue(ALICE, SESSION).text
    own.verify(token)

    clock.pass_on(minutes=15, seconds=31)

    with pytest.raises(Unauthenticated):
        own.verify(token)


def test_another_deployments_token_is_not_believed() -> None:
    theirs = OwnTokens(SECRET + "!", clock=SystemClock(), name_of=name_of)

    with pytest.raises(Unauthenticated):
        tokens().verify(theirs.issue(ALICE, SESSION).text)


@dataclass(slots=True)
class KnownSessions:
    """One session, whose account is what the test says."""

    account_id: AccountId = ALICE
    role: Role = Role.USER
    status: AccountStatus = AccountStatus.ACTIVE
    has_ended: bool = False
    asked: list[UUID] = field(default_factory=list)

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        self.asked.append(session_id)
        if self.has_ended or session_id != SESSION:
            return None
        return SessionInForce(account_id=self.account_id, role=self.role, status=self.status)


class NoKeys:
    """Nobody has an API key."""

    async def key_in_force(self, key_id: ApiKeyId) -> KeyInForce | None:
        return None

    def note_use(self, key_id: ApiKeyId) -> None: ...


def callers(sessions: KnownSessions) -> Callers:
    return Callers(
        tokens=tokens(),
        sessions=sessions,
        keys=KeyCallers(NoKeys()),
        outside=no_outside_callers(),
        name_of=name_of,
    )


async def test_without_a_credential_a_caller_is_nobody() -> None:
    assert await callers(KnownSessions()).viewer([]) is None


async def test_the_role_is_the_databases_and_never_the_tokens() -> None:
    sessions = KnownSessions(role=Role.USER)
    token = signed(role="ADMIN", roles=["ADMIN"], is_admin=True)

    viewer = await callers(sessions).viewer([f"Bearer {token}"])
    assert viewer is not None
    assert not viewer.is_admin

    sessions.role = Role.ADMIN
    promoted = await callers(sessions).viewer([f"Bearer {token}"])
    assert promoted is not None
    assert promoted.is_admin


async def test_a_session_is_looked_up_for_every_request() -> None:
    sessions = KnownSessions()
    known = callers(sessions)
    await known.viewer([f"bearer {signed()}"])

    sessions.has_ended = True

    with pytest.raises(Unauthenticated):
        await known.viewer([f"bearer {signed()}"])
    assert sessions.asked == [SESSION, SESSION]


async def test_a_suspended_account_is_told_so() -> None:
    with pytest.raises(AccountSuspended):
        await callers(KnownSessions(status=AccountStatus.SUSPENDED)).viewer([f"Bearer {signed()}"])


async def test_a_token_does_not_pass_for_another_account_than_its_sessions() -> None:
    with pytest.raises(Unauthenticated):
        await callers(KnownSessions(account_id=AccountId(2))).viewer([f"Bearer {signed()}"])


@pytest.mark.parametrize(
    "authorization",
    [
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic YWxpY2U6c2VjcmV0"],
        [signed()],
        [f"Bearer {signed()} {signed()}"],
        [f"Bearer {signed()}", f"Bearer {signed()}"],
    ],
)
async def test_a_header_that_is_not_one_bearer_token_is_refused(authorization: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        await callers(KnownSessions()).viewer(authorization)
