"""Balancers are told the truth, in time, whatever happens to the database."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from persistence import embedded
from persistence.migrating import upgrade
from tests.app.asking import Caller, demo_caller
from tests.app.shell import Running, running, tallystick

PROBE_SECONDS_MAX = 10.0
"""Much longer than a probe may take, and much shorter than a silent database stays silent."""


@contextmanager
def served(data_dir: Path, secret: str, **settings: str) -> Iterator[Running]:
    """A server on a PostgreSQL in this directory, which is a deployment of its own."""
    url = embedded.start(data_dir).url("postgres")
    upgrade(url, secret=secret)
    books = {"DATABASE_URL": url, "TALLYSTICK_SECRET": secret}
    assert tallystick("models", "load", "models.toml", **books).returncode == 0
    with running("serve", PORT="0", DEMO_MODE="true", **books, **settings) as server:
        server.wait_for('"event":"serving"')
        yield server


def probe(server: Running, path: str = "/readyz") -> tuple[int, list[str]]:
    reply = httpx2.get(f"{server.url}{path}", timeout=PROBE_SECONDS_MAX)
    return reply.status_code, list(reply.json().get("faults", {}))


def probed_until(server: Running, wanted: tuple[int, list[str]]) -> None:
    """Probe until the answer is the wanted one; every probe is answered in time."""
    while probe(server) != wanted:
        pass


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def test_probes_are_answered_while_the_database_is_away_and_when_it_is_back(
    data_dir: Path, deployment_secret: str
) -> None:
    away, well = (503, ["database"]), (200, list[str]())
    with served(data_dir, deployment_secret) as server:
        user, _ = demo_caller(server.url)
        assert probe(server) == well

        os.kill(postmaster(data_dir), signal.SIGSTOP)
        probed_until(server, away)
        assert probe(server, "/healthz") == well
        os.kill(postmaster(data_dir), signal.SIGCONT)
        probed_until(server, well)
        after_silence = user.ask("hello", "after silence")

        os.kill(postmaster(data_dir), signal.SIGKILL)
        probed_until(server, away)
        assert probe(server, "/healthz") == well
        embedded.start(data_dir)
        probed_until(server, well)
        after_death = user.ask("hello", "after death")

        assert after_silence["askAI.answer.status"] == "SUCCEEDED"
        assert after_death["askAI.answer.status"] == "SUCCEEDED"
        assert server.end() == 0


def test_a_server_told_to_stop_says_so_before_it_closes_its_door(
    database_url: str, deployment_secret: str
) -> None:
    books = {"DATABASE_URL": database_url, "TALLYSTICK_SECRET": deployment_secret}
    tallystick("models", "load", "models.toml", **books)
    with running(
        "serve", PORT="0", DEMO_MODE="true", SHUTDOWN_DELAY_SECONDS="600", **books
    ) as server:
        server.wait_for('"event":"serving"')
        server.process.send_signal(signal.SIGTERM)
        server.wait_for('"event":"stopping"')
        leaving, alive = probe(server), probe(server, "/healthz")
        user, _ = demo_caller(server.url)
        asked = Caller(server.url, user.token).ask("hello", "late")
        code = server.end(signal.SIGTERM)

    assert leaving == (503, ["draining"])
    assert alive == (200, [])
    assert asked["askAI.answer.status"] == "SUCCEEDED"
    assert code == 0
