"""Figures are those of the rows, whatever the range; reading them reads no log."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from domain.errors import Forbidden
from domain.identity import Role
from domain.ledger import Once
from domain.measuring import Figure, Figures, Health
from domain.money import Currency, Money
from domain.payments import PaymentMode
from domain.reporting import Span, UsageFilter
from domain.units import Microcredits
from persistence import books_metrics
from persistence.books_metrics import DAY, PostgresMeasures, days_and_rest
from persistence.books_pages import moment_at
from persistence.engine import Engines
from persistence.machinery import LOOK
from persistence.operating import set_role
from tests.persistence.bank import Bank, Customer
from tests.persistence.orders import buyer, refund
from tests.persistence.records import Making, matching, put

EVERY = frozenset(Figure)
YEAR = timedelta(days=365)
FOLD = "SELECT tallystick.fold_usage($1, 0, 1000000)"
A_LOG = (
    """
INSERT INTO tallystick.usage_records
SELECT ($1::bigint[])[1 + n % 5],
       (extract(epoch FROM now() - n * interval '15 minutes') * 1000000)::bigint, 0, 0, NULL, 1,
       'REFUSED', 'small', 1, 0, 0, 0, false, 0, NULL, NULL, 'INSUFFICIENT_CREDITS', NULL
  FROM generate_series(30000, 1, -1) AS n""",
    """
INSERT INTO tallystick.entries (account_id, moment, key_number, seq, kind, amount, total_after)
SELECT ($1::bigint[])[1 + n % 5],
       (extract(epoch FROM now() - n * interval '15 minutes') * 1000000)::bigint, 0, n, 'CHARGE',
       -1, 5
  FROM generate_series(30000, 1, -1) AS n""",
    """
INSERT INTO tallystick.holds (account_id, moment, key_number, api_key_number, amount, captured,
                              status, expires_at, ended_moment, key, digest)
SELECT ($1::bigint[])[1 + n % 5],
       (extract(epoch FROM now() - n * interval '15 minutes') * 1000000)::bigint, 0, 0, 5, 1,
       'CAPTURED', now(), (extract(epoch FROM now()) * 1000000)::bigint, gen_random_uuid(),
       gen_random_uuid()
  FROM generate_series(30000, 1, -1) AS n""",
)
"""Ten months of five accounts, who did something every quarter of an hour."""

ROOM = "SELECT tallystick.ensure_partitions(now() - interval '13 months', now())"
SWEPT = """
UPDATE tallystick.sweep_mark SET moment = (extract(epoch FROM now() - interval '1 hour') * 1000000)
"""
CHECKED = """
INSERT INTO tallystick.book_checks
       (started_at, rules, unfinished, entries, differences, imbalances, summary)
VALUES (now(), 40, 0, 9, 3, {imbalances}, 'a test')
"""


def measures(bank: Bank) -> PostgresMeasures:
    return PostgresMeasures(bank.books.engines)


async def around(bank: Bank) -> Span:
    """From a minute ago until in a minute, by the database's clock."""
    now: datetime = await bank.owner.fetchval("SELECT clock_timestamp()")
    return Span(now - timedelta(minutes=1), now + timedelta(minutes=1))


async def test_figures_of_a_range_are_those_of_its_rows(bank: Bank) -> None:
    admin = await bank.administrator()
    span = await around(bank)
    before = await measures(bank).figures(admin.admin, span, EVERY)
    alice, _idle = await bank.customer(1_000), await bank.customer(500)
    await bank.office.recharge(
        admin.session_id,
        alice.account_id,
        Microcredits(70),
        expires_at=None,
        reason="a gift",
        once=Once.of("recharge", "1"),
    )
    await bank.answer(alice.purse, charged=40)
    bob = await buyer(bank)
    await bob.is_told()
    await bob.is_told(refund(200))

    after = await measures(bank).figures(admin.admin, span, EVERY)

    # Of 1,100 credits for five dollars, what two of them bought was taken back.
    assert before == Figures(new_accounts=1)
    assert after == Figures(
        new_accounts=4,
        active_accounts=1,
        credits_granted=Microcredits(1_570),
        credits_sold=Microcredits(660),
        revenue=(Money(300, Currency.USD),),
        credits_outstanding=Microcredits(1_000 + 500 + 70 - 40 + 660),
    )


