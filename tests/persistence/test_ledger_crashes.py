"""Connections cut, PostgreSQL killed under load: what was acknowledged is there, exactly once."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from persistence import embedded
from persistence.embedded_directory import DataDirectory
from persistence.ledger import PostgresLedger
from persistence.migrating import upgrade
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import Bank, open_bank
from tests.persistence.loading import CALLERS, COST, RUNNER, Load

PURSES = 6
GIVEN = 1_000_000
CUTS = 12
KILLS = 2
ACKNOWLEDGED_BETWEEN = 40
PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


async def test_connections_are_cut_again_and_again(bank: Bank, deployment_secret: str) -> None:
    async with loaded(bank, deployment_secret) as load:
        cut = 0
        while cut < CUTS:
            await load.reach(load.acknowledged + ACKNOWLEDGED_BETWEEN)
            cut += await cut_the_writer_off(bank)
        await load.reach(load.acknowledged + ACKNOWLEDGED_BETWEEN)

    assert load.captured.keys() == load.asked
    await everything_acknowledged_is_there_once(bank, load)


async def test_postgresql_is_killed_under_load(data_dir: Path, deployment_secret: str) -> None:
    killed = embedded.start(data_dir)
    url = await migrated(killed, deployment_secret)

    async with open_bank(url, deployment_secret) as bank:
        async with loaded(bank, deployment_secret) as load:
            for _ in range(KILLS):
                await load.reach(load.acknowledged + ACKNOWLEDGED_BETWEEN)
                kill_postgresql(data_dir)
                await asyncio.to_thread(embedded.start, data_dir)
            await load.reach(load.acknowledged + ACKNOWLEDGED_BETWEEN)
        await bank.owner.expire_connections()
        await everything_acknowledged_is_there_once(bank, load)
        again = await asked_once_more(bank, load)
        await everything_acknowledged_is_there_once(bank, again)

    assert again.captured.keys() == load.asked
    assert {key: again.taken[key].hold_id for key in load.taken} == load.names_of_holds
    assert {key: again.captured[key].ended_at for key in load.captured} == load.ends


async def test_a_server_is_killed_under_load(bank: Bank, deployment_secret: str) -> None:
    url = url_of(Login.WORKER, bank.url, secret=deployment_secret)
    purses = [(await bank.customer(GIVEN)).purse for _ in range(PURSES)]

    told = await told_until_killed(url, *(str(purse.account_id) for purse in purses))
    again = Load(bank.ledger, purses)
    await asyncio.gather(*(again.ask(key) for key in told["asked"]))

    assert again.captured.keys() == told["asked"].keys()
    assert {key: str(again.taken[key].hold_id.moment) for key in told["taken"]} == told["taken"]
    assert {key: str(again.captured[key].ended_at) for key in told["captured"]} == told["captured"]
    await everything_acknowledged_is_there_once(bank, again)


async def told_until_killed(*words: str) -> dict[str, dict[str, str]]:
    """What a server of its own told of its load until kill -9, step by step and key by key."""
    told: dict[str, dict[str, str]] = {"asked": {}, "taken": {}, "captured": {}}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.persistence.loading", *words, cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in process.stdout:
            if not line.endswith(b"\n"):
                break
            step, key, *moment = line.decode().split()
            told[step][key] = "".join(moment)
            if len(told["captured"]) == ACKNOWLEDGED_BETWEEN:
                with suppress(ProcessLookupError):
                    process.kill()
        await process.wait()
    return told


@asynccontextmanager
async def loaded(bank: Bank, secret: str) -> AsyncIterator[Load]:
    """Callers at work until the block ends; then everybody gets an answer."""
    url = url_of(Login.WORKER, bank.url, secret=secret)
    purses = [(await bank.customer(GIVEN)).purse for _ in range(PURSES)]
    async with asyncio.timeout(PATIENCE_SECONDS), PostgresLedger(url, runner=RUNNER) as ledger:
        load = Load(ledger, purses)
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(load.caller(number))
            yield load
            load.is_over = True


async def asked_once_more(bank: Bank, load: Load) -> Load:
    """The same keys again, of a server that knows nothing of the first time."""
    again = Load(bank.ledger, load.purses)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(again.ask(key) for key in load.asked))
    return again


async def everything_acknowledged_is_there_once(bank: Bank, load: Load) -> None:
    rows = await bank.owner.fetch("SELECT * FROM tallystick.holds")
    moments = [(row["account_id"], row["moment"]) for row in rows]
    ends = {(row["account_id"], row["ended_moment"]) for row in rows if row["captured"] == COST}
    totals = await bank.owner.fetchval("SELECT sum(total) FROM tallystick.balances")
    report = await verify(bank.url)

    assert report.is_clean, "\n".join(report.lines())
    assert len(rows) <= len(load.asked)
    assert {
        (taken.hold_id.purse.account_id, taken.hold_id.moment) for taken in load.taken.values()
    } <= set(moments)
    assert {
        (ended.balance.purse.account_id, ended.ended_at) for ended in load.captured.values()
    } <= ends
    assert totals == PURSES * GIVEN - COST * len(ends)


async def cut_the_writer_off(bank: Bank) -> int:
    """Terminate every connection of the ledger, whatever it is doing; returns how many."""
    number: int = await bank.owner.fetchval(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = $1",
        Login.WORKER,
    )
    return number


async def migrated(cluster: embedded.Cluster, secret: str) -> str:
    owner = await asyncpg.connect(cluster.url("postgres"))
    try:
        await owner.execute("CREATE DATABASE tallystick")
    finally:
        await owner.close()
    await asyncio.to_thread(upgrade, cluster.url("tallystick"), secret=secret)
    return cluster.url("tallystick")


def kill_postgresql(data_dir: Path) -> None:
    """SIGKILL the postmaster of this directory and its children, by their numbers."""
    postmaster = DataDirectory(data_dir).recorded_pid()
    assert postmaster is not None
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii")
    for pid in (postmaster, *map(int, children.split())):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
