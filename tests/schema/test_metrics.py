"""Metrics: what administrators are told, and that only what they ask for is read."""

from datetime import UTC, datetime

import pytest

from domain.measuring import Figure
from domain.reporting import Span
from tests.schema.shop import ADA, EVE, Shop, answer_questions

DAYS = {"from": "2026-01-30T12:00:00Z", "to": "2026-02-01T12:00:00Z"}
EVERYTHING = """query ($range: TimeRange!) { admin { metrics(range: $range) {
  newAccounts activeAccounts creditsSold creditsGranted creditsCharged creditsOutstanding
  revenue { amount currency } providerCost
  usage { attempts charged providerCost latencyMs { p50 } }
  health { queuedAnswers runningAnswers openHolds oldestHoldSeconds pendingPayments openAlerts
           ledgerBalanced } } } }"""
SOME = """query ($range: TimeRange!) { admin { metrics(range: $range) {
  newAccounts revenue { amount } creditsSold } } }"""


@pytest.fixture
def shop() -> Shop:
    """Eve is an administrator; Ada asked three questions."""
    shop = Shop()
    answer_questions(shop.books, ADA, 3)
    return shop


async def test_metrics_tell_the_business_and_the_machinery(shop: Shop) -> None:
    data = await shop.ask(EVERYTHING, EVE, range=DAYS)

    assert data == {
        "admin": {
            "metrics": {
                "newAccounts": 2,
                "activeAccounts": 1,
                "creditsSold": "10",
                "creditsGranted": "3",
                "creditsCharged": "0.000003",
                "creditsOutstanding": "9007199254740.992",
                "revenue": [{"amount": "19.99", "currency": "USD"}],
                "providerCost": "0.000126",
                "usage": {
                    "attempts": 3,
                    "charged": "0.000003",
                    "providerCost": "0.000126",
                    "latencyMs": {"p50": 120},
                },
                "health": {
                    "queuedAnswers": 1,
                    "runningAnswers": 2,
                    "openHolds": 3,
                    "oldestHoldSeconds": None,
                    "pendingPayments": 4,
                    "openAlerts": 5,
                    "ledgerBalanced": True,
                },
            }
        }
    }


async def test_figures_asked_for_together_are_read_together_and_no_others(shop: Shop) -> None:
    await shop.ask(SOME, EVE, range=DAYS)

    assert shop.measures.read == [frozenset({Figure.NEW_ACCOUNTS, Figure.SALES})]


async def test_a_range_without_an_end_ends_now(shop: Shop) -> None:
    await shop.ask(SOME, EVE, range={"from": "2026-01-30T12:00:00Z"})

    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert shop.measures.spans == [Span(datetime(2026, 1, 30, 12, tzinfo=UTC), noon)]


@pytest.mark.parametrize(
    ("range_", "told"),
    [
        ({"from": "2026-01-30T12:00:00Z", "to": "2026-01-30T12:00:00Z"}, "range.to"),
        ({"from": "2027-01-30T12:00:00Z"}, "range.from"),
        ({"from": "2026-01-30T12:00:00Z", "to": "2028-01-30T12:00:00Z"}, "days ahead"),
    ],
)
async def test_a_range_that_cannot_be_is_refused_with_what_to_change(
    shop: Shop, range_: dict[str, str], told: str
) -> None:
    answer = await shop.tell(SOME, EVE, range=range_)

    assert answer.codes == ["BAD_REQUEST"]
    assert told in answer.errors[0].message
    assert shop.measures.read == []


async def test_a_range_however_long_can_be_asked_for(shop: Shop) -> None:
    await shop.ask(SOME, EVE, range={"from": "1970-01-01T00:00:00Z"})

    assert len(shop.measures.read) == 1