async def test_what_lies_outside_the_range_is_not_in_the_figures(bank: Bank) -> None:
    admin = await bank.administrator()
    alice = await bank.customer(1_000)
    await bank.answer(alice.purse, charged=40)
    await (await buyer(bank)).is_told()
    span = await around(bank)
    assert span.end is not None
    earlier = Span(span.start - YEAR, span.start)
    later = Span(span.end, span.end + YEAR)

    for other in (earlier, later):
        found = await measures(bank).figures(admin.admin, other, EVERY)
        assert found == Figures(credits_outstanding=Microcredits(960 + 1_100))


async def test_a_purchase_with_a_test_key_is_no_revenue_once_there_was_a_real_one(
    bank: Bank,
) -> None:
    admin = await bank.administrator()
    await (await buyer(bank)).is_told()
    span = await around(bank)
    tried = await measures(bank).figures(admin.admin, span, {Figure.SALES})
    real = await buyer(bank, mode=PaymentMode.LIVE)
    begun = await measures(bank).figures(admin.admin, span, {Figure.SALES})
    await real.is_told(refund(100))

    sold = await measures(bank).figures(admin.admin, span, {Figure.SALES})

    assert (tried.credits_sold, tried.revenue) == (1_100, (Money(500, Currency.USD),))
    assert begun == tried
    assert (sold.credits_sold, sold.revenue) == (880, (Money(400, Currency.USD),))


async def test_active_accounts_are_counted_across_all_that_is_added_up_and_all_that_is_not(
    bank: Bank,
) -> None:
    admin = await bank.administrator()
    customers = [await bank.customer() for _ in range(40)]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    making = Making(7, start, start + timedelta(days=6))
    records = [record for each in customers for record in making.records(each.account_id, 3)]
    await put(bank, records)
    spans = _spans(making, 24)

    for mark in (start + timedelta(days=2, hours=7), start + timedelta(days=30)):
        await bank.owner.fetchval(FOLD, moment_at(mark))
        for span in spans:
            found = await measures(bank).figures(admin.admin, span, {Figure.ACTIVE_ACCOUNTS})
            active = {
                each.id.purse.account_id for each in matching(records, UsageFilter(span=span))
            }
            assert found.active_accounts == len(active), (mark, span)


