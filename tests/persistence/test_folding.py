"""Usage is added up once, whoever does it, whatever is written meanwhile, and whatever breaks."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from domain.answers import UsageOutcome
from domain.histograms import bin_of
from domain.units import AccountId, Moment, PurseId, UsageId
from persistence.folding import PostgresFolding
from persistence.migrating import downgrade, upgrade
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import Bank
from tests.persistence.programs import make_program
from tests.persistence.records import Making, put

START = datetime(2026, 3, 1, tzinfo=UTC)
COUNTED = """
SELECT coalesce(sum(attempts), 0) FROM tallystick.usage_folds
 WHERE account_id = 0 AND minutes = 1440
"""
CELLS = "SELECT * FROM tallystick.usage_folds ORDER BY 1, 2, 3, 4, 5, 6"
KEYS_OF_CELLS = """
SELECT account_id = 0 AS is_everybody, api_key_number, sum(attempts) AS attempts
  FROM tallystick.usage_folds WHERE minutes = $1 GROUP BY 1, 2 ORDER BY 1, 2
"""
MARK = "SELECT moment FROM tallystick.fold_mark"
FOLD_AHEAD = "SELECT tallystick.fold_usage($1, $2, 9)"
TWO_DAYS = 172_800_000_000
WRITING = "SELECT pg_advisory_xact_lock_shared(20, 1)"
END_HOLD = """
SELECT tallystick.end_hold($1, 0, $2, 'CAPTURED', 5, NULL, 'STOP', NULL, 1::smallint, 'SUCCEEDED',
                           30, 10, 20)
