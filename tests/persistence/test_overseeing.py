"""What is wrong with a system is seen in its database, once, by whoever looks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.alerting import AlertKind
from domain.answers import AnswerEnd
from domain.conditions import CALM_FOR, COUNTED_EVERY, Height, Reading
from domain.errors import ProviderFailure, StateConflict
from domain.units import AlertId
from persistence.book_checks import PostgresBookChecks
from persistence.books_alerts import PostgresAlertBooks
from persistence.engine import Engines
from persistence.forgetting import PostgresSeenAlerts
from schema.ids import account_name
from tests.persistence.bank import GIVEN_UP, Bank
from tests.persistence.watchtower import AT_ONCE, Tower, tower_of

A_MINUTE = timedelta(minutes=1)
A_DAY = timedelta(days=1)
SPENT = """
INSERT INTO tallystick.usage_hours
SELECT $1, to_timestamp(floor(extract(epoch FROM now()) / 3600) * 3600) - $2 * interval '1 hour',
       'small', 0, 1, 1, 0, 0, 0, 0, 0, 0, $3, 0, 0, 0
"""

ROOM = "SELECT tallystick.ensure_partitions(now() - interval '1 month', now())"
ATTEMPTS = """
INSERT INTO tallystick.usage_records
SELECT $1, (extract(epoch FROM now() - n * interval '1 s') * 1000000)::bigint, 0, 0, NULL, 1,
       'SUCCEEDED', 'small', 1, 0, 0, 0, false, 0, NULL, NULL, NULL, NULL
  FROM generate_series(0, 59999) AS n ORDER BY n DESC
"""
HOURS = """
INSERT INTO tallystick.usage_hours
SELECT account,
       to_timestamp(floor(extract(epoch FROM now()) / 3600) * 3600) - n * interval '1 hour',
       'small', 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0
  FROM generate_series(0, 199) AS n, generate_series(1000, 1299) AS account ORDER BY n DESC
"""
ROWS_READ = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_user_tables
 WHERE relname LIKE 'usage_%'
"""


RAISE = "SELECT tallystick.raise_alert('PAYMENT_MISMATCH', 'WARNING', $1, 'look at it')"
SEEN_LONG_AGO = """
UPDATE tallystick.alerts
   SET acknowledged_at = acknowledged_at - interval '91 days',
       first_seen_at = first_seen_at - interval '92 days',
       last_seen_at = last_seen_at - interval '92 days'
 WHERE id = ANY ($1::bigint[])
"""
ALERTS_LEFT = "SELECT array_agg(id ORDER BY id) FROM tallystick.alerts"


@pytest.fixture
async def tower(bank: Bank) -> AsyncIterator[Tower]:
    async with tower_of(bank) as tower:
        yield tower


async def fail(bank: Bank, times: int, end: AnswerEnd = GIVEN_UP) -> None:
    customer = await bank.customer(1_000_000)
    for _ in range(times):
        taken = await bank.ask(customer.purse)
        await bank.ledger.release(taken.hold_id, end)


async def test_a_well_kept_bank_has_no_alerts(bank: Bank, tower: Tower) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    await PostgresBookChecks(pool=bank.owner, url=bank.url, every=AT_ONCE).check()

    assert [await tower.look(kind) for kind in AlertKind if kind != "PAYMENT_MISMATCH"] == [0] * 7
    assert await tower.alerts() == []


async def test_failures_at_a_provider_are_seen_by_model(bank: Bank, tower: Tower) -> None:
    await fail(bank, 12)

    assert await tower.look(AlertKind.PROVIDER_FAILURES) == 1

    assert await tower.alerts() == [
        (
            "PROVIDER_FAILURES",
            "Of 12 attempts at small within 10 minutes, 12 failed at the provider (100 %).",
            1,
        )
    ]


