"""The command line as an operator uses it: programs, signals, and what they print."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

ROOT = Path(__file__).parents[2]
TALLYSTICK = Path(sys.executable).with_name("tallystick")
SETTING = re.compile(
    r"HOST|PORT|STRIPE_|PAYSTACK_|APP_URL|DATABASE_|TALLYSTICK_|AI_|DEMO_|LOG_|INTROSPECTION|WEBHOOK"
)
PATIENCE_SECONDS = 150.0


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of ours, and with these."""
    kept = {name: value for name, value in os.environ.items() if not SETTING.match(name)}
    return {**kept, **settings}


def tallystick(*words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(TALLYSTICK), *map(str, words)],
        cwd=ROOT,
        env=environment(**settings),
        text=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@dataclass(slots=True)
class Running:
    """A server started by the command line."""

    process: subprocess.Popen[str]
    told: list[str] = field(default_factory=list)
    _lines: "Queue[str | None]" = field(default_factory=Queue)

    @property
    def url(self) -> str:
        """Where it serves, as it says itself."""
        found = re.search(r"http://127\.0\.0\.1:\d+", "\n".join(self.told))
        assert found is not None, self.told
        return found[0]

    def follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """Read what it prints up to a line with this text, which has to come."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_SECONDS)
            except Empty:
                raise AssertionError(f"It never said {text!r}, but: {self.told}") from None
            if line is None:
                raise AssertionError(f"It ended without saying {text!r}: {self.told}")
            self.told.append(line)
            if text in line:
                return line

    def follow_to_the_end(self) -> None:
        """Read all that a process has printed that has ended."""
        while (line := self._lines.get(timeout=PATIENCE_SECONDS)) is not None:
            self.told.append(line)

    def end(self, by: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(by)
        return self.process.wait(timeout=PATIENCE_SECONDS)


@contextmanager
def running(*words: str | Path, **settings: str) -> Iterator[Running]:
    """Start a server by the command line; it is killed in the end if it still runs."""
    with subprocess.Popen(
        [str(TALLYSTICK), *map(str, words)],
        cwd=ROOT,
        env=environment(**settings),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own: signals of this test run are not its own.
        process_group=0,
    ) as process:
        server = Running(process)
        follower = threading.Thread(target=server.follow, daemon=True)
        follower.start()
        try:
            yield server
        finally:
            process.kill()
            follower.join(timeout=5)


@contextmanager
def up(data_dir: Path, *words: str, **settings: str) -> Iterator[Running]:
    """`tallystick up` on a free port, ready for requests."""
    with running("up", "--data-dir", data_dir, "--port", "0", *words, **settings) as server:
        server.wait_for("/graphiql")
        yield server
