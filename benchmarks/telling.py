"""What it costs the ledger to tell: the same holds and captures, told and not, in one run.

Where nobody wants to hear of answers, the ledger calls the functions it always called, and nothing
of this is on its way. Measured is the CPU time of PostgreSQL and of Python together per operation
(a hold or a capture, with answer, usage record and roll-up), the two taking turns; figures are
medians. It ends with a clean verify, and with as many events as answers that were told.

Measured on two cores that others used as well: CPU x1.27 for a lone caller, x1.19 for 64.

    python benchmarks/telling.py [--seconds 1] [--reps 5]
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, process_time
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
from domain.telling import EventType
from domain.units import AccountId, Microcredits, ModelId, PriceId, PurseId
from persistence import embedded
from persistence.ledger import PostgresLedger
from persistence.migrating import upgrade
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify
from persistence.wishing import PostgresWishes

SECRET: Final = "a secret of the benchmark, of no use elsewhere"  # noqa: S105 - as it says
ACCOUNTS: Final = 100
BEGINNING: Final = AnswerBeginning(
    model_id=ModelId("model"), price_id=PriceId(1), answer_tokens_max=100
)
END: Final = AnswerEnd(
    status=AnswerStatus.SUCCEEDED,
    text="A ledger is a book in which every line stays as it was written.",
    finish_reason=FinishReason.STOP,
    failure=None,
    attempts=(
        AttemptEnd(attempt=1, outcome=UsageOutcome.SUCCEEDED, input_tokens=30, output_tokens=20),
    ),
)
SEED: Final = """
SET search_path = tallystick;
INSERT INTO accounts (id) SELECT generate_series(1, 100);
INSERT INTO balances (account_id, moment) SELECT generate_series(1, 100), 1;
INSERT INTO models (
  id, name, vendor, upstream_name, context_window, answer_tokens_max, is_enabled)
VALUES ('model', 'm', 'v', 'm', 1000, 100, true);
INSERT INTO model_prices (
  model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request)
VALUES ('model', 100, 100, 100, 1);
SELECT post_credit(id, 0, 'SIGN_UP_GRANT', 1000000000, false, NULL) FROM accounts;
"""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=1.0)
    options.add_argument("--reps", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cluster = embedded.start(Path(folder), durable=True)
        try:
            upgrade(cluster.url("postgres"), secret=SECRET)
            uvloop.run(_measure(cluster.url("postgres"), given.seconds, given.reps))
        finally:
            embedded.stop(cluster)


async def _measure(url: str, seconds: float, reps: int) -> None:
    owner = await asyncpg.connect(url)
    await owner.execute(SEED)
    worker = url_of(Login.WORKER, url, secret=SECRET)
    async with pool_of(Login.WORKER, worker, connections_max=1) as pool:
        await PostgresWishes(pool).wish(frozenset(EventType), low_balance=Microcredits(100))
    async with (
        PostgresLedger(worker, runner=UUID(os.urandom(16))) as plain,
        PostgresLedger(worker, runner=UUID(os.urandom(16)), tells=True) as telling,
    ):
        told = 0
        for callers in (1, 64):
            figures: dict[str, list[tuple[float, float]]] = {"plain": [], "telling": []}
            for _ in range(reps):
                for name, ledger in (("plain", plain), ("telling", telling)):
                    count, cpu, took = await _drive(ledger, callers, seconds)
                    told += count // 2 if ledger is telling else 0
                    figures[name].append((cpu / count, took / count))
            _print(callers, figures)
    events = await owner.fetchval("SELECT count(*) FROM tallystick.told_events")
    await owner.close()
    report = await verify(url)
    print("\n".join(report.lines()[:20]))
    assert report.is_clean
    assert events == told
    sys.stdout.flush()


def _print(callers: int, figures: dict[str, list[tuple[float, float]]]) -> None:
    cpu, took = (
        {name: statistics.median(each[place] for each in every) for name, every in figures.items()}
        for place in (0, 1)
    )
    print(
        f"{callers:3} callers: CPU {cpu['plain'] * 1e6:.0f} us an operation, told "
        f"{cpu['telling'] * 1e6:.0f} us  x{cpu['telling'] / cpu['plain']:.2f}; "
        f"time x{took['telling'] / took['plain']:.2f}"
    )


async def _drive(ledger: PostgresLedger, callers: int, seconds: float) -> tuple[int, float, float]:
    """Operations, the CPU time they took here and in PostgreSQL, and how long it was."""
    until = monotonic() + seconds
    done = 0

    async def call(number: int) -> None:
        nonlocal done
        purse = PurseId(AccountId(1 + number % ACCOUNTS))
        while monotonic() < until:
            once = Once.of("askAI", os.urandom(16).hex())
            taken = await ledger.hold(
                purse, Microcredits(10), once, lasts_seconds=300, beginning=BEGINNING
            )
            await ledger.capture(taken.hold_id, Microcredits(6), END)
            done += 2

    began, cpu, own = monotonic(), sum(_of_writers()), process_time()
    await asyncio.gather(*(call(number) for number in range(callers)))
    return done, process_time() - own + sum(_of_writers()) - cpu, monotonic() - began


def _of_writers() -> Iterator[float]:
    """The CPU seconds of every PostgreSQL process that serves the worker's login."""
    tick = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*"):
        with _unless_gone():
            if b"tallystick_worker" in (path / "cmdline").read_bytes():
                words = (path / "stat").read_text().rpartition(")")[2].split()
                yield (int(words[11]) + int(words[12])) / tick


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ProcessLookupError):
        return


if __name__ == "__main__":
    main()
