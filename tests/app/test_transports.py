"""What is written in one turn of the loop leaves in one piece, in its order, and never too late."""

import asyncio

from app.transports import GATHERED_BYTES_MAX, GatheringTransport


class Wire(asyncio.Transport):
    """The connection itself, and what was handed to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_over
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def is_closing(self) -> bool:
        return self.is_over

    def get_write_buffer_size(self) -> int:
        return 0


def _gathering() -> tuple[Wire, GatheringTransport]:
    wire = Wire()
    return wire, GatheringTransport(wire, asyncio.get_running_loop())


async def test_a_head_and_its_body_are_sent_together() -> None:
    wire, transport = _gathering()

    transport.write(b"head ")
    transport.write(bytearray(b"body"))
    assert (wire.sent, transport.get_write_buffer_size()) == ([], 9)
    await asyncio.sleep(0)
    transport.writelines([b"next", memoryview(b" one")])
    await asyncio.sleep(0)

    assert wire.sent == [b"head body", b"next one"]
    assert transport.get_write_buffer_size() == 0


async def test_who_writes_without_a_pause_meets_the_slowness_of_the_reader() -> None:
    wire, transport = _gathering()

    transport.write(b"x" * GATHERED_BYTES_MAX)
    transport.write(b"y")

    assert [len(piece) for piece in wire.sent] == [GATHERED_BYTES_MAX + 1]


async def test_what_was_written_is_sent_before_the_connection_closes() -> None:
    wire, transport = _gathering()

    transport.write(b"the last words")
    transport.close()
    await asyncio.sleep(0)

    assert (wire.sent, transport.is_closing()) == ([b"the last words"], True)


async def test_nothing_is_sent_once_the_connection_is_given_up() -> None:
    wire, transport = _gathering()

    transport.write(b"lost")
    transport.abort()
    await asyncio.sleep(0)

    assert wire.sent == []


async def test_nothing_is_written_to_a_connection_that_ended_meanwhile() -> None:
    wire, transport = _gathering()

    transport.write(b"nobody reads this")
    wire.close()
    await asyncio.sleep(0)

    assert wire.sent == []