def _spans(making: Making, count: int) -> list[Span]:
    """Ranges that begin and end anywhere, some of them where days do."""
    length = making.end - making.start
    instants = [making.start + making.random.random() * length for _ in range(count)]
    days = [making.start + timedelta(days=number % 9 - 1) for number in range(count)]
    pairs = [*zip(instants, days, strict=True), *zip(instants, instants[::-1], strict=True)]
    return [Span(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]


@given(
    st.integers(0, 6 * DAY),
    st.integers(1, 6 * DAY),
    st.integers(0, 7 * DAY),
    st.integers(0, 6 * DAY),
)
def test_every_record_of_a_range_is_read_and_no_other(
    start: int, length: int, mark: int, moment: int
) -> None:
    end = start + length
    told = days_and_rest(start, end, mark)

    is_in_head = told["from"] <= moment < told["head_to"]
    is_in_tail = told["tail_from"] <= moment < told["to"]
    is_in_days = moment < mark and told["days_from"] <= moment // DAY * DAY < told["days_to"]
    assert (is_in_head or is_in_tail or is_in_days) == (start <= moment < end)
    assert told["head_to"] - told["from"] < DAY
    assert mark > end or told["to"] - told["tail_from"] <= max(end - max(mark, start), 0)


async def test_figures_are_for_administrators_even_if_our_own_code_forgets(bank: Bank) -> None:
    alice, eve = await bank.customer(5), await bank.administrator()
    span = await around(bank)
    await set_role(bank.url, eve.email, Role.USER)

    for who in (alice, eve):
        for reader in (who.admin, who.reader):
            with pytest.raises(Forbidden):
                await measures(bank).figures(reader, span, EVERY)
            with pytest.raises(Forbidden):
                await measures(bank).health(reader)


async def test_health_is_what_waits_runs_and_is_held(bank: Bank) -> None:
    admin = await bank.administrator()
    alice = await bank.customer(1_000)
    idle = await measures(bank).health(admin.admin)
    await bank.ask(alice.purse)
    await bank.answer(alice.purse)
    await buyer(bank)
    await bank.owner.execute(
        "SELECT tallystick.raise_alert('STUCK_HOLDS', 'WARNING', 'a test', 'A test.')"
    )

    busy = await measures(bank).health(admin.admin)

    assert idle == Health(
        queued_answers=0,
        running_answers=0,
        open_holds=0,
        oldest_hold_seconds=None,
        pending_payments=0,
        open_alerts=0,
        ledger_balanced=True,
    )
    assert busy.oldest_hold_seconds is not None
    assert 0 <= busy.oldest_hold_seconds < 600
    assert busy == replace(
        idle,
        running_answers=1,
        open_holds=1,
        oldest_hold_seconds=busy.oldest_hold_seconds,
        pending_payments=1,
        open_alerts=1,
    )


@pytest.mark.parametrize(
    "damage",
    ["UPDATE tallystick.balances SET held = held + 1 WHERE held > 0", CHECKED.format(imbalances=1)],
)
async def test_books_that_do_not_add_up_are_told(bank: Bank, damage: str) -> None:
    admin = await bank.administrator()
    await bank.ask((await bank.customer(1_000)).purse)
    assert (await measures(bank).health(admin.admin)).ledger_balanced

    await bank.owner.execute(damage)

    assert not (await measures(bank).health(admin.admin)).ledger_balanced


async def test_books_that_were_put_right_again_are_balanced(bank: Bank) -> None:
    admin = await bank.administrator()
    for imbalances in (3, 0):
        await bank.owner.execute(CHECKED.format(imbalances=imbalances))

    assert (await measures(bank).health(admin.admin)).ledger_balanced


async def test_no_figure_reads_a_log(bank: Bank, one_connection: Engines) -> None:
    admin = await bank.administrator()
    customers = [await bank.customer(1_000) for _ in range(5)]
    await bank.answer(customers[0].purse)
    await bank.owner.execute(ROOM)
    for statement in A_LOG:
        await bank.owner.execute(statement, [each.account_id for each in customers])
    await bank.owner.execute(SWEPT)
    now: int = await bank.owner.fetchval(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    )
    await bank.owner.fetchval(FOLD, now - DAY // 2)
    for table in ("accounts", "entries", "holds", "usage_records", "usage_folds", "payments"):
        await bank.vacuum(f"tallystick.{table}")
    start, end = now - 30 * DAY, now
    days = days_and_rest(start, end, now - DAY // 2)
    moments = {"from": start, "to": end}

    for statement, told, index in (
        (books_metrics.ACTIVE_ACCOUNTS, days, "usage_folds_of_days"),
        (books_metrics.CREDITS_GRANTED, moments, "_moment_amount_idx"),
        (LOOK, {}, "holds_by_time"),
        (books_metrics.HOLDS_ADD_UP, {}, "holds_by_time"),
    ):
        plan = await _plan(one_connection, admin, statement, told)
        assert re.search(r"Seq Scan on (entries|usage|holds)", plan) is None, plan
        assert index in plan, plan


async def _plan(engines: Engines, admin: Customer, statement: str, told: Mapping[str, int]) -> str:
    async with engines.reading(admin.admin) as session:
        connection = await session.connection()
        found = await connection.execute(text(f"EXPLAIN {statement}"), dict(told))
        return "\n".join(str(row[0]) for row in found)