"""


async def is_right(bank: Bank, attempts: int) -> bool:
    """Whether so many attempts are counted, and every rule holds."""
    report = await verify(bank.url)
    assert report.is_clean, report.lines()
    return bool(await bank.owner.fetchval(COUNTED) == attempts)


async def test_what_is_written_while_others_fold_is_counted_once(bank: Bank) -> None:
    customers = [await bank.customer(1_000_000) for _ in range(8)]
    is_over = asyncio.Event()

    async def fold_all_the_time(folding: PostgresFolding) -> None:
        while not is_over.is_set():
            await folding.fold()

    async with pool_of(
        Login.WORKER, url_of(Login.WORKER, bank.url, secret=bank.secret), connections_max=2
    ) as pool:
        folding = [
            asyncio.create_task(fold_all_the_time(PostgresFolding(pool, spared=0, at_once=n)))
            for n in (3, 50)
        ]
        for customer in customers:
            await bank.answer(customer.purse)
        await asyncio.gather(
            *(bank.answer(customer.purse) for customer in customers for _ in range(40))
        )
        is_over.set()
        await asyncio.gather(*folding)

    await bank.folding.fold()
    assert await is_right(bank, 8 * 41)


async def test_folding_again_counts_nothing_again(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)

    assert [await bank.folding.fold() for _ in range(3)] == [1, 0, 0]

    await bank.answer(customer.purse)
    assert await bank.folding.fold() == 1
    assert await is_right(bank, 2)


async def test_of_everybody_keys_share_a_cell_and_of_each_account_they_do_not(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    for _ in range(2):
        program = await make_program(bank, customer)
        await bank.answer(program.purse, key=program.id.number)

    await bank.folding.fold()

    for minutes in (15, 60, 1440):
        cells = await bank.owner.fetch(KEYS_OF_CELLS, minutes)
        assert [(row["is_everybody"], row["api_key_number"], row["attempts"]) for row in cells] == [
            (False, 0, 1), (False, 1, 1), (False, 2, 1), (True, 0, 1), (True, 1, 2),
        ]  # fmt: skip
    assert await is_right(bank, 3)


async def test_what_is_not_committed_yet_is_waited_for(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    asked = await bank.ask(customer.purse)
    writer = await asyncpg.connect(bank.url)
    transaction = writer.transaction()
    await transaction.start()
    ended = await writer.fetchval(END_HOLD, customer.account_id, asked.hold_id.moment)

    assert await bank.folding.fold() == 0
    assert await bank.owner.fetchval(MARK) <= ended[0]

    folding = asyncio.create_task(bank.folding.fold())
    await asyncio.sleep(0.05)
    await transaction.commit()
    await writer.close()
    assert await folding + await bank.folding.fold() == 1
    assert await is_right(bank, 1)


async def test_nobody_who_writes_waits_for_folding(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    slow = await asyncpg.connect(bank.url)
    async with slow.transaction():
        await slow.execute(WRITING)
        folding = asyncio.create_task(bank.folding.fold())
        await asyncio.sleep(0.05)

        await bank.answer(customer.purse)

        assert not folding.done()
        assert await folding == 0
    await slow.close()
    assert await bank.folding.fold() == 1


async def test_a_fold_that_dies_leaves_no_trace(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    horizon = await bank.owner.fetchval("SELECT tallystick.usage_horizon(0)")
    dying = await asyncpg.connect(bank.url)
    await dying.execute("BEGIN")
    folded = await dying.fetchval("SELECT tallystick.fold_usage($1, 0, 100)", horizon)
    assert folded == 1
    assert await bank.folding.fold() == 0  # one at a time

    dying.terminate()

    async with asyncio.timeout(10):
        while await bank.folding.fold() == 0:
            pass  # until the server has noticed
    assert await is_right(bank, 1)


async def test_records_of_a_clock_that_was_put_back_are_counted(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    ahead = await bank.owner.fetchval("SELECT tallystick.usage_horizon($1)", -TWO_DAYS)
    assert await bank.owner.fetchval(FOLD_AHEAD, ahead, -TWO_DAYS) == 1
    await bank.answer(customer.purse)
    assert not (await verify(bank.url)).is_clean

    assert await bank.folding.fold() == 2

    assert await is_right(bank, 2)


async def test_the_operator_has_days_folded_anew(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    ended = await bank.answer(customer.purse)
    await bank.folding.fold()
    await bank.owner.execute("UPDATE tallystick.usage_folds SET attempts = attempts + 1")

    await bank.owner.execute("SELECT tallystick.unfold_usage($1)", ended.ended_at)

    assert await bank.folding.fold() == 1
    assert await is_right(bank, 1)


async def test_days_that_were_not_folded_yet_are_not_passed_over(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    ended = await bank.answer(customer.purse)
    await bank.folding.fold()
    await bank.answer(customer.purse)

    await bank.owner.execute("SELECT tallystick.unfold_usage($1)", ended.ended_at + TWO_DAYS)

    assert await bank.folding.fold() == 1
    assert await is_right(bank, 2)


async def test_nothing_is_unfolded_under_who_is_folding(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    ended = await bank.answer(customer.purse)
    horizon = await bank.owner.fetchval("SELECT tallystick.usage_horizon(0)")
    async with bank.owner.acquire() as folder:
        async with folder.transaction():
            assert await folder.fetchval(FOLD_AHEAD, horizon, 0) == 1
            unfolding = asyncio.create_task(
                bank.owner.execute("SELECT tallystick.unfold_usage($1)", ended.ended_at)
            )
            await asyncio.sleep(0.1)
        await unfolding

    assert await bank.folding.fold() == 1
    assert await is_right(bank, 1)


async def test_steps_of_any_size_make_the_same_cells(bank: Bank) -> None:
    records = Making(1, START, START + timedelta(days=9)).records(AccountId(1), 600)
    records += Making(2, START + timedelta(days=5), START + timedelta(days=5, minutes=3)).records(
        AccountId(2), 300
    )
    await put(bank, records)
    small = replace(bank.folding, at_once=37)
    horizon = await bank.owner.fetchval("SELECT tallystick.usage_horizon(0)")

    step = await bank.owner.fetchval("SELECT tallystick.fold_usage($1, 0, 37)", horizon)
    assert step == 37
    assert await small.fold() == len(records) - 37
    cells = await bank.owner.fetch(CELLS)
    await bank.owner.execute("SELECT tallystick.unfold_usage(0)")
    assert await bank.folding.fold() == len(records)

    assert await bank.owner.fetch(CELLS) == cells


async def test_hours_of_accounts_are_made_of_what_was_folded_before_they_were(bank: Bank) -> None:
    await put(bank, Making(3, START, START + timedelta(days=2)).records(AccountId(1), 900))
    await bank.folding.fold()
    cells = await bank.owner.fetch(CELLS)

    await asyncio.to_thread(downgrade, bank.url, revision="0032")
    assert len(await bank.owner.fetch(CELLS)) < len(cells)
    await asyncio.to_thread(upgrade, bank.url, secret=bank.secret)

    assert await bank.owner.fetch(CELLS) == cells


async def test_many_records_of_one_moment_are_no_obstacle(bank: Bank) -> None:
    first = Making(1, START, START + timedelta(days=1)).records(AccountId(1), 1)[0]
    records = [
        replace(first, id=UsageId(PurseId(AccountId(n)), Moment(first.id.moment + n // 30)))
        for n in range(1, 91)
    ]
    await put(bank, records)

    assert await replace(bank.folding, at_once=7).fold() == len(records)
    assert await bank.owner.fetchval(COUNTED) == len(records)


async def test_durations_fall_into_the_bins_of_the_domain(bank: Bank) -> None:
    durations = [*range(300), *(int(1.07**n) for n in range(80, 310))]
    first = Making(1, START, START + timedelta(minutes=15)).records(AccountId(1), 1)[0]
    await put(
        bank,
        [
            replace(
                first,
                id=UsageId(PurseId(AccountId(1)), Moment(first.id.moment + n)),
                outcome=UsageOutcome.SUCCEEDED,
                problem_code=None,
                latency_ms=duration,
                first_token_ms=None,
            )
            for n, duration in enumerate(durations)
        ],
    )

    await bank.folding.fold()

    row = await bank.owner.fetchrow(
        "SELECT latency_bins, latency_counts, latency_ms, first_token_bins"
        "  FROM tallystick.usage_folds WHERE account_id = 0 AND minutes = 60"
    )
    assert row is not None
    assert dict(zip(row["latency_bins"], row["latency_counts"], strict=True)) == Counter(
        map(bin_of, durations)
    )
    assert (row["latency_ms"], row["first_token_bins"]) == (sum(durations), [])


@pytest.mark.parametrize("spared", [0, 10_000_000])
async def test_before_anything_was_used_there_is_nothing_to_fold(bank: Bank, spared: int) -> None:
    assert await replace(bank.folding, spared=spared).fold() == 0
    assert await bank.owner.fetchval(COUNTED) == 0
