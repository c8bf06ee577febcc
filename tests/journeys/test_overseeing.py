"""A running system tells what is wrong with it: each kind of alert, provoked as it comes about."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import pytest

from app.oversight import Oversight, opened_oversight
from domain.alerting import AlertKind
from domain.identity import Role
from tests.app.asking import DEMO, Json
from tests.journeys.door import REFRESH, SIGN_IN
from tests.journeys.system import House, Person, open_house

ALERTS = """
{ admin { alerts(first: 100, acknowledged: false) { nodes { id kind severity message count } } } }
"""
AT_ONCE: Final = timedelta(0)
EMAIL = "anna@canary.test"
PASSWORD = "a canary in a coal mine"
START = DEMO.replace("accessToken", "accessToken refreshToken")
BALANCE = "SELECT FROM tallystick.balances WHERE account_id = $1 FOR NO KEY UPDATE"
LATE = """
UPDATE tallystick.holds SET expires_at = now() - interval '6 minutes'
 WHERE account_id = $1 AND ended_moment IS NULL
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A house that is watched closely, and somebody who may see what comes of it."""

    house: House
    admin: Person
    oversight: Oversight
    """Of another process on the same database, which looks when it is told to."""

    async def look(self, kind: AlertKind) -> None:
        await self.oversight.overseeing.look_for(kind, AT_ONCE)

    async def wait_for(self, kind: AlertKind, *, looks: bool) -> None:
        """Until it is told; what is counted in memory takes ten seconds to be seen by others."""
        async with asyncio.timeout(60):
            while kind not in await self.alerts():
                await asyncio.sleep(0.2)
                if looks:
                    await self.look(kind)

    async def alerts(self) -> dict[str, Json]:
        """What was told so far: each kind's message."""
        nodes = (await self.admin.send(ALERTS))["admin.alerts.nodes"]
        assert isinstance(nodes, list)
        return {str(node["kind"]): node["message"] for node in nodes if isinstance(node, dict)}


@pytest.fixture
async def scene(database_url: str, deployment_secret: str) -> AsyncIterator[Scene]:
    async with open_house(
        database_url,
        deployment_secret,
        stripe_secret_key="sk_test_canary",
        stripe_webhook_secrets="whsec_canary",
        sign_in_methods="PASSWORD",
        email_confirmation="false",
        answers_at_once=1,
        alert_backlog_seconds=1,
        alert_refusals=5,
        alert_spending_credits="0.000001",
        book_check_minutes=10_000,
    ) as house:
        admin, deployment = await house.demo_person(Role.ADMIN), house.deployment
        async with opened_oversight(deployment.settings, deployment) as oversight:
            yield Scene(house, admin, oversight)
        assert await house.differences() == []


@asynccontextmanager
async def provider_failures(scene: Scene) -> AsyncIterator[None]:
    person, _ = await scene.house.visitor()
    for number in range(10):
        await person.ask("Hello\nsimulate: 500", f"failing {number}")
    yield


@asynccontextmanager
async def ledger_imbalance(scene: Scene) -> AsyncIterator[None]:
    await scene.house.database.execute("UPDATE tallystick.balances SET total = total + 1")
    await scene.house.database.execute("DELETE FROM tallystick.book_checks")
    checks = scene.oversight.checks
    assert checks is not None
    assert await checks.check() > 0
    yield
    await scene.house.database.execute("UPDATE tallystick.balances SET total = total - 1")


@asynccontextmanager
async def stuck_holds(scene: Scene) -> AsyncIterator[None]:
    """Somebody holds the lock on a balance, so that no sweep can end its holds."""
    person, _ = await scene.house.visitor()
    await person.ask("Hello\nsimulate: slow 20", "stuck", wait=0)
    account_id = await scene.house.database.fetchval(
        "SELECT account_id FROM tallystick.holds WHERE ended_moment IS NULL"
    )
    async with scene.house.database.acquire() as blocker, blocker.transaction():
        await blocker.execute(BALANCE, account_id)
        await scene.house.database.execute(LATE, account_id)
        yield


