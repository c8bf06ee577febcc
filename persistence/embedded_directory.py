"""The directory of the database of zero set-up: what is where, and who uses it.

    cluster/        PostgreSQL's own data
    socket/         where it listens, for one user only; there is no TCP port
    server.log      what it says
    launcher.lock   held for the moment in which the server is started or stopped
    users.lock      shared by everyone who uses the server; the last one out stops it
    claim.lock      held by the one process that serves the directory, and names it
    server.lock     held by the server's processes themselves, so that a server killed at any
                    moment is known to be gone, whatever its pid file says

Locks are the kernel's and end with their process, so nothing is left to clean up after a
crash.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from persistence.embedded_programs import EmbeddedPostgresError, ServerUser, may_enter

LOCK_TIMEOUT_SECONDS = 180
LOG_BYTES_MAX = 10_000_000
PORT = 5432
# macOS allows 103 bytes and a closing zero, Linux four more.
SOCKET_PATH_BYTES_MAX = 103
# Any of these tells that a directory is one of ours, if only begun; `secret` is the app's.
OURS = ("launcher.lock", "cluster", "cluster.draft", "secret")
# Where the socket goes when its path would be longer; TMPDIR itself is long on macOS.
DISTANT = Path("/tmp")  # noqa: S108 - mkdtemp makes a private folder in it
DISTANT_PREFIX = "tallystick-"


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another process serves this data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One process' use of the server: locks that end with it."""

    users: int
    claim: int | None

    def end(self) -> None:
        os.close(self.users)
        if self.claim is not None:
            os.close(self.claim)


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The places in one data directory."""

    path: Path

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def draft(self) -> Path:
        """Where a cluster is made, to be renamed when it is whole."""
        return self.path / "cluster.draft"

    @property
    def socket(self) -> Path:
        return self.path / "socket"

    def prepare(self, user: ServerUser | None) -> None:
        """Make it if it is missing, and see that the server's user gets through.

        A directory of ours is opened for passing through, one above it never. One that holds
        something else is refused and left as it is.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_another_postgresql()
            self._refuse_what_holds_something_else()
            if user is not None:
                self.path.chmod(self.path.stat().st_mode | 0o011)
            os.close(open_lock(self.path / "launcher.lock"))
        except OSError as error:
            message = (
                f"The data directory {self.path} cannot be used: {error.strerror}. "
                "Choose a directory that you may write."
            )
            raise EmbeddedPostgresError(message) from error
        if user is not None and not may_enter(user, self.path):
            message = (
                f"PostgreSQL does not run as root but as user {user.uid}, who cannot enter "
                f"{self.path}. Choose a directory outside closed folders, such as "
                "/var/lib/tallystick."
            )
            raise EmbeddedPostgresError(message)

    def _refuse_another_postgresql(self) -> None:
        if (self.path / "PG_VERSION").exists():
            message = (
                f"{self.path} holds a PostgreSQL that Tallystick did not make. Choose a "
                "directory of its own, or start that PostgreSQL and set DATABASE_URL."
            )
            raise EmbeddedPostgresError(message)

    def _refuse_what_holds_something_else(self) -> None:
        found = {path.name for path in self.path.iterdir()}
        # A file system that was just made has an empty folder of its own.
        others = found - {"lost+found"}
        if others and found.isdisjoint(OURS):
            message = (
                f"{self.path} holds something else ({min(others)}), and Tallystick would put its "
                "own between it. Choose an empty directory, or one that is not there yet."
            )
            raise EmbeddedPostgresError(message)

    def major(self) -> int | None:
        """The major version whose data is here; None if there is none yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            if not self.cluster.exists() or not any(self.cluster.iterdir()):
                return None
            message = (
                f"{self.cluster} is not a PostgreSQL cluster: it has no PG_VERSION. Restore it "
                "from a backup, or choose another data directory."
            )
            raise EmbeddedPostgresError(message) from None
        except (OSError, ValueError) as error:
            message = (
                f"{self.cluster} cannot be read: {error}. It may belong to another user: "
                "use the one that made it, or choose another data directory."
            )
            raise EmbeddedPostgresError(message) from error

    @contextmanager
    def launching(self) -> Iterator[None]:
        """Be the only one that starts or stops the server."""
        lock = open_lock(self.path / "launcher.lock")
        try:
            deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
            while not try_lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    message = (
                        f"Another process has been starting or stopping the PostgreSQL in "
                        f"{self.path} for {LOCK_TIMEOUT_SECONDS} seconds. End it and try again."
                    )
                    raise EmbeddedPostgresError(message)
                time.sleep(0.02)
            yield
        finally:
            os.close(lock)

    def has_server(self) -> bool:
        """Whether any process of a server is left, be it starting, stopping or orphaned."""
        try:
            lock = os.open(self.path / "server.lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    @contextmanager
    def server_lock(self) -> Iterator[int]:
        """Hold the lock that tells that a server lives, for the server to inherit."""
        lock = open_lock(self.path / "server.lock")
        try:
            # No server has it. Who looks whether one has, holds it for an instant.
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def recorded_socket(self) -> Path | None:
        """Where the last server said it listens, be it alive or not."""
        socket_dir = self._recorded(4)
        return Path(socket_dir) if socket_dir else None

    def recorded_pid(self) -> int | None:
        """The process number of the last server, be it alive or not."""
        pid = self._recorded(0)
        return int(pid) if pid else None

    def _recorded(self, line: int) -> str | None:
        """Read a line of PostgreSQL's pid file, which grows while the server starts."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return lines[line] if line < len(lines) else None

    def make_socket_dir(self, user: ServerUser | None) -> Path:
        """Make the folder of the socket: here, or elsewhere if that path would be too long."""
        if len(os.fsencode(self.socket / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
            return make_private(self.socket, user)
        return make_private(Path(mkdtemp(prefix=DISTANT_PREFIX, dir=DISTANT)), user)

    def forget_server(self, socket_dir: Path | None) -> None:
        """Remove what a server may have left, its pid file and the folder of its socket.

        Only to be called when no process of it is left. PostgreSQL itself would look whether
        the number in the pid file is alive, and refuse to start if by now that is another
        process, or a zombie.
        """
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        if socket_dir is None:
            return
        is_distant = socket_dir.parent == DISTANT and socket_dir.name.startswith(DISTANT_PREFIX)
        if is_distant or socket_dir == self.socket:
            shutil.rmtree(socket_dir, ignore_errors=True)

    def lease(self, *, claim: bool) -> Lease:
        """Count the caller among the users, and as the one that serves if it claims that."""
        claimed = self._claim() if claim else None
        users = open_lock(self.path / "users.lock")
        try_lock(users, fcntl.LOCK_SH)
        return Lease(users=users, claim=claimed)

    def _claim(self) -> int:
        claim = open_lock(self.path / "claim.lock")
        if try_lock(claim, fcntl.LOCK_EX):
            os.truncate(claim, 0)
            os.pwrite(claim, str(os.getpid()).encode(), 0)
            return claim
        holder = os.pread(claim, 20, 0).decode() or "starting just now"
        os.close(claim)
        message = (
            f"The data directory {self.path} is being served already (process {holder}). "
            "Stop that one, or choose another data directory."
        )
        raise DataDirectoryInUse(message)

    @contextmanager
    def log(self) -> Iterator[int]:
        """Open the log for the server, with the last one put aside when it has grown long."""
        path = self.path / "server.log"
        with suppress(FileNotFoundError):
            if path.stat().st_size > LOG_BYTES_MAX:
                path.replace(path.with_suffix(".log.1"))
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def last_words(self) -> str:
        """The end of the log, for an error message."""
        lines = (self.path / "server.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])


def make_private(path: Path, user: ServerUser | None) -> Path:
    """Make a folder that only the server's user, and root, can look into."""
    path.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(path, user.uid, user.gid)
    return path


def open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_lock(lock: int, kind: int) -> bool:
    """Take a lock, shared or exclusive, unless somebody holds one against it."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
