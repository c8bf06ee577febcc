"""What does the door for OpenAI's clients cost? Ours next to the same without any billing.

The same fake provider behind each, one process each, the callers on raw sockets. "bytes" is a
Starlette route that hands bytes on by aiohttp, "sdk" one around the openai SDK; neither asks who
calls. Ours is `tallystick up` as it is: token and session checked, a hold and a capture, durable,
with the answer, its usage record and the roll-up.

At 16 callers on two shared cores: whole answers x0.29 of bytes, x1.8 to x2.0 of sdk; CPU a call 788
us, bytes 244, sdk 1,583. The goal of x0.5 of bytes is not reached there, that of x2 of sdk at
times: about half of our time is in the system calls of four conversations (caller, provider,
ledger, sessions) where bytes has two. Streams: x1.29 of bytes' CPU a chunk.

Contestants alternate within one run; figures are medians:
`python benchmarks/gateway.py [--seconds 3] [--reps 5]`.
"""

import argparse
import asyncio
import statistics
from collections.abc import Callable
from contextlib import ExitStack

import orjson

from benchmarks._load import Load, StreamLoad, drive, drive_streams, request
from benchmarks._paced import CHUNKS
from benchmarks._serving import Serving, script, tallystick

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
        ours, whole = _contestants(stack, "_upstream.py", is_stream=False)
        for callers in chosen.callers:
            asyncio.run(_compare(whole, callers=callers, seconds=chosen.seconds, reps=chosen.reps))
        ours.verify()
    with ExitStack() as stack:
        ours, streams = _contestants(stack, "_paced.py", is_stream=True)
        del streams["upstream alone"]
        asyncio.run(_compare_streams(streams, reps=chosen.reps))
        ours.verify()


def _contestants(
    stack: ExitStack, upstream: str, *, is_stream: bool
) -> tuple[Serving, dict[str, Contestant]]:
    fake_pid, fake_port = stack.enter_context(script(upstream))
    base_url = f"http://127.0.0.1:{fake_port}/v1"
    bytes_pid, bytes_port = stack.enter_context(script("_doors.py", base_url, "bytes"))
    sdk_pid, sdk_port = stack.enter_context(script("_doors.py", base_url, "sdk"))
    ours = stack.enter_context(tallystick(AI_BASE_URL=base_url, AI_API_KEY="none"))
    plain = _calls(is_stream=is_stream, token="none")  # noqa: S106 - nobody asks for one
    return ours, {
        "bytes": (bytes_port, plain, bytes_pid),
        "sdk": (sdk_port, plain, sdk_pid),
        "tallystick": (ours.port, _calls(is_stream=is_stream, token=ours.token()), ours.pid),
        "upstream alone": (fake_port, plain, fake_pid),
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


if __name__ == "__main__":
    main()