@asynccontextmanager
async def answer_backlog(scene: Scene) -> AsyncIterator[None]:
    person, _ = await scene.house.visitor()
    for number in range(2):
        await person.ask("Hello\nsimulate: slow 20", f"waiting {number}", wait=0)
    await asyncio.sleep(1.1)
    yield


@asynccontextmanager
async def webhook_rejected(scene: Scene) -> AsyncIterator[None]:
    for number in range(3):
        reply = await scene.house.http.post(
            "/webhooks/stripe", content=b"{}", headers={"stripe-signature": f"t={number},v1=00"}
        )
        assert reply.status_code == 400
    yield


@asynccontextmanager
async def unusual_spending(scene: Scene) -> AsyncIterator[None]:
    person, _ = await scene.house.visitor()
    reply = await person.ask("What is a ledger?", "dear")
    assert reply["askAI.answer.status"] == "SUCCEEDED"
    yield


@asynccontextmanager
async def sign_in_abuse(scene: Scene) -> AsyncIterator[None]:
    await scene.house.account(EMAIL)
    for _ in range(5):
        wanted = {"email": EMAIL, "password": PASSWORD}
        reply = await scene.house.stranger.send(SIGN_IN, input=wanted)
        assert reply["signIn.code"] == "INVALID_CREDENTIALS"
    yield


Provokes = Callable[[Scene], AbstractAsyncContextManager[None]]

PROVOKED: Mapping[AlertKind, Provokes] = MappingProxyType(
    {
        AlertKind.LEDGER_IMBALANCE: ledger_imbalance,
        AlertKind.UNUSUAL_SPENDING: unusual_spending,
        AlertKind.PROVIDER_FAILURES: provider_failures,
        AlertKind.SIGN_IN_ABUSE: sign_in_abuse,
        AlertKind.STUCK_HOLDS: stuck_holds,
        AlertKind.ANSWER_BACKLOG: answer_backlog,
    }
)
"""Each way to be looked at; the tests of payments provoke mismatches."""


async def test_whatever_goes_wrong_is_told_to_administrators(scene: Scene) -> None:
    async with webhook_rejected(scene):
        pass  # and nobody asks for a look: the system takes it by itself
    for kind, provoked in PROVOKED.items():
        await scene.look(kind)
        assert kind not in await scene.alerts()
        async with provoked(scene):
            await scene.wait_for(kind, looks=True)
    await scene.wait_for(AlertKind.WEBHOOK_REJECTED, looks=False)

    alerts = await scene.alerts()
    assert set(alerts) == {*PROVOKED, AlertKind.WEBHOOK_REJECTED}
    assert "canary" not in str(alerts)
    assert str(alerts[AlertKind.UNUSUAL_SPENDING]).startswith("acct_")


async def test_the_reuse_of_a_refresh_token_is_told_with_the_account(scene: Scene) -> None:
    started = await scene.house.stranger.send(START)
    first = started.text("startDemoSession.session.refreshToken")
    token = first
    for _ in range(2):
        reply = await scene.house.stranger.send(REFRESH, input={"refreshToken": token})
        token = reply.text("refreshSession.session.refreshToken")
    reply = await scene.house.stranger.send(REFRESH, input={"refreshToken": first})
    assert reply["refreshSession.code"] == "INVALID_CREDENTIALS"

    await scene.look(AlertKind.SIGN_IN_ABUSE)

    message = str((await scene.alerts())[AlertKind.SIGN_IN_ABUSE])
    assert started.text("startDemoSession.account.id") in message
    assert first not in message


async def test_what_a_process_has_counted_is_written_when_it_stops(scene: Scene) -> None:
    deployment = scene.house.deployment
    async with opened_oversight(deployment.settings, deployment) as stopping:
        for _ in range(7):
            stopping.tally.webhook_rejected("PAYSTACK")

    written = await scene.house.database.fetchval("SELECT sum(times) FROM tallystick.sightings")
    assert written == 7
