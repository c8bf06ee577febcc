"""Callers that keep a connection each and ask again as soon as they are answered.

They write and read bytes, so that on a small machine the callers are not what is measured.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Answers per second over all callers, and the latencies of one call in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the serving process, per call."""


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST of JSON over HTTP/1.1, as bytes."""
    lines = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def drive(
    port: int,
    make: Callable[[], bytes],
    *,
    callers: int,
    seconds: float,
    pids: list[int],
    mark: bytes = b'"text"',
) -> Load:
    """Ask for a while; every answer must be a 200 that has the mark in it."""
    latencies: list[float] = []
    cpu_before = sum(map(_cpu_seconds, pids))
    began = time.perf_counter()
    stop_at = began + seconds

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent_at := time.perf_counter()) < stop_at:
            writer.write(make())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200") or mark not in body:
                raise RuntimeError(f"a call failed: {head[:20]!r} {body[:300]!r}")
            latencies.append(time.perf_counter() - sent_at)
        writer.close()

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - began
    latencies.sort()
    return Load(
        per_second=len(latencies) / elapsed,
        p50_ms=statistics.median(latencies) * 1e3,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1e3,
        cpu_us=(sum(map(_cpu_seconds, pids)) - cpu_before) / len(latencies) * 1e6,
    )


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """Chunks per second over all streams, and what one costs the serving process."""

    per_second: float
    cpu_us: float


async def drive_streams(
    port: int, make: Callable[[], bytes], *, streams: int, chunks: int, pids: list[int]
) -> StreamLoad:
    """Read streams of so many chunks side by side, each to its end."""
    cpu_before = sum(map(_cpu_seconds, pids))
    began = time.perf_counter()

    async def stream() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        writer.write(make())
        seen, rest = 0, b""
        while b"[DONE]" not in rest:
            piece = await reader.read(2**18)
            if not piece:
                raise RuntimeError(f"a stream broke off: {rest[-300:]!r}")
            seen += piece.count(b'"word "')
            rest = (rest + piece)[-400:]
        writer.close()
        if seen < chunks * 0.98:  # some are cut in two by the pieces they are read in
            raise RuntimeError(f"{seen} of {chunks} chunks")

    await asyncio.gather(*(stream() for _ in range(streams)))
    elapsed = time.perf_counter() - began
    count = streams * chunks
    return StreamLoad(count / elapsed, (sum(map(_cpu_seconds, pids)) - cpu_before) / count * 1e6)


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - read often
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
