"""Alerts followed through both transports and in two processes, and acknowledged."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.asgi import application
from domain.identity import Role
from persistence.operating import set_role
from tests.app.streaming import Json, listening, talking
from tests.journeys.serving import serving
from tests.journeys.system import House, open_house

FOLLOW = """
subscription($least: AlertSeverity! = INFO) {
  alertRaised(minimumSeverity: $least) { id kind severity message count }
}
"""
LIST = "{ admin { alerts(acknowledged: false) { nodes { id count } } } }"
ACKNOWLEDGE = """
mutation($id: ID!) { acknowledgeAlert(input: {alertId: $id}) {
  __typename
  ... on AcknowledgeAlertSuccess { alert { acknowledgedBy { email } } }
} }
"""
AUDIT = "{ admin { auditLog(first: 1) { nodes { action targetId actor { email } } } } }"
PATIENCE = 30.0


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret) as house:
        yield house
        assert await house.differences() == []


async def see(house: House, subject: str, severity: str) -> None:
    """Something odd about a payment is seen, somewhere."""
    await house.database.execute(
        "SELECT tallystick.raise_alert('PAYMENT_MISMATCH', $2, $1, $3)",
        subject,
        severity,
        f"Payment {subject} is odd.",
    )


def alert_of(body: object) -> Json:
    match body:
        case {"data": {"alertRaised": dict() as alert}}:
            return alert
        case _:
            raise AssertionError(body)


async def test_alerts_are_followed_in_two_processes_and_acknowledged(
    house: House, deployment_secret: str
) -> None:
    eve = await house.demo_person(Role.ADMIN)
    await see(house, "ts-0", "CRITICAL")
    async with (
        asyncio.timeout(PATIENCE),
        open_house(house.deployment.url, deployment_secret) as other,
        serving(application(house.system)) as here,
        serving(application(other.system)) as there,
        talking(here) as talk,
        listening(there, FOLLOW, eve.token, least="WARNING") as events,
    ):
        await talk.begin(eve.token)
        await talk.ask(FOLLOW)
        each = events.each()
        await asyncio.sleep(1)  # until both listen: what was seen before is not told
        await see(house, "ts-1", "INFO")
        await see(house, "ts-2", "CRITICAL")
        by_socket = [alert_of((await talk.hear())["payload"]) for _ in range(2)]
        _, body = await anext(each)
        by_events = alert_of(body)
        await see(house, "ts-2", "CRITICAL")
        _, body = await anext(each)
        again = alert_of(body)

    assert [alert["message"] for alert in by_socket] == [
        "Payment ts-1 is odd.",
        "Payment ts-2 is odd.",
    ]
    assert by_events == by_socket[1]
    assert again == {**by_events, "count": 2}

    outcomes = [(await eve.send(ACKNOWLEDGE, id=again["id"])) for _ in range(2)]
    left = await eve.send(LIST)
    audit = await eve.send(AUDIT)
    assert [outcome["acknowledgeAlert.__typename"] for outcome in outcomes] == [
        "AcknowledgeAlertSuccess"
    ] * 2
    assert str(again["id"]) not in str(left["admin.alerts.nodes"])
    assert audit["admin.auditLog.nodes"] == [
        {
            "action": "acknowledgeAlert",
            "targetId": again["id"],
            "actor": {"email": outcomes[0]["acknowledgeAlert.alert.acknowledgedBy.email"]},
        }
    ]


async def test_who_is_no_administrator_any_more_is_told_no_further_alert(house: House) -> None:
    account_id = await house.account("mallory@example.test")
    await set_role(house.deployment.url, "mallory@example.test", Role.ADMIN)
    mallory = await house.person(account_id)
    async with (
        asyncio.timeout(PATIENCE),
        serving(application(house.system)) as address,
        listening(address, FOLLOW, mallory.token) as events,
    ):
        await asyncio.sleep(1)
        await see(house, "ts-1", "CRITICAL")
        each = events.each()
        _, first = await anext(each)
        await set_role(house.deployment.url, "mallory@example.test", Role.USER)
        await see(house, "ts-2", "CRITICAL")
        farewell = [event async for event in each]

    assert alert_of(first)["message"] == "Payment ts-1 is odd."
    assert "FORBIDDEN" in str(farewell)
    assert "ts-2" not in str(farewell)
    assert farewell[-1] == ("complete", None)
