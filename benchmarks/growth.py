"""Does reading grow with the log? The same reads at 10,000 and at 5,000,000 usage records.

A month of a hundred accounts, one of which has every second answer: holds, entries, usage records
and roll-ups, folded as the upkeep folds them. Read on the busiest account's own behalf and on an
administrator's, under row-level security: what the API reads for `balance`, for the first page and
a page in the middle of `usage`, for a page of `ledger`, and for `usageSummary` of thirty days with
every breakdown and with percentiles. Both databases are asked in turn, so that a busy moment of the
machine meets both; figures are medians, with the ratio between the sizes. It ends with a clean
verify of both.

On two quiet shared cores (Python 3.11, PostgreSQL 18.6); five million records were written in 123 s
and folded in 143, 29 us each:

    balance                                          1.86 ms     1.77 ms   x0.95
    usage, first page                                2.66 ms     3.14 ms   x1.18
    usage, a page in the middle                      2.60 ms     2.85 ms   x1.10
    ledger, first page                               2.10 ms     2.62 ms   x1.25
    usageSummary                                     5.74 ms     8.14 ms   x1.42
    usageSummary, with percentiles                  18.55 ms    30.72 ms   x1.66
    usageSummary, Europe/Berlin                      9.17 ms    13.65 ms   x1.49
    usageSummary, Asia/Kolkata                       9.11 ms    13.64 ms   x1.50
    admin.usage, first page                          5.92 ms     5.95 ms   x1.01
    admin.usageSummary                              10.76 ms    19.71 ms   x1.83
    admin.usageSummary, with percentiles            27.41 ms    46.10 ms   x1.68
    admin.usageSummary, Europe/Berlin               15.84 ms    27.80 ms   x1.76

What grows is how many of the cells there are: at ten thousand records most hours have a model, a
key and an outcome or two, at five million all of them. More records add no more cells.

    python benchmarks/growth.py [--small 10000] [--records 5000000] [--reads 100]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import uvloop

from app.clock import SystemClock
from benchmarks import _history
from benchmarks._history import BUSIEST, DAYS, History
from domain.calendars import TimeBucket
from domain.reporting import EntryFilter, PageRequest, Reader, UsageFilter
from domain.summarizing import Part, Series, Summarizing
from domain.units import PurseId
from persistence import embedded
from persistence.books import PostgresBooks
from persistence.embedded import Cluster
from persistence.engine import Engines
from persistence.folding import PostgresFolding
from persistence.migrating import upgrade
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify

SECRET: Final = "a secret of the benchmark, of no use elsewhere"  # noqa: S105 - nothing is behind it
RATIO_MAX: Final = 2.0
WARM_UP: Final = 10
BREAKDOWNS: Final = (Part.TOTALS, Part.BUCKETS, Part.MODELS, Part.KEYS)

Reading = Callable[[], Awaitable[object]]


def main() -> None:
    options = argparse.ArgumentParser(description="reads at two sizes of the log")
    options.add_argument("--small", type=int, default=10_000)
    options.add_argument("--records", type=int, default=5_000_000)
    options.add_argument("--reads", type=int, default=100)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as path:
        Path(path).chmod(0o755)
        cluster = embedded.start(Path(path) / "data")
        try:
            worst = uvloop.run(_measure(cluster, chosen.small, chosen.records, chosen.reads))
        finally:
            embedded.stop(cluster)
    print(f"goal: below x{RATIO_MAX}; worst x{worst:.2f}")
    sys.exit(worst >= RATIO_MAX)


async def _measure(cluster: Cluster, small: int, large: int, reads: int) -> float:
    """Print every reading at both sizes, see that the books are right; returns the worst ratio."""
    by_size: list[Mapping[str, Reading]] = []
    engines: list[Engines] = []
    try:
        for name, size in (("small", small), ("large", large)):
            history = await _filled(cluster, name, size)
            engines.append(Engines.connecting(cluster.url(name), secret=SECRET))
            by_size.append(await _readings(PostgresBooks(engines[-1]), history))
        before, after = await _medians(by_size, reads)
    finally:
        for each in engines:
            await each.dispose()
    for name, figure in before.items():
        print(f"{name:44} {figure:8.2f} ms {after[name]:8.2f} ms   x{after[name] / figure:.2f}")
    for name in ("small", "large"):
        report = await verify(cluster.url(name))
        assert report.is_clean, report.lines()
    return max(after[name] / before[name] for name in before)


async def _medians(by_size: list[Mapping[str, Reading]], reads: int) -> list[dict[str, float]]:
    """Milliseconds of each reading at each size, which take turns."""
    taken: list[dict[str, list[float]]] = [{name: [] for name in each} for each in by_size]
    for turn in range(reads + WARM_UP):
        for readings, times in zip(by_size, taken, strict=True):
            for name, reading in readings.items():
                began = time.perf_counter()
                await reading()
                if turn >= WARM_UP:
                    times[name].append((time.perf_counter() - began) * 1e3)
    return [{name: statistics.median(each) for name, each in size.items()} for size in taken]


async def _filled(cluster: Cluster, name: str, size: int) -> History:
    owner = await asyncpg.connect(cluster.url("postgres"))
    await owner.execute(f"CREATE DATABASE {name}")
    await owner.close()
    url = cluster.url(name)
    began = time.perf_counter()
    await asyncio.to_thread(upgrade, url, secret=SECRET)
    history = await _history.write(url, size)
    written = time.perf_counter()
    async with pool_of(
        Login.WORKER, url_of(Login.WORKER, url, secret=SECRET), connections_max=1
    ) as pool:
        folded = await PostgresFolding(pool).fold()
    took = time.perf_counter() - written
    await _history.settle(url)
    print(
        f"{size} records written in {written - began:.0f} s, {folded} folded in {took:.0f} s "
        f"({1e6 * took / max(folded, 1):.0f} us each)"
    )
    return history


async def _readings(books: PostgresBooks, history: History) -> Mapping[str, Reading]:
    me, everybody = history.customer, history.administrator
    mine = UsageFilter(account_id=BUSIEST)
    first = PageRequest(20)
    newest = (await books.usage_page(me, mine, PageRequest(1))).places[0]
    half_a_month = DAYS * 86_400 * 1_000_000 // 2
    middle = replace(first, after=(newest[0] - half_a_month, *newest[1:]))

    def summary(
        reader: Reader, filter_: UsageFilter, zone: str = "UTC", *, is_timed: bool = False
    ) -> Reading:
        clock = SystemClock()

        async def read() -> None:
            since = clock.now() - timedelta(days=DAYS)
            series = Series(start=since, end=None, bucket=TimeBucket.DAY, time_zone=zone)
            wanted = Summarizing(books, clock).wanted(series, filter_)
            await books.usage_sums(reader, wanted, BREAKDOWNS)
            if is_timed:
                await books.usage_latencies(reader, wanted, [Part.TOTALS, Part.BUCKETS])

        return read

    return {
        "balance": lambda: books.balances(me, [PurseId(BUSIEST)]),
        "usage, first page": lambda: books.usage_page(me, mine, first),
        "usage, a page in the middle": lambda: books.usage_page(me, mine, middle),
        "ledger, first page": lambda: books.entry_page(me, EntryFilter(account_id=BUSIEST), first),
        "usageSummary": summary(me, mine),
        "usageSummary, with percentiles": summary(me, mine, is_timed=True),
        "usageSummary, Europe/Berlin": summary(me, mine, "Europe/Berlin"),
        "usageSummary, Asia/Kolkata": summary(me, mine, "Asia/Kolkata"),
        "admin.usage, first page": lambda: books.usage_page(everybody, UsageFilter(), first),
        "admin.usageSummary": summary(everybody, UsageFilter()),
        "admin.usageSummary, with percentiles": summary(everybody, UsageFilter(), is_timed=True),
        "admin.usageSummary, Europe/Berlin": summary(everybody, UsageFilter(), "Europe/Berlin"),
    }


if __name__ == "__main__":
    main()
