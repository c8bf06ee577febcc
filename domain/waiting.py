"""Waiting for something to happen, but not for ever."""

import asyncio
from contextlib import suppress


async def happening(event: asyncio.Event, *, within_seconds: float) -> None:
    """Wait until it happens, or for so long.

    Not by `asyncio.wait_for`: in Python 3.11 that loses a cancellation that comes together with
    the event, and whoever ends a loop by canceling it would wait for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            await event.wait()
