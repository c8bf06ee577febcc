"""The PostgreSQL of zero set-up: from a wheel, in a directory of its own, behind a socket."""

import fcntl
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from persistence.embedded_directory import PORT, DataDirectory, DataDirectoryInUse, Lease, try_lock
from persistence.embedded_programs import (
    INSTEAD,
    SYSTEM_STATE,
    EmbeddedPostgresError,
    find_programs,
    server_user,
)
from persistence.embedded_server import (
    FAST_SETTINGS,
    SETTINGS,
    SUPERUSER,
    halt,
    launch,
    running_at,
)

__all__ = [
    "Cluster",
    "DataDirectoryInUse",
    "EmbeddedPostgresError",
    "default_data_dir",
    "is_running",
    "start",
    "stop",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running PostgreSQL, used by this process until `stop` or until the process ends."""

    data_dir: Path
    socket_dir: Path
    superuser: str
    lease: Lease = field(compare=False, repr=False)

    def url(self, database: str = "tallystick") -> str:
        """The address of a database for the superuser, as libpq and asyncpg read it."""
        host = quote(str(self.socket_dir))
        return f"postgresql://{self.superuser}@/{quote(database)}?host={host}&port={PORT}"


def default_data_dir() -> Path:
    """Where data goes unless told otherwise; for root that is where others may pass."""
    if os.geteuid() == 0:
        return SYSTEM_STATE
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "tallystick"


def start(
    data_dir: Path,
    *,
    durable: bool = True,
    claim: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Cluster:
    """Use the PostgreSQL of this directory: the running one, or else one started now.

    The directory is made if there is none. With `claim` the caller is the only one that
    serves it: a second one gets DataDirectoryInUse. `settings` are PostgreSQL's and, like
    `durable`, count only if the server is started now. Raises EmbeddedPostgresError, and
    then has harmed nothing that was there.
    """
    directory = DataDirectory(data_dir.absolute())
    user = server_user(directory.cluster)
    directory.prepare(user)
    programs = find_programs(user, major=directory.major())
    with directory.launching():
        lease = directory.lease(claim=claim)
        try:
            socket_dir = running_at(directory, programs)
            if socket_dir is None:
                wanted = {**SETTINGS, **({} if durable else FAST_SETTINGS), **(settings or {})}
                socket_dir = launch(directory, programs, wanted, durable=durable)
        except (OSError, subprocess.SubprocessError) as error:
            lease.end()
            message = f"PostgreSQL could not be started in {directory.path}: {error}. {INSTEAD}"
            raise EmbeddedPostgresError(message) from error
        except BaseException:
            lease.end()
            raise
    return Cluster(data_dir=directory.path, socket_dir=socket_dir, superuser=SUPERUSER, lease=lease)


def stop(cluster: Cluster) -> None:
    """Stop using the server, once; the last one to do so stops the server itself."""
    directory = DataDirectory(cluster.data_dir)
    with directory.launching():
        if try_lock(cluster.lease.users, fcntl.LOCK_EX):
            halt(directory)
            directory.forget_server(cluster.socket_dir)
        cluster.lease.end()


def is_running(data_dir: Path) -> bool:
    """Whether a server lives in this directory; it may be just starting or stopping."""
    return DataDirectory(data_dir.absolute()).has_server()
