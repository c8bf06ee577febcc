"""A key is believed by its secret alone, and does what the database says at that moment."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.authentication import Callers, OwnTokens
from app.clock import SystemClock
from app.key_authentication import KeyCallers
from domain.errors import AccountSuspended, Unauthenticated
from domain.identity import AccountStatus, Role, Scope
from domain.key_texts import KeySecret
from domain.keys import KeyFunding, KeyInForce
from domain.signing_in import SessionInForce
from domain.units import OWN_CREDITS, AccountId, ApiKeyId, KeyNumber, ModelId
from tests.outsiders import no_outside_callers

KEY_ID = ApiKeyId(AccountId(1), KeyNumber(3))
SECRET = KeySecret.new()
TEXT = SECRET.text(KEY_ID)
IN_FORCE = KeyInForce(
    id=KEY_ID,
    secret_hash=SECRET.hash,
    context_id=UUID(int=9),
    role=Role.USER,
    status=AccountStatus.ACTIVE,
    scopes=frozenset({Scope.ASK}),
    funding=KeyFunding.ACCOUNT,
    allowed_models=frozenset({ModelId("small")}),
    requests_per_minute=7,
    expires_at=datetime(2030, 1, 1, tzinfo=UTC),
)


@dataclass(slots=True)
class KnownKeys:
    """One key, if it is in force, and who asked for what."""

    key: KeyInForce | None = IN_FORCE
    asked: list[ApiKeyId] = field(default_factory=list)
    used: list[ApiKeyId] = field(default_factory=list)

    async def key_in_force(self, key_id: ApiKeyId) -> KeyInForce | None:
        self.asked.append(key_id)
        return self.key if self.key is not None and self.key.id == key_id else None

    def note_use(self, key_id: ApiKeyId) -> None:
        self.used.append(key_id)


class NoSessions:
    """Nobody is signed in."""

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        return None


def callers(keys: KnownKeys) -> Callers:
    return Callers(
        tokens=OwnTokens(
            "a secret of these tests alone, long enough", clock=SystemClock(), name_of=str
        ),
        sessions=NoSessions(),
        keys=KeyCallers(keys),
        outside=no_outside_callers(),
        name_of=str,
    )


async def test_a_key_calls_with_its_own_scopes_and_limits() -> None:
    keys = KnownKeys()

    viewer = await callers(keys).viewer([f"Bearer {TEXT}"])

    assert viewer is not None
    assert (viewer.api_key_id, viewer.session_id) == (KEY_ID, IN_FORCE.context_id)
    assert viewer.scopes == {Scope.ASK}
    assert viewer.allowed_models == {ModelId("small")}
    assert viewer.requests_per_minute == 7
    assert viewer.expires_at == IN_FORCE.expires_at
    assert viewer.purse.key_number == OWN_CREDITS
    assert keys.used == [KEY_ID]


async def test_a_key_with_credits_of_its_own_spends_those() -> None:
    keys = KnownKeys(replace(IN_FORCE, funding=KeyFunding.OWN))

    viewer = await callers(keys).viewer([f"bearer  {TEXT} "])

    assert viewer is not None
    assert viewer.purse == KEY_ID.purse


@pytest.mark.parametrize(
    "text",
    ["ck_", TEXT[:-1], TEXT[:-1] + ("0" if TEXT[-1] != "0" else "1"), TEXT + "x", TEXT * 99],
    ids=["a prefix", "too short", "another end", "too long", "endless"],
)
async def test_what_cannot_be_a_key_is_refused_without_a_query(text: str) -> None:
    keys = KnownKeys()

    with pytest.raises(Unauthenticated):
        await callers(keys).viewer([f"Bearer {text}"])

    assert keys.asked == []


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (KnownKeys(), KeySecret.new().text(KEY_ID)),
        (KnownKeys(None), TEXT),
        (KnownKeys(), SECRET.text(ApiKeyId(AccountId(2), KeyNumber(3)))),
        (KnownKeys(replace(IN_FORCE, secret_hash=b"")), TEXT),
    ],
    ids=["another secret", "not in force", "another key", "no hash"],
)
async def test_whatever_is_wrong_with_a_key_is_told_alike(keys: KnownKeys, text: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await callers(keys).viewer([f"Bearer {text}"])

    assert str(refused.value) == "The API key is not valid, or is disabled, expired or revoked."
    assert keys.used == []


async def test_a_suspended_accounts_key_is_told_so() -> None:
    keys = KnownKeys(replace(IN_FORCE, status=AccountStatus.SUSPENDED))

    with pytest.raises(AccountSuspended):
        await callers(keys).viewer([f"Bearer {TEXT}"])


async def test_who_has_not_the_secret_does_not_learn_of_a_suspension() -> None:
    keys = KnownKeys(replace(IN_FORCE, status=AccountStatus.SUSPENDED))

    with pytest.raises(Unauthenticated):
        await callers(keys).viewer([f"Bearer {KeySecret.new().text(KEY_ID)}"])
