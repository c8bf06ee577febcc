"""Whoever waits stops when told to, whatever happens at the same moment."""

import asyncio

import pytest

from domain.waiting import happening

LONG = 60.0


async def test_waiting_ends_when_it_happens() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(happening(event, within_seconds=LONG))
    await asyncio.sleep(0)
    event.set()

    await asyncio.wait_for(waiting, 5)


async def test_waiting_ends_when_it_does_not_happen() -> None:
    await asyncio.wait_for(happening(asyncio.Event(), within_seconds=0.01), 5)


async def test_a_loop_that_is_canceled_as_it_happens_ends() -> None:
    event = asyncio.Event()

    async def go_on() -> None:
        while True:
            await happening(event, within_seconds=LONG)
            event.clear()

    going = asyncio.create_task(go_on())
    await asyncio.sleep(0.01)
    event.set()
    going.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(going, 1)
