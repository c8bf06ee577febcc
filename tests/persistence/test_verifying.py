"""Whatever is wrong with the books, verify names the row."""

import asyncio

import asyncpg
import pytest

from domain.covering import MINUTE
from domain.ledger import Once
from domain.units import EntryId, Microcredits
from domain.verifying import Report
from persistence.verifying import verify
from persistence.verifying_defences import DEFENCES
from persistence.verifying_rules import RULES
from tests.persistence import orders
from tests.persistence.bank import Bank
from tests.persistence.damages import (
    DAMAGES,
    DAMAGES_OF_EVENTS,
    DAMAGES_OF_KEYS,
    DAMAGES_OF_PAYMENTS,
    DAMAGES_OF_ROLES,
    SUM,
    Damage,
)

FIRST_ENTRY = "SELECT min(moment) FROM tallystick.entries WHERE account_id = $1"
HOUR = "SELECT date_trunc('hour', to_timestamp($1::bigint / 1000000), 'UTC')::text"
FIRST_HOLD = "SELECT min(moment) FROM tallystick.holds WHERE account_id = $1"


def test_every_rule_is_tried() -> None:
    planted = (*DAMAGES, *DAMAGES_OF_PAYMENTS, *DAMAGES_OF_KEYS, *DAMAGES_OF_EVENTS)
    tried = {damage.promise for damage in planted} | {damage[2] for damage in DAMAGES_OF_ROLES}

    assert tried == {rule.promise for rule in (*RULES, *DEFENCES)}


async def test_books_in_use_are_right(bank: Bank) -> None:
    await _scene(bank)

    report = await verify(bank.url)

    assert report.is_clean, report.lines()
    assert report.lines() == ["The books are right: 50 rules hold over 5 entries."]


@pytest.mark.parametrize(
    "damage",
    [*DAMAGES, *DAMAGES_OF_PAYMENTS, *DAMAGES_OF_EVENTS],
    ids=lambda damage: f"{damage.done}: {damage.row}",
)
async def test_what_is_wrong_is_named(bank: Bank, damage: Damage) -> None:
    scene = await _scene(bank)

    await _behind_our_back(bank, damage.done.format_map(scene))

    assert damage.row.format_map(scene) in _rows(await verify(bank.url), damage.promise)


@pytest.mark.parametrize(
    ("done", "undone", "promise", "row"), DAMAGES_OF_ROLES, ids=lambda value: value[:40]
)
async def test_a_login_with_too_many_rights_is_named(
    bank: Bank, done: str, undone: str, promise: str, row: str
) -> None:
    await bank.owner.execute(done)
    try:
        report = await verify(bank.url)
    finally:
        await bank.owner.execute(undone)

    assert row in _rows(report, promise)


async def test_many_wrong_rows_are_counted_and_the_first_are_named(bank: Bank) -> None:
    accounts = sorted([(await bank.customer(10)).account_id for _ in range(3)])
    await _behind_our_back(bank, "UPDATE balances SET total = 5")

    report = await verify(bank.url, rows_max=2)

    finding = next(found for found in report.findings if found.promise == SUM)
    assert finding.count == 3
    assert [found.row for found in finding.differences] == [
        f"balances ({accounts[0]}, 0)",
        f"balances ({accounts[1]}, 0)",
    ]
    assert "  … and 1 more" in report.lines()


async def test_books_are_right_at_every_moment_while_they_are_written(bank: Bank) -> None:
    customers = [await bank.customer(1_000_000) for _ in range(5)]
    writing = asyncio.gather(
        *(bank.answer(customer.purse) for customer in customers for _ in range(40))
    )

    reports = [await verify(bank.url) for _ in range(3)]
    await writing

    assert [report.findings for report in reports] == [(), (), ()]


async def _scene(bank: Bank) -> dict[str, object]:
    """A customer who asked, was refunded in part, and asks again."""
    admin = await bank.administrator()
    customer = await bank.customer(1_000)
    ended = await bank.answer(customer.purse, charged=40)
    refund = await bank.office.refund(
        admin.session_id,
        EntryId(customer.purse, ended.ended_at),
        Microcredits(10),
        reason="a test",
        once=Once.of("refundCharge", "1"),
    )
    in_progress = await bank.ask(customer.purse)
    await bank.folding.fold()
    bought = await orders.buyer(bank)
    await bought.is_told(orders.refund(100), heard=orders.message("evt"))
    lines = "SELECT moment FROM tallystick.payment_entries ORDER BY moment"
    purchase, back = [row["moment"] for row in await bank.owner.fetch(lines)]
    return {
        "buyer": bought.customer.account_id,
        "payment": bought.payment.id.moment,
        "purchase": purchase,
        "back": back,
        "account": customer.account_id,
        "grant": await bank.owner.fetchval(FIRST_ENTRY, customer.account_id),
        "hold": await bank.owner.fetchval(FIRST_HOLD, customer.account_id),
        "charge": ended.ended_at,
        "after_charge": ended.ended_at + 1,
        "refund": refund.entry_id.moment,
        "open": in_progress.hold_id.moment,
        "quarter": ended.ended_at - ended.ended_at % (15 * MINUTE),
        "whole_hour": ended.ended_at - ended.ended_at % (60 * MINUTE),
        "day": ended.ended_at - ended.ended_at % (1440 * MINUTE),
        "hour": await bank.owner.fetchval(HOUR, ended.ended_at),
    }


async def _behind_our_back(bank: Bank, statements: str) -> None:
    """Change the tables as only a superuser can, with every trigger asleep."""
    connection = await asyncpg.connect(
        bank.url,
        server_settings={"session_replication_role": "replica", "search_path": "tallystick"},
    )
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def _rows(report: Report, promise: str) -> list[str]:
    return [
        difference.row
        for finding in report.findings
        if finding.promise == promise
        for difference in finding.differences
    ]
