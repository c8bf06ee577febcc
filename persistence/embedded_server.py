"""The server process of the database of zero set-up: found, launched, halted."""

import os
import shlex
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from persistence.embedded_directory import PORT, DataDirectory, make_private
from persistence.embedded_programs import INSTEAD, EmbeddedPostgresError, Programs

SUPERUSER = "postgres"
# After a crash up to max_wal_size is replayed first.
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.02
# Has a locale of its own from this version on.
BUILTIN_LOCALE_MAJOR = 17

SETTINGS: Mapping[str, str] = {
    "checkpoint_timeout": "15min",
    "jit": "off",
    "listen_addresses": "",
    # Neither statements nor the rows they failed on: they may carry what is private.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "port": str(PORT),
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
    "wal_compression": "on",
}
# Processes may be killed and nothing is lost; only the machine must not fail.
FAST_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}


def running_at(directory: DataDirectory, programs: Programs) -> Path | None:
    """Where the server of this directory listens, or None when no process of it is left.

    After a crash both may take a moment to become clear: the processes of a killed server
    end one by one, and a server whose launcher was killed gets ready all the same.
    """
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while directory.has_server():
        socket_dir = directory.recorded_socket()
        if socket_dir is not None and _is_ready(programs, socket_dir):
            return socket_dir
        if time.monotonic() > deadline:
            message = (
                f"The PostgreSQL in {directory.path} lives but takes no connections. "
                f"Its log, server.log, ends:\n{directory.last_words()}"
            )
            raise EmbeddedPostgresError(message)
        time.sleep(POLL_SECONDS)
    return None


def _is_ready(programs: Programs, socket_dir: Path) -> bool:
    where = ("-h", socket_dir, "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres")
    asked = programs.run("pg_isready", *where, "-t", "2", timeout_seconds=10)
    return asked.returncode == 0


def launch(
    directory: DataDirectory, programs: Programs, settings: Mapping[str, str], *, durable: bool
) -> Path:
    """Start the server, in a cluster made first if there is none, and wait until it answers."""
    if directory.major() is None:
        _initialise(directory, programs, durable=durable)
    directory.forget_server(directory.recorded_socket())
    socket_dir = directory.make_socket_dir(programs.user)
    pairs = {**settings, "unix_socket_directories": str(socket_dir)}.items()
    options = shlex.join(word for name, value in pairs for word in ("-c", f"{name}={value}"))
    wait = ("-w", "-t", str(START_TIMEOUT_SECONDS))
    # The server's processes inherit the lock, and so it ends with the last of them.
    with directory.server_lock() as lock, directory.log() as log:
        started = programs.run(
            *("pg_ctl", "start", "-s", *wait, "-D", directory.cluster, "-o", options),
            timeout_seconds=START_TIMEOUT_SECONDS + 10,
            log=log,
            inherited=[lock],
        )
    if started.returncode != 0:
        message = (
            f"PostgreSQL did not start in {directory.path}. Its log, server.log, ends:\n"
            f"{directory.last_words()}\n{INSTEAD}"
        )
        raise EmbeddedPostgresError(message)
    return socket_dir


def _initialise(directory: DataDirectory, programs: Programs, *, durable: bool) -> None:
    """Make an empty cluster, which appears in its place only when it is whole."""
    shutil.rmtree(directory.draft, ignore_errors=True)
    make_private(directory.draft, programs.user)
    made = programs.run(
        *("initdb", "-D", directory.draft, "--username", SUPERUSER, "--encoding=UTF8"),
        # Whoever gets through to the socket owns the data files anyway.
        *("--auth=trust", "--data-checksums", "--no-instructions"),
        *_locale(programs.major),
        *(() if durable else ("--no-sync",)),
        timeout_seconds=START_TIMEOUT_SECONDS,
    )
    if made.returncode != 0:
        shutil.rmtree(directory.draft, ignore_errors=True)
        message = (
            f"PostgreSQL could not make its files in {directory.path}:\n{made.stdout.strip()}\n"
            f"{INSTEAD}"
        )
        raise EmbeddedPostgresError(message)
    directory.draft.rename(directory.cluster)


def _locale(major: int) -> tuple[str, ...]:
    """Sort by code point everywhere; from 17 on without the machine's own locales."""
    if major >= BUILTIN_LOCALE_MAJOR:
        return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    return ("--locale=C.UTF-8",)


def halt(directory: DataDirectory) -> None:
    """Stop the server, and return when its last process is gone."""
    for request, patience_seconds in ((signal.SIGINT, STOP_TIMEOUT_SECONDS), (signal.SIGQUIT, 10)):
        postmaster = directory.recorded_pid()
        if postmaster is not None and directory.has_server():
            with suppress(ProcessLookupError):
                os.kill(postmaster, request)
        deadline = time.monotonic() + patience_seconds
        while directory.has_server() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not directory.has_server():
            return
    message = f"The PostgreSQL in {directory.path} does not stop; see its log, server.log."
    raise EmbeddedPostgresError(message)
