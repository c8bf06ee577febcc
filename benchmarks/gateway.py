"""What does the door for OpenAI's clients cost? Ours next to the same without any billing.

The same fake provider behind each, one process each, the callers on raw sockets. "bytes" is a
Starlette route that hands bytes on by aiohttp, "sdk" one around the openai SDK; neither asks who
calls. Ours is `tallystick up` as it is: token and session checked, a hold and a capture, durable,
with the answer, its usage record and the roll-up.

At 16 callers on two shared cores: whole answers x0.30 of bytes, x1.99 of sdk; CPU a call 807 us,
bytes 259, sdk 1,699. The goal of x0.5 of bytes is not reached there, that of x2 of sdk all but:
about half of our time is in the system calls of four conversations (caller, provider, ledger,
sessions) where bytes has two. Streams, on busy cores: x1.46 of bytes' CPU a chunk.

Contestants alternate within one run; figures are medians:
`python benchmarks/gateway.py [--seconds 3] [--reps 5]`.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson

from benchmarks._load import Load, StreamLoad, drive, drive_streams, request
from benchmarks._paced import CHUNKS
from benchmarks._ports import free_port, wait_until_served

HERE = Path(__file__).parent
TALLYSTICK = str(Path(sys.executable).parent / "tallystick")
PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
GOALS = {16: "goal: at least x0.5 of bytes and x2 of sdk"}
STREAMS = 24

Contestant = tuple[int, Callable[[], bytes], int]


def main() -> None:
    options = argparse.ArgumentParser(description="/v1 next to the same without billing")
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--reps", type=int, default=5)
    options.add_argument("--callers", type=int, nargs="*", default=[1, 16, 64])
    chosen = options.parse_args()
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(_data_dir()))
        whole = _contestants(stack, data_dir / "whole", "_upstream.py", is_stream=False)
        for callers in chosen.callers:
            asyncio.run(_compare(whole, callers=callers, seconds=chosen.seconds, reps=chosen.reps))
        _verify(data_dir / "whole")
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(_data_dir()))
        streams = _contestants(stack, data_dir / "streams", "_paced.py", is_stream=True)
        del streams["upstream alone"]
        asyncio.run(_compare_streams(streams, reps=chosen.reps))
        _verify(data_dir / "streams")


def _contestants(
    stack: ExitStack, data_dir: Path, upstream_script: str, *, is_stream: bool
) -> dict[str, Contestant]:
    upstream, bare, sdk, ours = (free_port() for _ in range(4))
    base_url = f"http://127.0.0.1:{upstream}/v1"
    fake = stack.enter_context(_process(upstream_script, upstream))
    of_bytes = stack.enter_context(_process("_doors.py", bare, base_url, "bytes"))
    of_sdk = stack.enter_context(_process("_doors.py", sdk, base_url, "sdk"))
    tallystick = stack.enter_context(_tallystick(data_dir, ours, base_url))
    _wait_for(f"http://127.0.0.1:{ours}/readyz")
    plain = _calls(is_stream=is_stream, token="none")  # noqa: S106 - nobody asks for one
    return {
        "bytes": (bare, plain, of_bytes.pid),
        "sdk": (sdk, plain, of_sdk.pid),
        "tallystick": (
            ours,
            _calls(is_stream=is_stream, token=_token(data_dir)),
            tallystick.pid,
        ),
        "upstream alone": (upstream, plain, fake.pid),
    }


async def _compare(
    contestants: dict[str, Contestant], *, callers: int, seconds: float, reps: int
) -> None:
    loads: dict[str, list[Load]] = {name: [] for name in contestants}
    for rep in range(-1, reps):  # the first is for warming up
        turn = list(contestants.items())
        for name, (port, make, pid) in turn if rep % 2 == 0 else reversed(turn):
            load = await drive(
                port, make, callers=callers, seconds=seconds, pids=[pid], mark=b'"usage"'
            )
            if rep >= 0:
                loads[name].append(load)
    print(f"whole answers, {callers} callers ({GOALS.get(callers, 'no goal')})")
    rates = {name: statistics.median(load.per_second for load in loads[name]) for name in loads}
    for name, taken in loads.items():
        p50, p99, cpu = (
            statistics.median(getattr(load, field) for load in taken)
            for field in ("p50_ms", "p99_ms", "cpu_us")
        )
        print(
            f"  {name:15} {rates[name]:7.0f}/s  x{rates[name] / rates['bytes']:5.2f} of bytes"
            f"  x{rates[name] / rates['sdk']:5.2f} of sdk   p50 {p50:6.2f} ms"
            f"   p99 {p99:6.2f} ms   CPU {cpu:5.0f} us a call"
        )


async def _compare_streams(contestants: dict[str, Contestant], *, reps: int) -> None:
    loads: dict[str, list[StreamLoad]] = {name: [] for name in contestants}
    for rep in range(-1, reps):
        turn = list(contestants.items())
        for name, (port, make, pid) in turn if rep % 2 == 0 else reversed(turn):
            load = await drive_streams(port, make, streams=STREAMS, chunks=CHUNKS, pids=[pid])
            if rep >= 0:
                loads[name].append(load)
    print(f"{STREAMS} streams of {CHUNKS} chunks (goal: at most x1.5 the CPU of bytes)")
    costs = {name: statistics.median(load.cpu_us for load in loads[name]) for name in loads}
    for name, taken in loads.items():
        rate = statistics.median(load.per_second for load in taken)
        print(
            f"  {name:15} {rate:7.0f} chunks/s   CPU {costs[name]:6.1f} us a chunk"
            f"  x{costs[name] / costs['bytes']:4.2f}"
        )


def _calls(*, is_stream: bool, token: str) -> Callable[[], bytes]:
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "What is a ledger? Answer in one sentence."}],
        "max_tokens": 2_000,
    }
    if is_stream:
        body["stream"] = True
    sent = request(PATH, orjson.dumps(body), {"Authorization": f"Bearer {token}"})
    return lambda: sent


@contextmanager
def _process(script: str, port: int, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, str(HERE / script), str(port), *arguments]
    with subprocess.Popen(command) as process:
        try:
            wait_until_served(port)
            yield process
        finally:
            process.terminate()


@contextmanager
def _tallystick(data_dir: Path, port: int, base_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "AI_BASE_URL": base_url,
        "AI_API_KEY": "none",
        "ASKS_PER_MINUTE": "1000000",
        "SIGN_UP_CREDITS": "100000000",
    }
    command = [TALLYSTICK, "up", "--data-dir", str(data_dir), "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def _data_dir() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as path:
        Path(path).chmod(0o755)
        yield path


def _token(data_dir: Path) -> str:
    command = [TALLYSTICK, "token", "user@demo.test", "--data-dir", str(data_dir)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _verify(data_dir: Path) -> None:
    subprocess.run([TALLYSTICK, "verify", "--data-dir", str(data_dir)], check=True)


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own loopback address
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within a minute")


if __name__ == "__main__":
    main()