async def test_what_a_provider_rejects_is_no_failure_of_it(bank: Bank, tower: Tower) -> None:
    customer = await bank.customer(1_000_000)
    rejected = replace(GIVEN_UP, failure=ProviderFailure.REJECTED)

    await fail(bank, 12, rejected)
    # And in one batch.
    taken = await asyncio.gather(*(bank.ask(customer.purse) for _ in range(12)))
    await asyncio.gather(*(bank.ledger.release(each.hold_id, rejected) for each in taken))
    alone = await tower.look(AlertKind.PROVIDER_FAILURES)
    [first] = GIVEN_UP.attempts
    await fail(bank, 11, replace(rejected, attempts=(first, replace(first, attempt=2))))

    assert alone == 0
    assert await tower.look(AlertKind.PROVIDER_FAILURES) == 1
    [(_, message, _)] = await tower.alerts()
    assert message.startswith("Of 11 attempts at small within 10 minutes, 11 failed")


async def test_an_alert_is_forgotten_long_after_it_was_seen_and_is_over(
    bank: Bank, tower: Tower, deployment_secret: str
) -> None:
    admin, seen = await bank.administrator(), PostgresSeenAlerts(bank.owner)
    engines = Engines.connecting(bank.url, secret=deployment_secret, connections_max=1)
    books = PostgresAlertBooks(engines)
    await fail(bank, 12)
    await tower.look(AlertKind.PROVIDER_FAILURES)
    for subject in ("over", "not seen", "seen lately", "the last"):
        await bank.owner.execute(RAISE, subject)
    for number in (1, 2, 4, 5):
        await books.acknowledge(admin.session_id, AlertId(number))
    await bank.owner.execute(SEEN_LONG_AGO, [1, 2, 3, 5])

    forgotten = [await seen.forget(), await seen.forget()]

    # The first one's condition lasts, and revisions are counted on from the last one.
    assert forgotten == [1, 0]
    assert await bank.owner.fetchval(ALERTS_LEFT) == [1, 3, 4, 5]
    await bank.owner.execute(RAISE, "next")
    assert await books.alerts_revision(admin.admin) == 6
    assert await seen.forget() == 1
    await engines.dispose()


async def test_many_who_look_at_once_tell_it_once(bank: Bank, tower: Tower) -> None:
    await fail(bank, 12)
    lookers = (tower.overseeing.look_for(AlertKind.PROVIDER_FAILURES, A_MINUTE) for _ in range(20))

    told = await asyncio.gather(*lookers)

    assert sum(told) == 1
    assert [count for *_, count in await tower.alerts()] == [1]


async def test_a_look_is_not_repeated_before_its_time(bank: Bank, tower: Tower) -> None:
    await tower.overseeing.look_for(AlertKind.PROVIDER_FAILURES, A_MINUTE)
    await fail(bank, 12)

    assert await tower.overseeing.look_for(AlertKind.PROVIDER_FAILURES, A_MINUTE) == 0
    await bank.owner.execute("UPDATE tallystick.looks SET looked_at = looked_at - interval '61 s'")
    assert await tower.overseeing.look_for(AlertKind.PROVIDER_FAILURES, A_MINUTE) == 1


async def test_a_look_that_is_cut_short_leaves_nothing_and_is_made_again(
    bank: Bank, tower: Tower
) -> None:
    await fail(bank, 12)

    async def die() -> None:
        kind = AlertKind.PROVIDER_FAILURES
        async with tower.overseeing.lookout.look(kind, A_MINUTE) as look:
            assert look is not None
            reading = Reading(subject="small", height=Height.HIGH, message="half a look")
            await look.tell(kind, reading)
            raise StateConflict("the process died")

    with pytest.raises(StateConflict):
        await die()

    assert await tower.alerts() == []
    assert await tower.overseeing.look_for(AlertKind.PROVIDER_FAILURES, A_MINUTE) == 1


