"""kill -9 in the middle of everything: what was acknowledged is there, once, and the books hold."""

import asyncio
import os
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx2

from persistence import embedded
from tests.app.asking import ASK, Caller, Json, Reply
from tests.app.shell import Running, tallystick, up

CALLERS = 16
ACKNOWLEDGED_MIN = 60
UNLIMITED = {"ASKS_PER_MINUTE": "1000000", "POINTS_PER_MINUTE": "100000000"}


async def test_the_server_is_killed_under_load(data_dir: Path) -> None:
    with up(data_dir, **UNLIMITED) as server:
        told = await asked_until_killed(server, data_dir, lambda: server.end(signal.SIGKILL))

    await everything_acknowledged_is_there(data_dir, told)


async def test_postgresql_is_killed_under_load(data_dir: Path) -> None:
    with up(data_dir, **UNLIMITED) as server:
        told = await asked_until_killed(server, data_dir, lambda: kill_postgresql(data_dir))

    await everything_acknowledged_is_there(data_dir, told)


async def asked_until_killed(
    server: Running, data_dir: Path, kill: Callable[[], object]
) -> dict[str, Json | None]:
    """What each key was told: an answer that was acknowledged, or nothing."""
    told: dict[str, Json | None] = {}
    token = token_of(data_dir)
    is_killed = False

    async def caller(number: int, http: httpx2.AsyncClient) -> None:
        for turn in range(1_000):
            if is_killed:
                return
            key = f"{number}-{turn}"
            told[key] = None
            try:
                told[key] = await ask(http, token, key)
            except (httpx2.HTTPError, AssertionError, KeyError):
                return

    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
        callers = [asyncio.create_task(caller(number, http)) for number in range(CALLERS)]
        while sum(answer is not None for answer in told.values()) < ACKNOWLEDGED_MIN:
            await asyncio.sleep(0.01)
            assert not all(each.done() for each in callers), "nobody asks any more"
        kill()
        is_killed = True
        await asyncio.gather(*callers)
    return told


async def everything_acknowledged_is_there(data_dir: Path, told: dict[str, Json | None]) -> None:
    with up(data_dir, **UNLIMITED) as server:
        verified = tallystick("verify", "--data-dir", data_dir)
        token = token_of(data_dir)
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
            again = {
                key: await ask(http, token, key)
                for key, answer in told.items()
                if answer is not None
            }
        total = Decimal(
            Caller(server.url, token).send("{ balance { total } }").text("balance.total")
        )
        charged = Decimal(ledger_sum(Caller(server.url, token)))

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert again == {key: answer for key, answer in told.items() if answer is not None}
    assert len(again) >= ACKNOWLEDGED_MIN
    assert total == 1000 - charged


def ledger_sum(caller: Caller) -> Decimal:
    """What all answers were charged, from the answers themselves."""
    charged = Decimal(0)
    after: Json = None
    while True:
        page = caller.send(
            "query($after: String) { answers(first: 100, after: $after) {"
            " nodes { charged } pageInfo { hasNextPage endCursor } } }",
            after=after,
        )
        nodes = page["answers.nodes"]
        assert isinstance(nodes, list)
        charged += sum(Decimal(page.text(f"answers.nodes.{n}.charged")) for n in range(len(nodes)))
        if page["answers.pageInfo.hasNextPage"] is False:
            return charged
        after = page["answers.pageInfo.endCursor"]


async def ask(http: httpx2.AsyncClient, token: str, key: str) -> Json:
    """The answer's id and charge; an error when the server said that it could not."""
    response = await http.post(
        "/graphql",
        json={"query": ASK, "variables": {"content": "What is a ledger?", "key": key}},
        headers={"authorization": f"Bearer {token}"},
    )
    reply = Reply(response.status_code, response.json())
    return [reply["askAI.answer.id"], reply["askAI.answer.charged"]]


def token_of(data_dir: Path) -> str:
    shown = tallystick("token", "user@demo.test", "--data-dir", data_dir)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()


def kill_postgresql(data_dir: Path) -> None:
    """SIGKILL the postmaster of this directory and its children, by their numbers."""
    pid_file = next(data_dir.glob("**/postmaster.pid"))
    postmaster = int(pid_file.read_text(encoding="ascii").splitlines()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii")
    for pid in (postmaster, *map(int, children.split())):
        os.kill(pid, signal.SIGKILL)
    assert not embedded.is_running(pid_file.parent)
