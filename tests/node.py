"""Scripts of `tests/browser` and `tests/clients`, run by node as their locks say."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = Path(__file__).parent / "browser"
CLIENTS = Path(__file__).parent / "clients"


def require(*programs: str) -> None:
    """Skip the test where a program is missing, but fail where everything must be proved."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)}; tests/install-tools.sh installs them"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(script: str, *arguments: str, folder: Path = BROWSER, seconds_max: float = 300) -> str:
    """What a script prints; fails with what it says when it fails."""
    require("node", "npm")
    _install(folder)
    done = subprocess.run(
        ["node", str(folder / script), *arguments],  # noqa: S607 - as found by require
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def _install(folder: Path) -> None:
    """Install what the lock names, once, however many test processes ask for it."""
    modules, lock = folder / "node_modules", folder / "package-lock.json"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        installed = modules / ".installed"
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        subprocess.run(
            ["npm", "ci", "--silent"],  # noqa: S607 - as found by require
            cwd=folder,
            check=True,
            timeout=300,
        )
        installed.write_bytes(lock.read_bytes())
