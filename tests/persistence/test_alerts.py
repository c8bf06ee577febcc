"""Alerts in the database: counted until seen, told in their order, and acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.alerting import Alert, AlertKind, AlertSeverity
from domain.errors import Forbidden
from domain.identity import Role
from domain.reporting import PageRequest
from domain.units import AlertId
from persistence.books_alerts import PostgresAlertBooks
from persistence.engine import Engines
from persistence.operating import set_role
from tests.persistence.bank import Bank

MISMATCH = Alert(
    kind=AlertKind.PAYMENT_MISMATCH,
    severity=AlertSeverity.CRITICAL,
    subject="ts-1-1",
    message="Payment ts-1-1: paid in another currency.",
)


@pytest.fixture
async def alerts(bank: Bank, deployment_secret: str) -> AsyncIterator[PostgresAlertBooks]:
    engines = Engines.connecting(bank.url, secret=deployment_secret, connections_max=4)
    yield PostgresAlertBooks(engines)
    await engines.dispose()


async def test_whoever_acknowledges_first_is_named_and_audited(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    first, second = await bank.administrator(), await bank.administrator()
    await bank.payments.raise_alert(MISMATCH)

    assert await alerts.acknowledge(first.session_id, AlertId(1))
    assert await alerts.acknowledge(second.session_id, AlertId(1))

    seen = (await alerts.alerts(first.admin, [AlertId(1)]))[AlertId(1)]
    audit = [
        entry
        for entry in (await bank.books.audit_page(first.admin, PageRequest())).items
        if entry.action == "acknowledgeAlert"
    ]
    assert seen.acknowledged_by == first.account_id
    assert seen.acknowledged_at is not None
    assert [(entry.actor_id, entry.target_id, entry.summary) for entry in audit] == [
        (first.account_id, "1", "acknowledged PAYMENT_MISMATCH of ts-1-1")
    ]


async def test_many_who_acknowledge_at_once_leave_one_audit_entry(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()
    await bank.payments.raise_alert(MISMATCH)

    await asyncio.gather(*(alerts.acknowledge(admin.session_id, AlertId(1)) for _ in range(8)))

    noted = await bank.owner.fetchval(
        "SELECT count(*) FROM tallystick.audit_entries WHERE action = 'acknowledgeAlert'"
    )
    assert noted == 1


async def test_what_does_not_exist_cannot_be_acknowledged(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()

    assert not await alerts.acknowledge(admin.session_id, AlertId(1))


async def test_nobody_but_an_administrator_reads_or_acknowledges_alerts(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    customer = await bank.customer()
    await bank.payments.raise_alert(MISMATCH)

    with pytest.raises(Forbidden):
        await alerts.acknowledge(customer.session_id, AlertId(1))
    with pytest.raises(Forbidden):
        await alerts.alert_page(customer.admin, PageRequest(), is_acknowledged=None)
    with pytest.raises(Forbidden):
        await alerts.alerts_after(customer.admin, 0, AlertSeverity.INFO, 10)
    assert await alerts.alerts(customer.reader, [AlertId(1)]) == {}
    assert await alerts.alerts(customer.admin, [AlertId(1)]) == {}


async def test_the_right_to_see_alerts_ends_with_the_role(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()
    await bank.payments.raise_alert(MISMATCH)
    assert len(await alerts.alerts_after(admin.admin, 0, AlertSeverity.INFO, 10)) == 1

    await set_role(bank.url, admin.email, Role.USER)

    with pytest.raises(Forbidden):
        await alerts.alerts_after(admin.admin, 0, AlertSeverity.INFO, 10)


async def test_what_is_seen_again_after_it_was_acknowledged_is_a_new_alert(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()
    for _ in range(2):
        await bank.payments.raise_alert(MISMATCH)
    await alerts.acknowledge(admin.session_id, AlertId(1))

    await bank.payments.raise_alert(MISMATCH)

    both = await alerts.alert_page(admin.admin, PageRequest(), is_acknowledged=None)
    new = await alerts.alert_page(admin.admin, PageRequest(), is_acknowledged=False)
    old = await alerts.alert_page(admin.admin, PageRequest(), is_acknowledged=True)
    assert [alert.count for alert in both.items] == [1, 2]
    assert [list(new.items), list(old.items)] == [[both.items[0]], [both.items[1]]]


async def test_alerts_are_read_page_by_page(bank: Bank, alerts: PostgresAlertBooks) -> None:
    admin = await bank.administrator()
    for number in range(3):
        await bank.payments.raise_alert(replace(MISMATCH, subject=f"ts-1-{number}"))

    first = await alerts.alert_page(admin.admin, PageRequest(2), is_acknowledged=False)
    last = await alerts.alert_page(
        admin.admin, PageRequest(2, first.places[-1]), is_acknowledged=False
    )

    assert (len(first.items), first.has_next) == (2, True)
    assert (len(last.items), last.has_next) == (1, False)
    assert first.places[-1] > last.places[0]


async def test_sightings_of_many_at_once_are_counted_and_told_without_a_gap(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()

    async def follow() -> list[int]:
        """Revisions as somebody sees them who always reads on from the last."""
        told = [0]
        while told[-1] < 60:
            found = await alerts.alerts_after(admin.admin, told[-1], AlertSeverity.INFO, 100)
            told += [alert.revision for alert in found]
        return told

    async def see(subject: int) -> None:
        for _ in range(15):
            await bank.payments.raise_alert(replace(MISMATCH, subject=f"ts-1-{subject}"))

    following = asyncio.create_task(asyncio.wait_for(follow(), 30))
    await asyncio.gather(*(see(number) for number in (1, 1, 2, 3)))
    told = await following

    kept = await alerts.alert_page(admin.admin, PageRequest(), is_acknowledged=None)
    assert sorted(alert.count for alert in kept.items) == [15, 15, 30]
    assert told == sorted(set(told))
    assert {alert.revision for alert in kept.items} <= set(told)
    assert await alerts.alerts_revision(admin.admin) == 60


async def test_an_alert_of_little_weight_is_told_only_to_who_wants_it(
    bank: Bank, alerts: PostgresAlertBooks
) -> None:
    admin = await bank.administrator()
    for severity in AlertSeverity:
        await bank.payments.raise_alert(
            replace(MISMATCH, severity=severity, subject=f"about {severity}")
        )

    told = await alerts.alerts_after(admin.admin, 0, AlertSeverity.WARNING, 10)

    assert [alert.severity for alert in told] == ["WARNING", "CRITICAL"]