async def test_a_condition_is_counted_acknowledged_over_and_raised_anew(
    bank: Bank, tower: Tower, deployment_secret: str
) -> None:
    kind, admin = AlertKind.PROVIDER_FAILURES, await bank.administrator()
    await fail(bank, 12)
    await tower.look(kind)
    await tower.look(kind)
    await tower.wait(COUNTED_EVERY)
    await tower.look(kind)
    counted = [count for *_, count in await tower.alerts()]
    engines = Engines.connecting(bank.url, secret=deployment_secret, connections_max=1)
    await PostgresAlertBooks(engines).acknowledge(admin.session_id, AlertId(1))
    await engines.dispose()

    await tower.wait(COUNTED_EVERY)
    assert await tower.look(kind) == 0  # somebody knows, and it goes on
    succeed = await bank.customer(1_000_000)
    for _ in range(50):
        await bank.answer(succeed.purse)
    await tower.look(kind)
    await tower.wait(CALM_FOR)
    await tower.look(kind)
    assert await bank.owner.fetchval("SELECT count(*) FROM tallystick.alert_conditions") == 0
    await fail(bank, 60)
    await tower.look(kind)

    assert counted == [2]
    assert [count for *_, count in await tower.alerts()] == [2, 1]


async def test_holds_that_nobody_ends_are_seen(bank: Bank, tower: Tower) -> None:
    customer = await bank.customer(1_000_000)
    taken = await bank.ask(customer.purse, 700)
    assert await tower.look(AlertKind.STUCK_HOLDS) == 0

    await bank.owner.execute(
        "UPDATE tallystick.holds SET expires_at = now() - interval '6 minutes' WHERE moment = $1",
        taken.hold_id.moment,
    )

    assert await tower.look(AlertKind.STUCK_HOLDS) == 1
    [(_, message, _)] = await tower.alerts()
    assert message.startswith("1 holds are open past their time, one by 36")
    assert message.endswith("they keep 0.0007 credits from being spent.")


async def test_answers_that_wait_for_too_long_are_seen(bank: Bank, tower: Tower) -> None:
    customer = await bank.customer(1_000_000)
    taken = await bank.ask(customer.purse)
    await bank.owner.execute(
        "INSERT INTO tallystick.waiting_questions VALUES ($1,"
        " (extract(epoch FROM now() - interval '90 s') * 1000000)::bigint, 0, '{}')",
        taken.hold_id.purse.account_id,
    )

    assert await tower.look(AlertKind.ANSWER_BACKLOG) == 1
    [(_, message, _)] = await tower.alerts()
    assert message.startswith("1 answers wait, one for 9")


async def test_refused_tries_of_all_processes_add_up_to_the_account(
    bank: Bank, tower: Tower
) -> None:
    customer = await bank.customer()
    for process in range(3):
        tower.tally.identity_refused(
            f"192.0.2.{process}", "signIn abc", customer.account_id if process == 1 else None
        )
        tower.tally.identity_refused(f"192.0.2.{process}", "requestMagicLink abc")
        await tower.tally.write()
    for _ in range(2):
        tower.tally.identity_refused("198.51.100.1", "signIn abc")
    await tower.tally.write()

    assert await tower.look(AlertKind.SIGN_IN_ABUSE) == 1

    [(kind, message, _)] = await tower.alerts()
    assert kind == "SIGN_IN_ABUSE"
    name = account_name(customer.account_id)
    assert message == (
        f"5 tries to sign in for the address of {name} were refused within 10 minutes."
    )


async def test_counts_of_an_hour_ago_are_forgotten(bank: Bank, tower: Tower) -> None:
    tower.tally.webhook_rejected("STRIPE")
    await tower.tally.write()
    await bank.owner.execute("UPDATE tallystick.sightings SET minute = minute - interval '2 hours'")
    tower.tally.webhook_rejected("STRIPE")
    await tower.tally.write()

    assert await tower.look(AlertKind.WEBHOOK_REJECTED) == 0
    assert await bank.owner.fetchval("SELECT sum(times) FROM tallystick.sightings") == 1


async def test_spending_is_measured_against_the_week_before(bank: Bank, tower: Tower) -> None:
    steady, sudden, new, small = [await bank.customer() for _ in range(4)]
    for customer in (steady, sudden):
        for hours_ago in range(2, 12):
            usual = 900 if customer is steady else 100
            await bank.owner.execute(SPENT, customer.account_id, hours_ago, usual)
    for customer, charged in ((steady, 1_200), (sudden, 1_200), (new, 1_200), (small, 900)):
        await bank.owner.execute(SPENT, customer.account_id, 0, charged)

    assert await tower.look(AlertKind.UNUSUAL_SPENDING) == 2

    messages = [message for _, message, _ in await tower.alerts()]
    assert {message.split()[0] for message in messages} == {
        account_name(sudden.account_id),
        account_name(new.account_id),
    }


