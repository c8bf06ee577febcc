"""kill -9 while streams are on their way: nothing is charged that was not delivered."""

import asyncio
import signal
from decimal import Decimal
from pathlib import Path

import httpx2

from tests.app.asking import Caller
from tests.app.shell import tallystick, up
from tests.gateway.street import MODEL

STREAMS = 12
SETTINGS = {"ASKS_PER_MINUTE": "100000", "LEASE_SECONDS": "2"}


async def test_streams_that_die_with_their_process_are_free(data_dir: Path) -> None:
    with up(data_dir, **SETTINGS) as server:
        token = token_of(data_dir)
        async with httpx2.AsyncClient(
            base_url=f"{server.url}/v1",
            headers={"authorization": f"Bearer {token}"},
            timeout=30,
            limits=httpx2.Limits(),
        ) as http:
            whole = await http.post("/chat/completions", json=asking("What is a ledger?"))
            heard: list[int] = [0] * STREAMS
            streams = [asyncio.create_task(follow(http, heard, n)) for n in range(STREAMS)]
            async with asyncio.timeout(30):
                while min(heard) < 3:  # noqa: ASYNC110 - a plain count
                    await asyncio.sleep(0.05)
            server.end(signal.SIGKILL)
            await asyncio.gather(*streams)

    charged = Decimal(whole.headers["x-tallystick-charged"])
    with up(data_dir, **SETTINGS) as server:
        caller = Caller(server.url, token_of(data_dir))
        async with asyncio.timeout(30):
            while caller.send("{ balance { held } }").text("balance.held") != "0":  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.2)
        balance = caller.send("{ balance { available total } }")
        verified = tallystick("verify", "--data-dir", data_dir)

    assert charged > 0
    assert Decimal(balance.text("balance.total")) == 1000 - charged
    assert Decimal(balance.text("balance.available")) == 1000 - charged
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def follow(http: httpx2.AsyncClient, heard: list[int], number: int) -> None:
    """Read a stream of half a minute for as long as there is somebody to send it."""
    body = {**asking(f"{number}\nsimulate: slow 30"), "stream": True}
    try:
        async with http.stream("POST", "/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                heard[number] += line.startswith("data: ")
    except httpx2.HTTPError:
        return
    raise AssertionError("the stream ended as if it were whole")


def asking(content: str) -> dict[str, object]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 100}


def token_of(data_dir: Path) -> str:
    return tallystick("token", "user@demo.test", "--data-dir", data_dir).stdout.strip()
