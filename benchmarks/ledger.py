"""The ledger next to the usual way of keeping one, both durable, in one run.

The usual way (`_classic.sql`): a guarded UPDATE and an INSERT with a unique key in a function,
called once per spend from an asyncpg pool of 16 connections; with all rows, a function for the hold
and one for the settlement. Ours: a hold and a capture through `PostgresLedger`. Counted are
operations: a spend, a hold or a capture is one. Both flush every commit (fsync and
synchronous_commit on), use time-ordered UUIDs as keys, and take turns; figures are medians. It ends
with a clean verify.

Measured with --quick on two shared cores and a disk that takes 0.3 ms a flush; ratio to the usual
way (goal): a lone caller's p50 x1.03 to x1.08 (1.05), one hot account at 16 callers x7.0 (20), at
256 x23 (45), 10,000 accounts at 64 x3.1 (6), at 256 x4.7 (8), all rows at 256 hot x16 (25), many
x4.2 (5), four processes on one account x1.34 (1). Most goals are not reached there: both cores are
busy, with 18 to 41 us an operation in PostgreSQL and 14 to 22 us in Python.

    python benchmarks/ledger.py [--seconds 2] [--reps 5] [--quick]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import randint
from typing import Final

import asyncpg
import uvloop
from asyncpg.pgproto.pgproto import UUID

from domain.answers import (
    AnswerBeginning,
    AnswerEnd,
    AnswerStatus,
    AttemptEnd,
    FinishReason,
    UsageOutcome,
)
from domain.ledger import Once
from domain.units import AccountId, Microcredits, ModelId, PriceId, PurseId
from persistence import embedded
from persistence.ledger import PostgresLedger
from persistence.migrating import upgrade
from persistence.roles import Login, url_of
from persistence.verifying import verify

SECRET: Final = "a secret of the benchmark, of no use elsewhere"  # noqa: S105 - as it says
ACCOUNTS: Final = 10_000
TEXT: Final = "A ledger is a book in which every line stays as it was written. " * 4
BEGINNING: Final = AnswerBeginning(
    model_id=ModelId("model"), price_id=PriceId(1), answer_tokens_max=100
)
ATTEMPT: Final = AttemptEnd(
    attempt=1,
    outcome=UsageOutcome.SUCCEEDED,
    input_tokens=12,
    output_tokens=60,
    latency_ms=100,
)
END: Final = AnswerEnd(
    status=AnswerStatus.SUCCEEDED,
    text=TEXT,
    finish_reason=FinishReason.STOP,
    failure=None,
    attempts=(ATTEMPT,),
)
SEED: Final = """
INSERT INTO tallystick.accounts (id) SELECT g FROM generate_series(1, 10000) g;
INSERT INTO tallystick.balances (account_id, moment) SELECT g, 1 FROM generate_series(1, 10000) g;
SELECT tallystick.post_credit(g, 0, 'SIGN_UP_GRANT', 1000000000000000, false, NULL)
  FROM generate_series(1, 10000) g;
SELECT tallystick.put_model('model', 'Model', 'Nobody', 'model', 1000, 100, true, true);
INSERT INTO tallystick.model_prices
       (model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request)
VALUES ('model', 100, 100, 100, 0);
VACUUM ANALYZE;
"""
GROW: Final = """
WITH moved AS (
  INSERT INTO tallystick.entries
         (account_id, moment, key_number, seq, kind, amount, total_after)
  SELECT b.account_id, b.moment + g, 0, b.entries + g, 'CHARGEBACK', -1, b.total - g
    FROM tallystick.balances b, generate_series(1, $1::bigint) g)
UPDATE tallystick.balances
   SET moment = moment + $1::bigint, entries = entries + $1::bigint, total = total - $1::bigint,
       unattributed = unattributed + $1::bigint
