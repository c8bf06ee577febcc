"""Which way of calling a provider is the fastest, and what ours costs.

One process asks, another answers (the simulated provider on a port of this machine); 16 calls
are in progress at a time, and the ways take turns. Counted is the CPU time of the asking process,
which a busy machine disturbs less than the clock. The last column is times as cheap as what a
plain program does: `chat.completions.create` of the openai SDK on its aiohttp backend.

On two shared cores (AMD EPYC, Python 3.11, openai 3.52, aiohttp 3.14, httpx2 2.16):

    httpx2, chat.completions.create                      1207 us   x0.83
    httpx2, client.post unread                            783 us   x1.28
    aiohttp, chat.completions.create                     1000 us   x1.00
    aiohttp, with_raw_response                            774 us   x1.29
    aiohttp, with_streaming_response                      772 us   x1.29
    aiohttp, client.post unread                           463 us   x2.16
    ours: aiohttp, client.post unread, bounded, timed     474 us   x2.11
    aiohttp alone, no SDK                                  75 us   x13.37
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import httpx2
import orjson
import uvloop
from openai import AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.routes import Route
from benchmarks._ports import free_port, wait_until_served
from domain.outside import ModelCall
from domain.questions import Message, MessageRole
from domain.units import AccountId, HoldId, Moment, PurseId

CALLERS: Final = 16
CALLS_EACH: Final = 40
ROUNDS: Final = 5
REFERENCE: Final = "aiohttp, chat.completions.create"
OURS: Final = "ours: aiohttp, client.post unread, bounded, timed"
UNREAD: Final[bool] = True
PROMPT: Final = "How do I keep a ledger in which nothing is ever lost?"
BODY: Final = orjson.dumps(
    {
        "model": "simulated",
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 100,
    }
)

Way = Callable[[], Awaitable[object]]


def created(client: AsyncOpenAI) -> Way:
    async def call() -> str | None:
        completion = await client.chat.completions.create(
            model="simulated", messages=[{"role": "user", "content": PROMPT}], max_tokens=100
        )
        return completion.choices[0].message.content

    return call


def created_raw(client: AsyncOpenAI) -> Way:
    async def call() -> object:
        response = await client.chat.completions.with_raw_response.create(
            model="simulated", messages=[{"role": "user", "content": PROMPT}], max_tokens=100
        )
        return orjson.loads(response.content)["choices"][0]["message"]["content"]

    return call


def created_streaming(client: AsyncOpenAI) -> Way:
    async def call() -> object:
        async with client.chat.completions.with_streaming_response.create(
            model="simulated", messages=[{"role": "user", "content": PROMPT}], max_tokens=100
        ) as response:
            body = b"".join([piece async for piece in response.iter_bytes()])
        return orjson.loads(body)["choices"][0]["message"]["content"]

    return call


def posted(client: AsyncOpenAI) -> Way:
    async def call() -> object:
        response = await client.post(
            "/chat/completions",
            content=BODY,
            cast_to=httpx2.Response,
            stream=UNREAD,
            stream_cls=AsyncStream[bytes],
        )
        assert isinstance(response, httpx2.Response)
        return orjson.loads(await response.aread())["choices"][0]["message"]["content"]

    return call


def without_sdk(session: aiohttp.ClientSession, base_url: str) -> Way:
    headers = {"authorization": "Bearer none", "content-type": "application/json"}

    async def call() -> object:
        url = f"{base_url}/chat/completions"
        async with session.post(url, data=BODY, headers=headers) as response:
            return orjson.loads(await response.read())["choices"][0]["message"]["content"]

    return call


def unheard(text: str) -> None:
    """Nobody reads along."""


def ours(provider: OpenAICompatible) -> Way:
    question = ModelCall(
        hold=HoldId(PurseId(AccountId(1)), Moment(1)),
        upstream_name="simulated",
        messages=(Message(MessageRole.USER, PROMPT),),
        answer_tokens_max=100,
        deadline_seconds=30.0,
    )

    async def call() -> str:
        return (await provider.complete(question, unheard)).text

    return call


async def cpu_microseconds_a_call(way: Way) -> float:
    async def caller() -> None:
        for _ in range(CALLS_EACH):
            await way()

    started = time.process_time()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return (time.process_time() - started) * 1e6 / (CALLERS * CALLS_EACH)


async def measure(base_url: str) -> dict[str, float]:
    """The median CPU time of a call, in microseconds, for each way."""
    provider = OpenAICompatible.over_network(Route(name="bench", base_url=base_url, api_key="k"))
    on_httpx2 = AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0)
    on_aiohttp = AsyncOpenAI(
        api_key="k", base_url=base_url, max_retries=0, http_client=DefaultAioHttpClient()
    )
    async with aiohttp.ClientSession() as session, on_httpx2, on_aiohttp:
        ways = {
            "httpx2, chat.completions.create": created(on_httpx2),
            "httpx2, client.post unread": posted(on_httpx2),
            REFERENCE: created(on_aiohttp),
            "aiohttp, with_raw_response": created_raw(on_aiohttp),
            "aiohttp, with_streaming_response": created_streaming(on_aiohttp),
            "aiohttp, client.post unread": posted(on_aiohttp),
            OURS: ours(provider),
            "aiohttp alone, no SDK": without_sdk(session, base_url),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS + 1):
            for name, way in ways.items():
                times[name].append(await cpu_microseconds_a_call(way))
    await provider.aclose()
    # The first round warms up.
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main() -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "adapters.models.loopback", str(port)]
    ) as upstream:
        try:
            wait_until_served(port)
            times = uvloop.run(measure(f"http://127.0.0.1:{port}/v1"))
        finally:
            upstream.terminate()
    for name, microseconds in times.items():
        print(f"{name:50} {microseconds:6.0f} us   x{times[REFERENCE] / microseconds:.2f}")
    assert times[OURS] < times[REFERENCE], "our way has become dearer than the plain one"


if __name__ == "__main__":
    main()
