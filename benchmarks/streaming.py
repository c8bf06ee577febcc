"""What a piece of an answer costs on its way to a GraphQL subscriber, and how late it is.

All contestants are one server process on uvicorn in front of the same provider, whose tokens tell
when they were sent: 100 of them, 20 ms apart, in 16 streams at once. Ours is `tallystick up` as it
is: each stream is asked for by `askAI` (hold, capture, usage record) and followed by `subscription
answer` over a WebSocket. Next to it a Strawberry subscription that yields every chunk of the openai
SDK, and a Starlette route that passes on the provider's bytes. Reading the provider directly says
how late a token is without anybody in between.

Then 1,000 streams are opened and left open, for the memory that each takes.

On two shared cores: CPU x0.40 of the Strawberry subscription's for each token (231 us against
581), first token 0.03 ms later than the provider's own where Strawberry was 5.2 late, 40.2 KiB for
each of 1,000 open streams and 1.0 KiB more after 15 s.

Contestants alternate within one run; figures are medians. Run on 2 shared cores:
`python benchmarks/streaming.py [--reps 3] [--streams 16]`.
"""

import argparse
import asyncio
import os
import re
import statistics
import time
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from benchmarks._load import _cpu_seconds
from benchmarks._serving import Serving, script, tallystick

PIECES = 100
SOCKETS_OF_AN_ACCOUNT = 10
SLOW = "simulate: slow 110"
TOKEN = re.compile(rb"\b\d{10,}\b")
FOLLOW = "subscription($id: %s!) { answer(id: $id) { offset text status } }"
ASK = (
    "mutation($key: String!) { askAI(input: {messages: {content: "
    '"%s"}, maxOutputTokens: 200, waitSeconds: 0, idempotencyKey: $key}) {'
    " ... on AskAISuccess { answer { id } } ... on Problem { code message } } }"
)
DEMO = "mutation { startDemoSession { ... on SessionStarted { session { accessToken } } } }"


@dataclass(frozen=True, slots=True)
class Round:
    """How late the first and all tokens were, in milliseconds, and what one cost."""

    first_ms: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


Stream = Callable[[int], Coroutine[object, object, list[float]]]
"""One stream to its end; returns how late each of its tokens was, in milliseconds."""


def main() -> None:
    options = argparse.ArgumentParser(description="pieces of answers on their way to subscribers")
    options.add_argument("--reps", type=int, default=3)
    options.add_argument("--streams", type=int, default=16)
    options.add_argument("--open", type=int, default=1_000)
    chosen = options.parse_args()
    with ExitStack() as stack:
        _, provider = stack.enter_context(script("_ticking.py"))
        base_url = f"http://127.0.0.1:{provider}/v1"
        plain_pid, plain_port = stack.enter_context(
            script("_streaming_plain.py", base_url, "subscription")
        )
        bytes_pid, bytes_port = stack.enter_context(
            script("_streaming_plain.py", base_url, "bytes")
        )
        ours = stack.enter_context(tallystick(AI_BASE_URL=base_url, AI_API_KEY="none"))
        tokens = [ours.token(who) for who in ("user", "admin")]
        contestants: dict[str, tuple[Stream, int]] = {
            "provider, directly": (lambda _: _read_events(provider), 0),
            "bytes passed on": (lambda _: _read_events(bytes_port), bytes_pid),
            "strawberry and SDK": (lambda number: _follow_plain(plain_port, number), plain_pid),
            "tallystick": (
                lambda number: _ask_and_follow(ours.port, tokens[number % 2]),
                ours.pid,
            ),
        }
        asyncio.run(_compare(contestants, streams=chosen.streams, reps=chosen.reps))
        ours.verify()
    with tallystick() as alone:
        asyncio.run(_hold_open(alone, chosen.open))


async def _compare(contestants: dict[str, tuple[Stream, int]], *, streams: int, reps: int) -> None:
    rounds: dict[str, list[Round]] = {name: [] for name in contestants}
    for rep in range(reps + 1):
        turn = list(contestants.items())
        for name, (stream, pid) in turn if rep % 2 == 0 else reversed(turn):
            taken = await _round(stream, pid, streams)
            if rep:  # the first time is for warming up
                rounds[name].append(taken)
    medians = {
        name: Round(
            *(
                statistics.median(getattr(each, field) for each in taken)
                for field in ("first_ms", "p50_ms", "p99_ms", "cpu_us")
            )
        )
        for name, taken in rounds.items()
    }
    direct, plain = medians["provider, directly"], medians["strawberry and SDK"]
    print(f"{streams} streams of {PIECES} tokens (goals: CPU ≤ x0.5, first token ≤ +3 ms)")
    for name, taken in medians.items():
        print(
            f"  {name:18} first {taken.first_ms:6.2f} ms ({taken.first_ms - direct.first_ms:+.2f})"
            f"   p50 {taken.p50_ms:6.2f} ms   p99 {taken.p99_ms:6.2f} ms"
            f"   CPU {taken.cpu_us:5.0f} us a token  x{taken.cpu_us / plain.cpu_us:4.2f}"
        )


