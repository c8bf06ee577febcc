"""What administrators read of the business, after somebody asked and something went wrong."""

from datetime import datetime, timedelta
from decimal import Decimal

from domain.identity import Role
from tests.journeys.system import open_house

METRICS = """query ($range: TimeRange!) { admin { metrics(range: $range) {
  newAccounts activeAccounts creditsGranted creditsCharged creditsOutstanding creditsSold
  revenue { amount } usage { attempts succeeded failed charged }
  health { runningAnswers openHolds oldestHoldSeconds openAlerts ledgerBalanced } } } }"""


async def test_metrics_are_of_what_happened_and_for_administrators_only(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret) as house:
        admin = await house.demo_person(Role.ADMIN)
        began: datetime = await house.database.fetchval("SELECT clock_timestamp()")
        range_ = {"from": began.isoformat(), "to": (began + timedelta(days=1)).isoformat()}
        (visitor, _), (_idle, _) = await house.visitor(), await house.visitor()
        charged = (await visitor.ask("Hello", "one"))["askAI.answer.charged"]
        await visitor.ask("Hello\nsimulate: 500", "two")
        await visitor.ask("Hello\nsimulate: stall", "three", wait=0)

        told = await admin.send(METRICS, range=range_)
        refused = await visitor.send(METRICS, range=range_)

        # Two visitors and two demo accounts have 1,000 each.
        left = 4_000 - Decimal(str(charged))
        health = told["admin.metrics.health"]
        assert isinstance(health, dict)
        assert health.pop("oldestHoldSeconds") in range(600)
        assert told["admin.metrics"] == {
            "newAccounts": 2,
            "activeAccounts": 1,
            "creditsGranted": "2000",
            "creditsCharged": charged,
            "creditsOutstanding": str(left),
            "creditsSold": "0",
            "revenue": [],
            # What failed was tried three times.
            "usage": {"attempts": 4, "succeeded": 1, "failed": 3, "charged": charged},
            "health": {
                "runningAnswers": 1,
                "openHolds": 1,
                "openAlerts": 0,
                "ledgerBalanced": True,
            },
        }
        assert refused.codes == ["FORBIDDEN"]
        assert await house.differences() == []
