"""The running system recomputes its own books: gently, one process at a time, not too often."""

import asyncio
from datetime import timedelta

import pytest

from persistence.book_checks import PostgresBookChecks
from persistence.verifying import ALL_RULES
from tests.persistence.bank import Bank

ONCE_AN_HOUR = timedelta(hours=1)
RUNS = """
SELECT rules, unfinished, differences, imbalances, summary FROM tallystick.book_checks ORDER BY id
"""
LAST = "SELECT differences, imbalances FROM tallystick.last_book_check()"


def checks_of(bank: Bank, every: timedelta = ONCE_AN_HOUR) -> PostgresBookChecks:
    return PostgresBookChecks(pool=bank.owner, url=bank.url, every=every)


async def age(bank: Bank, how_long: timedelta) -> None:
    await bank.owner.execute(
        "UPDATE tallystick.book_checks"
        " SET started_at = started_at - $1::interval, finished_at = finished_at - $1::interval",
        how_long,
    )


async def test_books_in_use_are_found_right(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    await bank.ask(customer.purse)

    assert await checks_of(bank).check() == 0

    [run] = await bank.owner.fetch(RUNS)
    rules = len(ALL_RULES)
    assert tuple(run) == (
        rules, 0, 0, 0, f"The books are right: {rules} of {rules} rules hold."
    )  # fmt: skip


async def test_what_is_wrong_is_kept_with_its_rule_and_its_row(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.owner.execute("UPDATE tallystick.balances SET total = total + 5")
    await bank.owner.execute("ALTER TABLE tallystick.lots NO FORCE ROW LEVEL SECURITY")

    assert await checks_of(bank).check() >= 3

    [run] = await bank.owner.fetch(RUNS)
    assert f"such as balances ({customer.account_id}, 0)" in run["summary"]
    assert "Row-level security is forced on every table. (1 rows, such as lots)" in run["summary"]
    assert 0 < run["imbalances"] < run["differences"]
    assert tuple(await bank.owner.fetchrow(LAST) or ()) == (run["differences"], run["imbalances"])


async def test_many_processes_recompute_them_once(bank: Bank) -> None:
    await asyncio.gather(*(checks_of(bank).check() for _ in range(6)))
    await checks_of(bank).check()

    assert len(await bank.owner.fetch(RUNS)) == 1


async def test_they_are_recomputed_again_when_it_is_time(bank: Bank) -> None:
    await checks_of(bank).check()
    await age(bank, timedelta(minutes=59))
    await checks_of(bank).check()
    before = len(await bank.owner.fetch(RUNS))

    await age(bank, timedelta(minutes=2))
    await checks_of(bank).check()

    assert (before, len(await bank.owner.fetch(RUNS))) == (1, 2)


async def test_the_longer_it_takes_the_seldomer_it_is_done(bank: Bank) -> None:
    await checks_of(bank).check()
    await bank.owner.execute(
        "UPDATE tallystick.book_checks SET started_at = finished_at - interval '10 minutes'"
    )
    await age(bank, timedelta(minutes=199))
    await checks_of(bank).check()
    before = len(await bank.owner.fetch(RUNS))

    await age(bank, timedelta(minutes=2))
    await checks_of(bank).check()

    assert (before, len(await bank.owner.fetch(RUNS))) == (1, 2)


async def test_a_rule_that_takes_too_long_is_given_up_and_counted(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    checks = PostgresBookChecks(pool=bank.owner, url=bank.url, every=ONCE_AN_HOUR, rule_seconds=0.2)
    async with bank.owner.acquire() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE tallystick.lots IN ACCESS EXCLUSIVE MODE")
        assert await checks.check() == 0

    [run] = await bank.owner.fetch(RUNS)
    assert 0 < run["unfinished"] < run["rules"]
    assert run["summary"].endswith("took too long and were left out.")


async def test_whoever_dies_while_at_it_leaves_it_to_the_others(bank: Bank) -> None:
    async with bank.owner.acquire() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE tallystick.lots IN ACCESS EXCLUSIVE MODE")
        dying = asyncio.create_task(checks_of(bank).check())
        await asyncio.sleep(0.5)
        assert await checks_of(bank).check() == 0  # somebody is at it
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying

    assert await bank.owner.fetch(RUNS) == []
    await checks_of(bank).check()
    assert len(await bank.owner.fetch(RUNS)) == 1


async def test_nobody_who_spends_waits_for_it(bank: Bank) -> None:
    customer = await bank.customer(1_000_000)

    async def spend() -> int:
        answers = 0
        while not checking.done():
            await bank.answer(customer.purse)
            answers += 1
        return answers

    checking = asyncio.create_task(checks_of(bank).check())
    spending = [asyncio.create_task(spend()) for _ in range(4)]

    assert await checking == 0
    assert sum(await asyncio.gather(*spending)) > 4


async def test_runs_of_long_ago_are_forgotten(bank: Bank) -> None:
    await checks_of(bank).check()
    await age(bank, timedelta(days=31))

    await checks_of(bank).check()

    assert len(await bank.owner.fetch(RUNS)) == 1
