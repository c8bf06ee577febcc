"""What every test may use: a real PostgreSQL, migrated once, and a fresh copy of it for each."""

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from persistence import embedded
from persistence.embedded_directory import DataDirectory
from persistence.embedded_server import halt
from persistence.migrating import upgrade

MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes folders of our own in it
MEMORY_BYTES_MIN = 4_000_000_000

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever runs us in the background ignores it; programs that we start must not inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of production."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def deployment_secret() -> str:
    """From which the passwords of our logins are derived."""
    return "a deployment secret that only the tests know"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A new directory for a PostgreSQL, which is stopped if it still runs in the end."""
    path = _make_data_dir()
    yield path
    for directory in (path, *path.glob("**/data")):
        if embedded.is_running(directory):
            halt(DataDirectory(directory))
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL for this test process: TEST_DATABASE_URL, or one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    data_dir = _make_data_dir()
    small = {"max_wal_size": "512MB", "min_wal_size": "80MB"}
    cluster = embedded.start(data_dir, durable=False, settings=small)
    yield cluster.url("postgres")
    embedded.stop(cluster)
    shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
def template_database(server_url: str, deployment_secret: str) -> Iterator[str]:
    """The name of a migrated database, made when the first test needs one."""
    name = f"tallystick_template_{secrets.token_hex(4)}"
    with asyncio.Runner() as runner:
        # Logins belong to the whole server, which several test processes may share.
        turn = runner.run(asyncpg.connect(server_url))
        runner.run(turn.execute("SELECT pg_advisory_lock(hashtext('tallystick tests'))"))
        _run(server_url, f"CREATE DATABASE {name}")
        upgrade(_url_of(server_url, name), secret=deployment_secret)
        runner.run(turn.close())
    yield name
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own, as its owner reaches it."""
    name = f"tallystick_test_{secrets.token_hex(4)}"
    _run(server_url, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY file_copy")
    yield _url_of(server_url, name)
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database of the test's own that was never migrated."""
    name = f"tallystick_empty_{secrets.token_hex(4)}"
    _run(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
    yield _url_of(server_url, name)
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _make_data_dir() -> Path:
    """Make it in memory if there is room: a database is cloned ten times faster there.

    Not one of pytest's own directories: those are closed to the user that root lends the
    server to.
    """
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    path = Path(tempfile.mkdtemp(prefix="tallystick-test-", dir=MEMORY if is_roomy else None))
    path.chmod(0o755)
    return path


def _run(url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())


def _url_of(server_url: str, database: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{quote(database)}"))
