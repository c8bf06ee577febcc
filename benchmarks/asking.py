"""Does billing cost anything? `askAI` next to the same mutation without any billing.

Both sides are one server process on uvicorn in front of the same fake provider, which answers at
once. The plain side is a Strawberry mutation with parse and validation caches on that awaits
`chat.completions.create` of the openai SDK on its aiohttp backend, checks no credentials and bills
nothing. Ours is `tallystick up` as it is: token and session checked, a hold and a capture, durable,
with the answer, its usage record and the roll-up.

At 16 callers on two shared cores: x1.02 of the plain side, p50 0.75 ms below it, CPU a call 1981 us
against 2062; alone, p50 2.1 ms above it.

Contestants alternate within one run; figures are medians. Run on 2 shared cores:
`python benchmarks/asking.py [--seconds 3] [--reps 5]`.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import orjson

from benchmarks._load import Load, drive, request
from benchmarks._serving import script, tallystick

QUESTION = "What is a ledger? Answer in one sentence."
OURS = (
    "mutation($key: String!) { askAI(input: {messages: {content: "
    f'"{QUESTION}"'
    "}, maxOutputTokens: 100, idempotencyKey: $key}) {"
    " ... on AskAISuccess { answer { text charged } balance { available } }"
    " ... on Problem { code message } } }"
)
PLAIN = f'mutation {{ askAI(content: "{QUESTION}") {{ text tokens }} }}'
GOALS = {16: "goal: rate ≥ x1.0, p50 ≤ +2 ms"}


def main() -> None:
    options = argparse.ArgumentParser(description="askAI next to the same without billing")
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--reps", type=int, default=5)
    options.add_argument("--callers", type=int, nargs="*", default=[1, 16])
    chosen = options.parse_args()
    with ExitStack() as stack:
        _, upstream = stack.enter_context(script("_upstream.py"))
        base_url = f"http://127.0.0.1:{upstream}/v1"
        plain_pid, plain_port = stack.enter_context(script("_plain.py", base_url))
        ours = stack.enter_context(tallystick(AI_BASE_URL=base_url, AI_API_KEY="none"))
        contestants = {
            "plain, no billing": (plain_port, _plain_calls(), plain_pid),
            "tallystick": (ours.port, _our_calls(ours.token()), ours.pid),
        }
        for callers in chosen.callers:
            asyncio.run(
                _compare(contestants, callers=callers, seconds=chosen.seconds, reps=chosen.reps)
            )
        ours.verify()


Contestant = tuple[int, Callable[[], bytes], int]


async def _compare(
    contestants: dict[str, Contestant], *, callers: int, seconds: float, reps: int
) -> None:
    loads: dict[str, list[Load]] = {name: [] for name in contestants}
    for name, (port, make, pid) in contestants.items():
        await drive(port, make, callers=callers, seconds=1.0, pids=[pid])  # warm up
        loads[name].clear()
    for rep in range(reps):
        turn = list(contestants.items())
        for name, (port, make, pid) in turn if rep % 2 == 0 else reversed(turn):
            loads[name].append(
                await drive(port, make, callers=callers, seconds=seconds, pids=[pid])
            )
    medians = {
        name: Load(
            *(
                statistics.median(getattr(load, field) for load in taken)
                for field in ("per_second", "p50_ms", "p99_ms", "cpu_us")
            )
        )
        for name, taken in loads.items()
    }
    base = next(iter(medians.values()))
    print(f"{callers} callers ({GOALS.get(callers, 'no goal')})")
    for name, load in medians.items():
        print(
            f"  {name:18} {load.per_second:7.0f}/s  x{load.per_second / base.per_second:4.2f}"
            f"   p50 {load.p50_ms:6.2f} ms ({load.p50_ms - base.p50_ms:+.2f})"
            f"   p99 {load.p99_ms:6.2f} ms   CPU {load.cpu_us:5.0f} us a call"
        )


def _plain_calls() -> Callable[[], bytes]:
    bytes_sent = request("/", orjson.dumps({"query": PLAIN}), {})
    return lambda: bytes_sent


def _our_calls(token: str) -> Callable[[], bytes]:
    def make() -> bytes:
        variables = {"key": _time_ordered_key()}
        body = orjson.dumps({"query": OURS, "variables": variables})
        return request("/graphql", body, {"Authorization": f"Bearer {token}"})

    return make


def _time_ordered_key() -> str:
    """A UUIDv7, as the documentation advises."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    text = f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


if __name__ == "__main__":
    main()
