"""How much is too much, and how little is well again."""

from datetime import UTC, datetime

import pytest

from domain import thresholds
from domain.alerting import AlertSeverity
from domain.conditions import Height
from domain.thresholds import (
    Attempts,
    Backlog,
    BookCheck,
    Limits,
    OverdueHolds,
    Refusals,
    Spending,
)
from domain.units import AccountId, Microcredits, ModelId

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HIGH, BETWEEN, LOW = Height.HIGH, Height.BETWEEN, Height.LOW
LIMITS = Limits(
    failures_percent=50,
    backlog_seconds=60,
    backlog_max=1_000,
    refusals=50,
    spending=Microcredits(10_000_000_000),
    spending_times=5,
)


def name_of(account_id: AccountId) -> str:
    return f"acct_{account_id}"


@pytest.mark.parametrize(
    ("failed", "total", "height"),
    [
        (5, 10, HIGH),
        (10, 10, HIGH),
        (9, 9, BETWEEN),  # too few to conclude anything
        (4, 10, BETWEEN),
        (25, 100, BETWEEN),
        (24, 100, LOW),
        (0, 10, LOW),
        (0, 0, LOW),
    ],
)
def test_a_provider_fails_when_half_of_what_is_asked_fails(
    failed: int, total: int, height: Height
) -> None:
    attempts = Attempts(model_id=ModelId("m"), total=total, failed=failed)

    [reading] = thresholds.of_attempts([attempts], LIMITS)

    assert (reading.subject, reading.height) == ("m", height)


def test_a_provider_that_answers_nothing_is_critical() -> None:
    some = Attempts(model_id=ModelId("a"), total=20, failed=17)
    all_ = Attempts(model_id=ModelId("b"), total=20, failed=20)

    readings = list(thresholds.of_attempts([some, all_], LIMITS))

    assert [reading.severity for reading in readings] == [
        AlertSeverity.WARNING,
        AlertSeverity.CRITICAL,
    ]
    assert readings[0].message == (
        "Of 20 attempts at a within 10 minutes, 17 failed at the provider (85 %)."
    )


def test_one_stuck_hold_is_too_many() -> None:
    stuck = OverdueHolds(count=1, amount=Microcredits(2_500_000), oldest_seconds=400)
    none = OverdueHolds(count=0, amount=Microcredits(0), oldest_seconds=0)

    assert thresholds.of_holds(stuck).height is HIGH
    assert "2.5 credits" in thresholds.of_holds(stuck).message
    assert thresholds.of_holds(none).height is LOW


@pytest.mark.parametrize(
    ("count", "seconds", "height"),
    [
        (1, 60, HIGH),
        (1, 59, BETWEEN),
        (1, 29, LOW),
        (800, 0, HIGH),
        (799, 0, BETWEEN),
        (399, 0, LOW),
        (0, 0, LOW),
    ],
)
def test_a_line_is_long_by_its_oldest_or_by_its_length(
    count: int, seconds: int, height: Height
) -> None:
    assert thresholds.of_backlog(Backlog(count=count, oldest_seconds=seconds), LIMITS).height is (
        height
    )


def test_a_full_line_is_critical_since_it_refuses_questions() -> None:
    reading = thresholds.of_backlog(Backlog(count=1_000, oldest_seconds=5), LIMITS)

    assert reading.severity is AlertSeverity.CRITICAL
    assert reading.message == "1000 answers wait, one for 5 s; more questions are refused."


@pytest.mark.parametrize(
    ("differences", "unfinished", "height"),
    [(1, 0, HIGH), (1, 3, HIGH), (0, 3, BETWEEN), (0, 0, LOW)],
)
def test_books_are_right_only_when_every_rule_was_looked_at(
    differences: int, unfinished: int, height: Height
) -> None:
    check = BookCheck(
        finished_at=NOON,
        rules=40,
        unfinished=unfinished,
        differences=differences,
        imbalances=0,
        summary="What was found.",
    )

    reading = thresholds.of_book_check(check)

    assert (reading.height, reading.measured_at) == (height, NOON)
    assert reading.severity is AlertSeverity.CRITICAL


def test_a_stray_message_to_a_webhook_is_no_alert() -> None:
    readings = thresholds.of_rejected_webhooks(
        [Refusals(subject="STRIPE", count=3), Refusals(subject="PAYSTACK", count=2)]
    )

    assert [(reading.subject, reading.height) for reading in readings] == [
        ("STRIPE", HIGH),
        ("PAYSTACK", BETWEEN),
    ]


def test_refused_sign_ins_are_told_without_anybodys_address() -> None:
    refusals = [
        Refusals(subject="account 7", count=50, account_id=AccountId(7)),
        Refusals(subject="network 192.0.2.7", count=49),
        Refusals(subject="address 0a1b2c", count=24),
        Refusals(subject="others", count=900),
    ]

    readings = list(thresholds.of_refused_sign_ins(refusals, LIMITS, name_of))

    assert [reading.height for reading in readings] == [HIGH, BETWEEN, LOW, HIGH]
    assert [reading.message.partition("sign in ")[2] for reading in readings] == [
        "for the address of acct_7 were refused within 10 minutes.",
        "from the network 192.0.2.7 were refused within 10 minutes.",
        "for one address were refused within 10 minutes.",
        "from many networks, or for many addresses were refused within 10 minutes.",
    ]


@pytest.mark.parametrize(
    ("charged", "usual", "hours", "height"),
    [
        (10_000, 2_000, 10, HIGH),
        (10_000, 2_001, 10, BETWEEN),  # nearly as much as would be unusual
        (10_000, 4_001, 10, LOW),  # what this account always spends
        (9_999, 100, 10, BETWEEN),
        (4_999, 100, 10, LOW),  # nothing anybody would miss
        (10_000, 9_000, 2, HIGH),  # two hours are no habit
        (10_000, 0, 0, HIGH),
    ],
)
def test_spending_is_unusual_when_it_is_much_and_much_for_this_account(
    charged: int, usual: int, hours: int, height: Height
) -> None:
    spending = Spending(
        account_id=AccountId(7),
        charged=Microcredits(charged * 1_000_000),
        usual_total=Microcredits(usual * hours * 1_000_000),
        usual_hours=hours,
    )

    [reading] = thresholds.of_spending([spending], LIMITS, name_of)

    assert (reading.subject, reading.height) == ("account 7", height)
    assert reading.message.startswith(f"acct_7 was charged {charged} credits within an hour; ")
