"""The line to a caller of /v1: who stops reading has left, and holds nobody up."""

import asyncio

from starlette.types import Message

from app.gateway.replying import Line
from domain.passed_calls import Door
from domain.units import AccountId, AnswerId, Moment, PurseId


class Caller:
    """Takes so many messages, and then no more."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[Message] = []

    async def send(self, message: Message) -> None:
        if len(self.taken) >= self.takes:
            await asyncio.Event().wait()
        self.taken.append(message)

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody hangs up")


def line_to(caller: Caller) -> Line:
    line = Line(Door.CHAT, caller.receive, caller.send, stalled_seconds=0.1)
    line.accepted(AnswerId(PurseId(AccountId(1)), Moment(1)))
    return line


async def test_who_stops_reading_has_left() -> None:
    line = line_to(Caller(takes=3))
    gone = asyncio.create_task(line.gone())
    await asyncio.sleep(0)
    await line.deliver(b"one")
    await line.deliver(b"two")
    stuck = asyncio.create_task(line.deliver(b"three"))

    await asyncio.wait({gone}, timeout=5)

    assert gone.cancelled()
    assert line.has_left
    assert not stuck.done()
    stuck.cancel()


async def test_who_reads_slowly_has_not_left() -> None:
    caller = Caller(takes=100)
    line = line_to(caller)
    gone = asyncio.create_task(line.gone())
    await asyncio.sleep(0)
    for _ in range(5):
        await line.deliver(b"piece")
        await asyncio.sleep(0.06)

    assert not gone.done()
    assert not line.has_left
    gone.cancel()


async def test_a_run_that_outlives_its_caller_is_not_held_up_by_it() -> None:
    caller = Caller(takes=2)
    line = line_to(caller)

    for _ in range(5):
        await line.deliver(b"piece")

    assert line.has_left
    assert len(caller.taken) == 2
