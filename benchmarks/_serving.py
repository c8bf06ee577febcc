"""Starts what a benchmark measures: whole systems of ours, and the scripts beside them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._ports import free_port, wait_until_served

HERE = Path(__file__).parent
TALLYSTICK = str(Path(sys.executable).parent / "tallystick")
PATIENCE_SECONDS = 60
UNLIMITED = {
    "ASKS_PER_MINUTE": "1000000",
    "POINTS_PER_MINUTE": "100000000",
    "DEMO_SESSIONS_PER_MINUTE": "100000",
    "TRIES_PER_ADDRESS": "1000000",
    "SIGN_UP_CREDITS": "100000000",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `tallystick up` with a PostgreSQL of its own, which limits nobody."""

    pid: int
    port: int
    data_dir: Path

    def token(self, who: str = "user") -> str:
        """An access token of a demo account, `user` or `admin`."""
        return self._run("token", f"{who}@demo.test", output=subprocess.PIPE)

    def verify(self) -> None:
        """See that the books are right after all that; a benchmark ends when they are not."""
        self._run("verify", output=None)

    def _run(self, *words: str, output: int | None) -> str:
        command = [TALLYSTICK, *words, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, check=True, stdout=output, text=True)
        return (done.stdout or "").strip()


@contextmanager
def tallystick(**settings: str) -> Iterator[Serving]:
    """Serve on a new data directory with these settings, until the end."""
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        Path(folder).chmod(0o755)
        data_dir, port = Path(folder) / "data", free_port()
        command = [TALLYSTICK, "up", "--data-dir", str(data_dir), "--port", str(port)]
        environment = {**os.environ, **UNLIMITED, **settings}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(f"http://127.0.0.1:{port}/readyz")
                yield Serving(process.pid, port, data_dir)
            finally:
                process.send_signal(signal.SIGINT)


@contextmanager
def script(name: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """Run a script of this folder that listens on the port it is given: its process and port."""
    port = free_port()
    command = [sys.executable, str(HERE / name), str(port), *arguments]
    with subprocess.Popen(command) as process:
        try:
            wait_until_served(port)
            yield process.pid, port
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback address
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {PATIENCE_SECONDS} s")