async def _round(stream: Stream, pid: int, streams: int) -> Round:
    before = _cpu_seconds(pid) if pid else 0.0
    lates = await asyncio.gather(*(stream(number) for number in range(streams)))
    cpu = _cpu_seconds(pid) - before if pid else 0.0
    every = sorted(late for each in lates for late in each)
    if len(every) != streams * PIECES:
        raise RuntimeError(f"{len(every)} of {streams * PIECES} tokens arrived")
    return Round(
        first_ms=statistics.median(each[0] for each in lates),
        p50_ms=statistics.median(every),
        p99_ms=every[int(len(every) * 0.99)],
        cpu_us=cpu / len(every) * 1e6,
    )


def _lates(data: bytes, arrived_at: int) -> list[float]:
    return [(arrived_at - int(sent_at)) / 1e6 for sent_at in TOKEN.findall(data)]


async def _read_events(port: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"model":"m","messages":[],"stream":true}'
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    late: list[float] = []
    while True:
        line = await reader.readline()
        if line.startswith(b"data: {"):
            late += _lates(line, time.monotonic_ns())
        if line.startswith(b"data: [DONE]") or not line:
            writer.close()
            return late


async def _follow_plain(port: int, number: int) -> list[float]:
    async with _socket(port) as connection:
        return await _follow(connection, FOLLOW % "String", str(number), token="")


async def _ask_and_follow(port: int, token: str) -> list[float]:
    async with _socket(port) as connection:
        answer_id = await asyncio.to_thread(_ask, port, token, "Tick.")
        return await _follow(connection, FOLLOW % "ID", answer_id, token=token)


async def _follow(
    connection: ClientConnection, query: str, answer_id: str, *, token: str
) -> list[float]:
    await _begin(connection, query, answer_id, token)
    late: list[float] = []
    while True:
        message = await connection.recv(decode=False)
        if b'"next"' not in message:
            return late
        late += _lates(message, time.monotonic_ns())


async def _begin(connection: ClientConnection, query: str, answer_id: str, token: str) -> None:
    said = {"authorization": f"Bearer {token}"} if token else {}
    await connection.send(orjson.dumps({"type": "connection_init", "payload": said}).decode())
    await connection.recv()
    payload = {"query": query, "variables": {"id": answer_id}}
    message = {"id": "1", "type": "subscribe", "payload": payload}
    await connection.send(orjson.dumps(message).decode())


def _socket(port: int) -> websockets.connect:
    return websockets.connect(
        f"ws://127.0.0.1:{port}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        proxy=None,
    )


def _send(port: int, token: str, query: str, **variables: object) -> dict[str, object]:
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=orjson.dumps({"query": query, "variables": variables}),
        headers={
            "content-type": "application/json",
            **({"authorization": f"Bearer {token}"} if token else {}),
        },
    )
    with urllib.request.urlopen(call, timeout=60) as reply:  # noqa: S310 - the same
        found = orjson.loads(reply.read())
    if not isinstance(found, dict):
        raise TypeError(found)
    return found


def _ask(port: int, token: str, content: str) -> str:
    match _send(port, token, ASK % content, key=os.urandom(8).hex()):
        case {"data": {"askAI": {"answer": {"id": str() as answer_id}}}}:
            return answer_id
        case refused:
            raise RuntimeError(str(refused))


async def _hold_open(ours: Serving, count: int) -> None:
    """Open streams of answers that take their time, and see what memory they take."""
    asked = [_ask_as_newcomer(ours.port) for _ in range(count // SOCKETS_OF_AN_ACCOUNT)]
    await asyncio.sleep(2)
    before = _resident_kib(ours.pid)
    opened: list[ClientConnection] = []
    for token, answer_id in asked * SOCKETS_OF_AN_ACCOUNT:
        connection = await _socket(ours.port)
        await _begin(connection, FOLLOW % "ID", answer_id, token)
        opened.append(connection)
    await asyncio.sleep(3)
    after = _resident_kib(ours.pid)
    await asyncio.sleep(15)
    later = _resident_kib(ours.pid)
    print(
        f"{len(opened)} open streams: {(after - before) / len(opened):.1f} KiB each, "
        f"{(later - after) / len(opened):+.1f} KiB each after 15 s (goal: ≤ 40 KiB, flat)"
    )
    for connection in opened:
        connection.transport.abort()


def _ask_as_newcomer(port: int) -> tuple[str, str]:
    match _send(port, "", DEMO):
        case {"data": {"startDemoSession": {"session": {"accessToken": str() as token}}}}:
            return token, _ask(port, token, SLOW)
        case refused:
            raise RuntimeError(str(refused))


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    main()
