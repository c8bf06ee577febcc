"""One command gives a whole system, and nothing that happens to it does harm."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import asyncpg
import httpx2
import orjson
import pytest

from persistence import embedded
from tests.app.asking import Caller, demo_caller
from tests.app.shell import environment, running, tallystick, up

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def caller(url: str, data_dir: Path, email: str = "user@demo.test") -> Caller:
    shown = tallystick("token", email, "--data-dir", data_dir)
    assert shown.returncode == 0, shown.stderr
    return Caller(url, shown.stdout.removesuffix("\n"))


@needs_curl
def test_what_it_prints_works_when_pasted(data_dir: Path) -> None:
    with up(data_dir) as server:
        server.wait_for("Ask the first question")
        server.wait_for("    -d '")
        told = "\n".join(server.told)
        pasted = subprocess.run(
            ["/bin/sh", "-c", told[told.index("curl") :]],
            cwd="/",
            env=environment(),
            capture_output=True,
            check=True,
        )

    assert "simulated" in told
    assert "Mails      http://127.0.0.1" in told
    assert "user@demo.test (USER), admin@demo.test (ADMIN)" in told
    assert len(told.splitlines()) < 16
    assert orjson.loads(pasted.stdout)["data"]["askAI"]["answer"]["charged"] != "0"


def test_a_token_is_printed_alone_and_is_good_at_once(data_dir: Path) -> None:
    with up(data_dir) as server:
        shown = tallystick("token", "user@demo.test", "--data-dir", data_dir)

        assert shown.stderr == ""
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", shown.stdout)
        assert Caller(server.url, shown.stdout.strip()).available() == "1000"


def test_a_right_is_given_and_taken_from_one_request_to_the_next(data_dir: Path) -> None:
    accounts = "{ admin { accounts { nodes { id } } } }"
    with up(data_dir) as server:
        user = caller(server.url, data_dir)
        before = user.send(accounts)
        granted = tallystick("admin", "grant", "user@demo.test", "--data-dir", data_dir)
        meanwhile = user.send(accounts)
        revoked = tallystick("admin", "revoke", "user@demo.test", "--data-dir", data_dir)
        after = user.send(accounts)

    assert granted.stdout == "user@demo.test is ADMIN.\n"
    assert revoked.stdout == "user@demo.test is USER.\n"
    assert (before.status, before.codes) == (403, ["FORBIDDEN"])
    assert (meanwhile.status, meanwhile.codes) == (200, [])
    assert (after.status, after.codes) == (403, ["FORBIDDEN"])


def test_a_second_one_on_the_same_directory_is_refused_and_the_first_goes_on(
    data_dir: Path,
) -> None:
    with up(data_dir) as server:
        second = tallystick("up", "--data-dir", data_dir, "--port", "0")

        assert second.returncode == 1
        assert "is being served already" in second.stderr
        assert demo_caller(server.url)[0].available() == "1000"


def test_a_port_in_use_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        shown = tallystick("up", "--data-dir", tmp_path / "data", "--port", port)

    assert shown.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in shown.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_and_its_database_with_it(
    by: signal.Signals, data_dir: Path
) -> None:
    with up(data_dir) as server:
        code = server.end(by)
        server.wait_for("Stopped.")

    assert code == 0
    assert not embedded.is_running(data_dir)


def test_it_can_be_ended_while_it_starts(data_dir: Path) -> None:
    with running("up", "--data-dir", data_dir, "--port", "0") as server:
        deadline = time.monotonic() + 30
        while not (data_dir / "cluster").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        code = server.end()

    assert code in {0, 130}
    with up(data_dir) as server:
        assert demo_caller(server.url)[0].available() == "1000"


def test_what_was_acknowledged_survives_kill_9(data_dir: Path) -> None:
    with up(data_dir) as server:
        asked = caller(server.url, data_dir).ask("What is a ledger?", "one")
        server.end(signal.SIGKILL)
    with up(data_dir) as server:
        again = caller(server.url, data_dir).ask("What is a ledger?", "one")
        verified = tallystick("verify", "--data-dir", data_dir)

    assert again["askAI.replayed"] is True
    assert again["askAI.answer.text"] == asked["askAI.answer.text"]
    assert again["askAI.balance"] == asked["askAI.balance"]
    assert verified.returncode == 0, verified.stdout


async def test_an_answer_of_which_nothing_came_is_given_time_and_then_waits_for_the_next_start(
    data_dir: Path,
) -> None:
    with up(data_dir, SHUTDOWN_SECONDS="1") as server:
        user, _ = demo_caller(server.url)
        asked = user.ask("hello\nsimulate: slow 60", "slow", wait=0)
        began = time.monotonic()
        code = server.end()
        took = time.monotonic() - began

    assert asked["askAI.answer.status"] == "RUNNING"
    assert code == 0
    assert took < 15
    assert await holds(data_dir) == [("OPEN", "QUEUED", 0)]


async def test_an_answer_that_is_nearly_there_is_waited_for(data_dir: Path) -> None:
    with up(data_dir) as server:
        user, _ = demo_caller(server.url)
        user.ask("hello\nsimulate: slow 1", "slow", wait=0)
        code = server.end()

    (hold,) = await holds(data_dir)
    assert code == 0
    assert hold[:2] == ("CAPTURED", "SUCCEEDED")
    assert hold[2] > 0


async def holds(data_dir: Path) -> list[tuple[str, str, int]]:
    """How each hold ended, its answer, and what was charged."""
    cluster = embedded.start(data_dir)
    connection = await asyncpg.connect(cluster.url())
    rows = await connection.fetch("""
        SELECT h.status AS held, a.status, h.captured FROM tallystick.holds h
          JOIN tallystick.answers a USING (account_id, moment, key_number)""")
    await connection.close()
    embedded.stop(cluster)
    return [(row["held"], row["status"], row["captured"]) for row in rows]


@pytest.mark.parametrize("what", ["a file", "another PostgreSQL's", "a broken cluster"])
def test_a_directory_that_cannot_be_used_is_told_and_left_alone(what: str, data_dir: Path) -> None:
    place = data_dir / "data"
    match what:
        case "a file":
            place.write_text("mine")
        case "another PostgreSQL's":
            place.mkdir()
            (place / "PG_VERSION").write_text("18\n")
        case _:
            (place / "cluster").mkdir(parents=True)
            (place / "cluster" / "notes.txt").write_text("mine")
    before = sorted(place.rglob("*"))

    shown = tallystick("up", "--data-dir", place, "--port", "0")

    assert shown.returncode == 1
    assert shown.stderr.startswith("tallystick: ")
    assert str(place) in shown.stderr
    assert "Traceback" not in shown.stderr
    kept = [path for path in sorted(place.rglob("*")) if path.suffix != ".lock"]
    assert kept == before


def test_it_uses_the_server_of_database_url(
    database_url: str, deployment_secret: str, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "TALLYSTICK_SECRET": deployment_secret,
        "TALLYSTICK_DATA_DIR": str(tmp_path / "data"),
    }
    with running("up", "--port", "0", **settings) as server:
        server.wait_for("/graphiql")
        shown = tallystick("token", "admin@demo.test", **settings)
        viewer = Caller(server.url, shown.stdout.strip()).send("{ viewer { account { role } } }")
        code = server.end()

    assert viewer["viewer.account.role"] == "ADMIN"
    assert code == 0
    assert not (tmp_path / "data").exists()


async def test_a_database_that_others_rely_on_is_not_tried_things_out_on(
    database_url: str, deployment_secret: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.fetchrow(
        "SELECT * FROM tallystick.open_account('jane@company.test', true, 'Jane', false, 5)"
    )

    shown = tallystick(
        "up", "--port", "0", DATABASE_URL=database_url, TALLYSTICK_SECRET=deployment_secret
    )

    accounts = await connection.fetchval("SELECT count(*) FROM tallystick.accounts")
    models = await connection.fetchval("SELECT count(*) FROM tallystick.models")
    await connection.close()
    assert shown.returncode == 2
    assert "has accounts that `tallystick up` did not make" in shown.stderr
    assert (accounts, models) == (1, 0)


def test_several_processes_serve_one_database(database_url: str, deployment_secret: str) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "TALLYSTICK_SECRET": deployment_secret,
        "DEMO_MODE": "true",
        "PORT": "0",
    }
    tallystick("models", "load", "models.toml", DATABASE_URL=database_url)
    with running("serve", **settings) as one, running("serve", **settings) as other:
        one.wait_for('"event":"serving"')
        other.wait_for('"event":"serving"')
        user, _ = demo_caller(one.url)
        asked = user.ask("hello", "same")
        again = Caller(other.url, user.token).ask("hello", "same")

    assert again["askAI.replayed"] is True
    assert again["askAI.answer.id"] == asked["askAI.answer.id"]
    assert again["askAI.balance"] == asked["askAI.balance"]


def test_health_is_told_from_readiness(data_dir: Path) -> None:
    with up(data_dir) as server:
        ready = httpx2.get(f"{server.url}/readyz")
        pid = int((data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(3)
        away = httpx2.get(f"{server.url}/readyz", timeout=30)
        alive = httpx2.get(f"{server.url}/healthz")
        asked = Caller(server.url).send("{ models { id } }")

    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert away.status_code == 503
    assert "No PostgreSQL can be reached" in away.json()["faults"]["database"]
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert asked.codes == ["UNAVAILABLE"]
