"""Does reading grow with the log? The same reads at 1,000 and at 1,000,000 usage records.

One account, thirty days of answers: each with its hold, its entry, its usage record and the hour's
roll-up. Read on the account's own behalf, under row-level security: its balance, the first page of
its usage, a page in the middle of it, the first page of its ledger, and the roll-up rows that a
summary of thirty days is made of. Figures are medians, with the ratio between the sizes.

On two shared cores (AMD EPYC, Python 3.11, PostgreSQL 18.6), other work beside it:

    balance                             3.56 ms     3.77 ms   x1.06
    usage, first page                   3.68 ms     3.49 ms   x0.95
    usage, a page in the middle         3.33 ms     3.80 ms   x1.14
    ledger, first page                  2.97 ms     3.21 ms   x1.08
    roll-up rows of 30 days             3.96 ms     4.17 ms   x1.05

    python benchmarks/reading.py [--small 1000] [--large 1000000] [--reads 200]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from sqlalchemy import text

from domain.reporting import EntryFilter, PageRequest, Reader, UsageFilter
from domain.units import AccountId, PurseId
from persistence import embedded
from persistence.books import PostgresBooks
from persistence.embedded import Cluster
from persistence.engine import Engines
from persistence.migrating import upgrade

SECRET = "a secret of the benchmark, of no use elsewhere"  # noqa: S105 - nothing is behind it
RATIO_MAX = 1.5

FILL = """
WITH rows AS (
  SELECT g AS n,
         ((extract(epoch FROM now()) - 2592000) * 1000000)::bigint
           + (2591000::bigint * 1000000 / $2::bigint) * g AS moment
    FROM generate_series(1, $2::bigint) g),
holding AS (
  INSERT INTO tallystick.holds (account_id, moment, key_number, api_key_number, amount, captured,
         status, expires_at, ended_moment, key, digest, model_id, price_id, answer_tokens_max,
         finish_reason, attempts)
  SELECT $1, moment, 0, 0, 20, 10, 'CAPTURED', now(), moment + 1, gen_random_uuid(),
         gen_random_uuid(), 'm', 1, 100, 'STOP', 1 FROM rows),
entering AS (
  INSERT INTO tallystick.entries
         (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
  SELECT $1, moment + 1, 0, 1 + n, 'CHARGE', -10, 100000000 - 10 * n, moment FROM rows),
using_up AS (
  INSERT INTO tallystick.usage_records (account_id, moment, key_number, api_key_number,
         answer_moment, attempt, outcome, model_id, price_id, input_tokens, cached_input_tokens,
         output_tokens, is_estimated, charged, latency_ms)
  SELECT $1, moment + 2, 0, 0, moment, 1, 'SUCCEEDED', 'm', 1, 10, 0, 20, false, 10, 100 FROM rows)
INSERT INTO tallystick.usage_hours (account_id, hour, model_id, api_key_number, attempts, succeeded,
       failed, canceled, refused, input_tokens, cached_input_tokens, output_tokens, charged,
       latency_ms, first_token_ms, provider_cost)
SELECT $1, date_trunc('hour', to_timestamp((moment + 2) / 1000000.0), 'UTC'), 'm', 0, count(*),
       count(*), 0, 0, 0, 10 * count(*), 0, 20 * count(*), 10 * count(*), 100 * count(*), 0, 0
  FROM rows GROUP BY 2
"""

HOURS = text("SELECT * FROM tallystick.usage_hours WHERE hour > now() - interval '30 days'")
WARM_UP = 20

Reading = Callable[[], Awaitable[object]]


def main() -> None:
    options = argparse.ArgumentParser(description="reads at two sizes of the log")
    options.add_argument("--small", type=int, default=1_000)
    options.add_argument("--large", type=int, default=1_000_000)
    options.add_argument("--reads", type=int, default=200)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as path:
        Path(path).chmod(0o755)
        cluster = embedded.start(Path(path) / "data")
        try:
            taken = uvloop.run(_at_both_sizes(cluster, chosen.small, chosen.large, chosen.reads))
        finally:
            embedded.stop(cluster)
    small, large = taken
    worst = max(large[name] / small[name] for name in small)
    for name, before in small.items():
        print(f"{name:32} {before:7.2f} ms  {large[name]:7.2f} ms   x{large[name] / before:.2f}")
    print(f"goal: x{RATIO_MAX} at most; worst x{worst:.2f}")
    sys.exit(worst > RATIO_MAX)


async def _at_both_sizes(
    cluster: Cluster, small: int, large: int, reads: int
) -> list[dict[str, float]]:
    """The sizes take turns read by read, so that a busy moment of the machine meets both."""
    engines: list[Engines] = []
    try:
        by_size = []
        for name, size in (("small", small), ("large", large)):
            owner = await asyncpg.connect(cluster.url("postgres"))
            await owner.execute(f"CREATE DATABASE {name}")
            await owner.close()
            await asyncio.to_thread(upgrade, cluster.url(name), secret=SECRET)
            session, account_id = await _fill(cluster.url(name), size)
            engines.append(Engines.connecting(cluster.url(name), secret=SECRET))
            by_size.append(await _readings(engines[-1], Reader(session), account_id))
        taken: list[dict[str, list[float]]] = [{name: [] for name in each} for each in by_size]
        for turn in range(reads + WARM_UP):
            for readings, times in zip(by_size, taken, strict=True):
                for name, reading in readings.items():
                    began = time.perf_counter()
                    await reading()
                    if turn >= WARM_UP:
                        times[name].append((time.perf_counter() - began) * 1e3)
        return [{name: statistics.median(each) for name, each in size.items()} for size in taken]
    finally:
        for each in engines:
            await each.dispose()


async def _fill(url: str, size: int) -> tuple[UUID, AccountId]:
    owner = await asyncpg.connect(url)
    row = await owner.fetchrow(
        "SELECT * FROM tallystick.open_account(NULL, false, NULL, false, 100000000)"
    )
    assert row is not None
    account_id = AccountId(row["account_id"])
    session: UUID = await owner.fetchval(
        "SELECT tallystick.start_session($1, interval '1 hour')", account_id
    )
    await owner.execute(FILL, account_id, size, timeout=1200)
    await owner.execute(
        "UPDATE tallystick.balances SET total = total - 10 * $2::bigint, entries = 1 + $2::bigint,"
        " unattributed = 10 * $2::bigint WHERE account_id = $1",
        account_id,
        size,
    )
    await owner.execute("VACUUM ANALYZE", timeout=1200)
    await owner.close()
    return session, account_id


async def _readings(engines: Engines, reader: Reader, account_id: AccountId) -> dict[str, Reading]:
    books = PostgresBooks(engines)
    mine = UsageFilter(account_id=account_id)
    entries = EntryFilter(account_id=account_id)
    first = PageRequest(20)
    page = await books.usage_page(reader, mine, PageRequest(1))
    newest = page.places[0]
    month = 30 * 86_400 * 1_000_000
    middle = replace(first, after=(newest[0] - month // 2, *newest[1:]))

    async def summary() -> object:
        async with engines.reading(reader) as session:
            connection = await session.connection()
            return (await connection.execute(HOURS)).all()

    return {
        "balance": lambda: books.balances(reader, [PurseId(account_id)]),
        "usage, first page": lambda: books.usage_page(reader, mine, first),
        "usage, a page in the middle": lambda: books.usage_page(reader, mine, middle),
        "ledger, first page": lambda: books.entry_page(reader, entries, first),
        "roll-up rows of 30 days": summary,
    }


if __name__ == "__main__":
    main()
