"""Buckets are filled in one step, by several processes at once, and tell nothing of callers."""

import asyncio
import sys
from datetime import timedelta

import asyncpg
import pytest

from domain.allowing import Filling
from domain.errors import Unavailable
from persistence.allowing import PostgresBuckets
from tests.persistence.bank import Bank

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

TAKING = """
import asyncio, sys
from datetime import timedelta
from app.clock import SystemClock
from app.shared_allowances import SharedAllowances
from domain.allowing import Rate
from domain.errors import RateLimited
from persistence.allowing import PostgresBuckets
from persistence.pools import pool_of
from persistence.roles import Login, url_of

async def main(url, secret):
    auth_url = url_of(Login.AUTH, url, secret=secret)
    async with pool_of(Login.AUTH, auth_url, connections_max=2) as pool:
        allowances = SharedAllowances(
            kind="points",
            rate=Rate(1_000, timedelta(days=1)),
            buckets=PostgresBuckets(pool, secret=secret),
            clock=SystemClock(),
        )
        async def take():
            try:
                return (await allowances.take("ada", 3)).cost
            except RateLimited:
                return 0
        print(sum(await asyncio.gather(*(take() for _ in range(500)))))

asyncio.run(main(*sys.argv[1:]))
"""
"""Takes three points five hundred times, and prints how many of them it got."""


def filling(needed: int, wanted: int, window: int = 60) -> Filling:
    return Filling(needed=needed * SECOND, wanted=wanted * SECOND, window=window * SECOND)


@pytest.fixture
def buckets(bank: Bank) -> PostgresBuckets:
    return PostgresBuckets(bank.auth, secret=bank.secret)


async def test_a_bucket_takes_what_it_has_room_for_if_that_is_enough(
    buckets: PostgresBuckets,
) -> None:
    levels = [
        await buckets.fill("ada", filling(5, 40)),
        await buckets.fill("ada", filling(5, 40)),
        await buckets.fill("ada", filling(20, 40)),
        await buckets.fill("bob", filling(61, 61)),
        await buckets.fill("bob", filling(60, 60)),
    ]

    taken = [level.taken / SECOND for level in levels]
    assert (taken[0], taken[2:]) == (40, [0, 0, 60])
    assert 20 <= taken[1] < 40
    assert levels[0].runs_empty_in == 40 * SECOND
    assert levels[1].runs_empty_in == 60 * SECOND


async def test_a_bucket_drains_with_time(buckets: PostgresBuckets, bank: Bank) -> None:
    await buckets.fill("ada", filling(60, 60))
    await bank.owner.execute("UPDATE tallystick.buckets SET empty_at = empty_at - interval '45 s'")

    level = await buckets.fill("ada", filling(30, 50))

    assert 45 * SECOND <= level.taken < 50 * SECOND
    assert level.runs_empty_in == 60 * SECOND


async def test_many_fillings_at_once_are_each_counted(buckets: PostgresBuckets, bank: Bank) -> None:
    fillings = [buckets.fill(f"caller {n % 7}", filling(60, 60, 3_600)) for n in range(7 * 80)]

    levels = await asyncio.gather(*fillings)

    assert sum(level.taken / SECOND for level in levels) == 7 * 3_600
    assert await bank.owner.fetchval("SELECT count(*) FROM tallystick.buckets") == 7


async def test_processes_that_fill_the_same_buckets_never_wait_in_a_circle(bank: Bank) -> None:
    several = [PostgresBuckets(bank.auth, secret=bank.secret) for _ in range(4)]
    names = [f"caller {number}" for number in range(50)]

    for _ in range(5):
        await asyncio.gather(
            *(
                each.fill(name, filling(1, 1))
                for number, each in enumerate(several)
                for name in (names if number % 2 else reversed(names))
            )
        )

    levels = await bank.owner.fetch(
        "SELECT empty_at - clock_timestamp() AS level FROM tallystick.buckets"
    )
    assert len(levels) == 50
    assert all(row["level"] <= 20 * SECOND for row in levels)


async def test_two_processes_share_one_allowance(database_url: str, deployment_secret: str) -> None:
    command = [sys.executable, "-c", TAKING, database_url, deployment_secret]

    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    told = [(await process.communicate())[0] for process in processes]

    points = sum(map(int, told))
    assert 1_000 - 2 * 50 <= points <= 1_000 + 2 * 50


async def test_what_is_stored_tells_no_address(buckets: PostgresBuckets, bank: Bank) -> None:
    await buckets.fill("networks: 192.0.2.1", filling(1, 1))
    other = PostgresBuckets(bank.auth, secret="another deployment's secret, as long")
    await other.fill("networks: 192.0.2.1", filling(1, 1))

    rows = await bank.owner.fetch("SELECT * FROM tallystick.buckets")

    assert len({row["key"] for row in rows}) == 2
    assert "192" not in str([row["key"].bytes for row in rows])


async def test_buckets_that_ran_empty_are_forgotten(buckets: PostgresBuckets, bank: Bank) -> None:
    await asyncio.gather(*(buckets.fill(f"caller {n}", filling(1, 1)) for n in range(1_500)))
    await bank.owner.execute("UPDATE tallystick.buckets SET empty_at = now() - interval '1 s'")
    await buckets.fill("ada", filling(30, 30))

    forgotten = await buckets.forget()

    assert forgotten == 1_500
    assert (await buckets.fill("ada", filling(30, 31))).runs_empty_in > 50 * SECOND


async def test_books_that_are_away_are_told_so(bank: Bank, deployment_secret: str) -> None:
    async with asyncpg.create_pool(
        "postgresql://nobody@127.0.0.1:1/nowhere", min_size=0, max_size=1, timeout=1
    ) as pool:
        with pytest.raises(Unavailable):
            await PostgresBuckets(pool, secret=deployment_secret).fill("ada", filling(1, 1))