async def test_a_balance_that_is_not_what_its_entries_say_is_seen_within_a_minute(
    bank: Bank, tower: Tower
) -> None:
    right, wrong = await bank.customer(1_000), await bank.customer(1_000)
    for customer in (right, wrong):
        await bank.answer(customer.purse)
        await bank.answer(customer.purse)
    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 0

    await bank.owner.execute(
        "UPDATE tallystick.balances SET total = total + 5 WHERE account_id = $1", wrong.account_id
    )

    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 1
    name = account_name(wrong.account_id)
    [(_, message, _)] = await tower.alerts()
    assert message == (
        f"1 balances are not what their latest entries say, such as that of {name}."
        " `tallystick verify` names every row."
    )


@pytest.mark.parametrize("column", ["seq", "total_after"])
async def test_entries_that_do_not_follow_from_each_other_are_seen(
    bank: Bank, tower: Tower, column: str
) -> None:
    customer = await bank.customer(1_000)
    for _ in range(3):
        await bank.answer(customer.purse)
    await bank.owner.execute("ALTER TABLE tallystick.entries DISABLE TRIGGER is_never_changed")
    await bank.owner.execute(
        f"UPDATE tallystick.entries SET {column} = {column} + 1 WHERE seq = 2"  # noqa: S608
    )

    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 1


async def test_balances_in_use_are_never_taken_for_wrong(bank: Bank, tower: Tower) -> None:
    customers = [await bank.customer(1_000_000) for _ in range(4)]

    async def spend(number: int) -> None:
        for _ in range(40):
            await bank.answer(customers[number % 4].purse)

    spending = asyncio.gather(*(spend(number) for number in range(16)))
    looks = 0
    while not spending.done():
        assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 0
        looks += 1
        await asyncio.sleep(0)

    await spending
    assert looks > 1


async def test_books_that_are_wrong_are_critical_until_they_are_right(
    bank: Bank, tower: Tower
) -> None:
    customer = await bank.customer(1_000)
    checks = PostgresBookChecks(pool=bank.owner, url=bank.url, every=AT_ONCE)
    await bank.owner.execute("UPDATE tallystick.balances SET held = held + 5")

    assert await checks.check() > 0
    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 1
    await tower.wait(COUNTED_EVERY)
    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 0  # nothing new was found
    await checks.check()
    assert await tower.look(AlertKind.LEDGER_IMBALANCE) == 1

    [(kind, message, count)] = await tower.alerts()
    assert (kind, count) == ("LEDGER_IMBALANCE", 2)
    assert f"balances ({customer.account_id}, 0)" in message
    await bank.owner.execute("UPDATE tallystick.balances SET held = held - 5")
    await tower.wait(A_DAY)
    assert await checks.check() == 0
    await tower.look(AlertKind.LEDGER_IMBALANCE)
    await tower.wait(CALM_FOR)
    await tower.look(AlertKind.LEDGER_IMBALANCE)
    assert await bank.owner.fetchval("SELECT count(*) FROM tallystick.alert_conditions") == 0


async def test_what_a_look_costs_does_not_grow_with_the_log(bank: Bank) -> None:
    customer = await bank.customer()
    await bank.owner.execute(ROOM)
    await bank.owner.execute(ATTEMPTS, customer.account_id)
    await bank.owner.execute(HOURS)
    await bank.vacuum("tallystick.usage_records, tallystick.usage_hours")

    async with tower_of(bank, connections_max=1) as tower:
        before = await bank.owner.fetchval(ROWS_READ)
        for kind in (AlertKind.PROVIDER_FAILURES, AlertKind.UNUSUAL_SPENDING):
            await tower.look(kind)
        await tower.pool.execute("SELECT pg_stat_force_next_flush()")
        await tower.pool.execute("SELECT")
        cost = await bank.owner.fetchval(ROWS_READ) - before

    # Of 60,000 rows each, those of ten minutes and of two hours, and what shares their blocks.
    assert 1_200 <= cost <= 8_000