"""

Turn = Callable[[bool], Awaitable[int]]
"""One caller's turn, on the busy account or on any; answers how many operations that was."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Operations a second, and the latency of one in milliseconds."""

    per_second: float
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison to be made, and what it should come to."""

    name: str
    callers: int
    is_hot: bool
    is_full: bool
    goal: float


ROWS: Final = (
    Row("a lone caller", 1, is_hot=False, is_full=False, goal=0),
    Row("one hot account", 16, is_hot=True, is_full=False, goal=20),
    Row("one hot account", 256, is_hot=True, is_full=False, goal=45),
    Row("10,000 accounts", 64, is_hot=False, is_full=False, goal=6),
    Row("10,000 accounts", 256, is_hot=False, is_full=False, goal=8),
    Row("all rows, one hot account", 256, is_hot=True, is_full=True, goal=25),
    Row("all rows, 10,000 accounts", 256, is_hot=False, is_full=True, goal=5),
)


def main() -> None:
    options = argparse.ArgumentParser(description="the ledger next to the usual way")
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--reps", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="less time, no growth")
    options.add_argument("--worker", help="internal: one of several processes, on this database")
    chosen = options.parse_args()
    if chosen.worker:
        uvloop.run(_work(chosen.worker, chosen.seconds))
        return
    seconds, reps = (0.7, 3) if chosen.quick else (chosen.seconds, chosen.reps)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as path:
        Path(path).chmod(0o755)
        cluster = embedded.start(Path(path) / "data", settings={"max_wal_size": "8GB"})
        try:
            url = cluster.url("bench")
            uvloop.run(_make(cluster.url("postgres")))
            upgrade(url, secret=SECRET)
            uvloop.run(_compare_all(url, seconds, reps))
            _several_processes(url, seconds, reps)
            if not chosen.quick:
                uvloop.run(_grow(url, seconds, reps))
            report = uvloop.run(verify(url))
            print(report.lines()[0])
        finally:
            embedded.stop(cluster)
    sys.exit(not report.is_clean)


async def _make(server_url: str) -> None:
    connection = await asyncpg.connect(server_url)
    await connection.execute("CREATE DATABASE bench")
    await connection.close()


async def _compare_all(url: str, seconds: float, reps: int) -> None:
    owner = await asyncpg.connect(url)
    for statement in SEED.split(";\n"):
        if statement.strip():
            await owner.execute(statement, timeout=600)
    await owner.execute((Path(__file__).parent / "_classic.sql").read_text(encoding="utf-8"))
    pool = await asyncpg.create_pool(url, min_size=16, max_size=16, reset=_as_it_is)
    async with _ledger(url) as ledger:
        for row in ROWS:
            theirs = _classic_full(pool) if row.is_full else _classic(pool)
            ours = _ours(ledger, is_full=row.is_full)
            await _compare(owner, row, theirs, ours, seconds, reps)
    await pool.close()
    await owner.close()


async def _compare(
    owner: asyncpg.Connection, row: Row, theirs: Turn, ours: Turn, seconds: float, reps: int
) -> None:
    taken: dict[str, list[Speed]] = {"theirs": [], "ours": []}
    logged = 0.0
    for rep in range(reps):
        turns = [("theirs", theirs), ("ours", ours)]
        for name, turn in turns if rep % 2 == 0 else reversed(turns):
            await _drive(turn, row, 0.2)
            before = await owner.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            speed = await _drive(turn, row, seconds)
            after = await owner.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            taken[name].append(speed)
            if name == "ours":
                logged = float(after - before) / (speed.per_second * seconds)
    classic, us = (_median(taken[name]) for name in ("theirs", "ours"))
    ratio = us.per_second / classic.per_second
    against = f"goal x{row.goal:g}" if row.goal else "goal: p50 x1.05 at most"
    if not row.goal:
        ratio = us.p50_ms / classic.p50_ms
    print(
        f"{row.name:26} {row.callers:4} callers  usual {classic.per_second:7.0f}/s"
        f" ({classic.p50_ms:7.2f} ms)  ours {us.per_second:7.0f}/s ({us.p50_ms:6.2f} ms)"
        f"  x{ratio:5.2f}  {against}  {logged:5.0f} B of log an operation",
        flush=True,
    )


async def _drive(turn: Turn, row: Row, seconds: float) -> Speed:
    latencies: list[float] = []
    count = 0
    stop_at = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal count
        while (began := time.perf_counter()) < stop_at:
            operations = await turn(row.is_hot)
            count += operations
            latencies.append((time.perf_counter() - began) / operations)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(row.callers)))
    return Speed(count / (time.perf_counter() - began), statistics.median(latencies) * 1e3)


def _median(speeds: list[Speed]) -> Speed:
    return Speed(
        statistics.median(each.per_second for each in speeds),
        statistics.median(each.p50_ms for each in speeds),
    )


def _classic(pool: asyncpg.Pool) -> Turn:
    async def turn(is_hot: bool) -> int:  # noqa: FBT001 - one kind of argument
        await pool.fetchval("SELECT classic.spend($1, $2, 7)", _account(is_hot), UUID(_uuid7()))
        return 1

    return turn


def _classic_full(pool: asyncpg.Pool) -> Turn:
    async def turn(is_hot: bool) -> int:  # noqa: FBT001 - one kind of argument
        account, key = _account(is_hot), UUID(_uuid7())
        await pool.fetchval("SELECT classic.hold($1, $2, 10, 'model')", account, key)
        await pool.fetchval(
            "SELECT classic.settle($1, $2, 7, 'model', $3, 12, 60)", account, key, TEXT
        )
        return 2

    return turn


def _ours(ledger: PostgresLedger, *, is_full: bool) -> Turn:
    beginning, end = (BEGINNING, END) if is_full else (None, None)

    async def turn(is_hot: bool) -> int:  # noqa: FBT001 - one kind of argument
        key = _uuid7()
        taken = await ledger.hold(
            PurseId(AccountId(_account(is_hot))),
            Microcredits(10),
            Once("bench", key, key),
            lasts_seconds=300,
            beginning=beginning,
        )
        await ledger.capture(taken.hold_id, Microcredits(7), end)
        return 2

    return turn


def _several_processes(url: str, seconds: float, reps: int) -> None:
    """The same busy account, by one process and by four, 64 callers each."""
    taken: dict[int, list[float]] = {1: [], 4: []}
    for _ in range(reps):
        for processes, speeds in taken.items():
            command = [sys.executable, __file__, "--worker", url, "--seconds", str(seconds)]
            started = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                for _ in range(processes)
            ]
            speeds.append(sum(float(each.communicate()[0]) for each in started))
    one, four = (statistics.median(taken[n]) for n in (1, 4))
    print(
        f"4 processes, one hot account: {four:.0f}/s, 1: {one:.0f}/s  x{four / one:.2f}  goal x1.0"
    )


async def _work(url: str, seconds: float) -> None:
    async with _ledger(url) as ledger:
        row = Row("worker", 64, is_hot=True, is_full=False, goal=0)
        turn = _ours(ledger, is_full=False)
        # Processes start one after another; what is measured begins when all are there.
        await _drive(turn, row, max(0.0, 2.0 - time.perf_counter() % 1.0))
        print((await _drive(turn, row, seconds)).per_second)


async def _grow(url: str, seconds: float, reps: int) -> None:
    """The same work before and after the log has grown by a million entries."""
    owner = await asyncpg.connect(url)
    row = Row("growth", 256, is_hot=False, is_full=False, goal=0)
    async with _ledger(url) as ledger:
        turn = _ours(ledger, is_full=False)
        before = _median([await _drive(turn, row, seconds) for _ in range(reps)])
        await owner.execute(GROW, 100, timeout=600)
        await owner.execute("VACUUM ANALYZE", timeout=600)
        await owner.execute("CHECKPOINT", timeout=600)
        after = _median([await _drive(turn, row, seconds) for _ in range(reps)])
    await owner.close()
    ratio = after.per_second / before.per_second
    print(f"with a million entries more: {after.per_second:.0f}/s, without: "
          f"{before.per_second:.0f}/s  x{ratio:.2f}  goal x0.95")  # fmt: skip


def _ledger(url: str) -> PostgresLedger:
    worker = url_of(Login.WORKER, url, secret=SECRET)
    return PostgresLedger(worker, runner=UUID(_uuid7()))


def _account(is_hot: bool) -> int:  # noqa: FBT001 - one kind of argument
    return 1 if is_hot else randint(1, ACCOUNTS)  # noqa: S311 - no secret


def _uuid7() -> bytes:
    number = (time.time_ns() // 1_000) << 64 | int.from_bytes(os.urandom(8))
    return number.to_bytes(16)


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """The usual pool resets a connection by a query whenever it is given back; not so here."""


if __name__ == "__main__":
    main()
