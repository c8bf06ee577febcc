"""Connections as the server sees them: what is written in one turn of the loop is sent together."""

import asyncio
from collections.abc import Iterable
from typing import Final

Bytes = bytes | bytearray | memoryview

GATHERED_BYTES_MAX: Final = 16 * 1024
"""More is sent at once: a writer that never pauses must be told that its reader is slow."""


class GatheringTransport(asyncio.Transport):
    """Sends at the end of a turn of the loop what was written in it, in one piece.

    The head of an answer and its body are written one after the other. Sent apart they are two
    system calls, two packets, and two wake-ups of whoever waits for them.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._written: list[Bytes] = []
        self._size = 0

    def write(self, data: Bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)
        self._size += len(data)
        if self._size > GATHERED_BYTES_MAX:
            self._send()

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def abort(self) -> None:
        self._written, self._size = [], 0
        self._transport.abort()

    def _send(self) -> None:
        written, self._written, self._size = self._written, [], 0
        if written and not self._transport.is_closing():
            self._transport.write(written[0] if len(written) == 1 else b"".join(written))

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + self._size

    # All else is the connection's own.

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)
