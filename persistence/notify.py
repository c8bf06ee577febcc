"""What processes tell each other through the database: a channel and an id, never more.

A notice only says where to look. It may be lost while a connection breaks, so everybody who waits
for one also looks without being told, at least every second.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from secrets import token_hex
from typing import Final

import asyncpg

from domain.waiting import happening
from persistence.pools import CONNECT_SECONDS

LOOK_SECONDS: Final = 1.0
"""The longest anybody may wait for a notice before looking for itself."""

_PROVE_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5
_LOST: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = logging.getLogger(__name__)

Heard = Callable[[str], None]


class Channel(StrEnum):
    """What notices are about; each carries ids only, several separated by spaces."""

    PIECES = "tallystick_pieces"
    """Pieces of these answers were committed."""
    FOLLOWED = "tallystick_followed"
    """Somebody in another process than their runner's follows these answers."""
    QUEUED = "tallystick_queued"
    """These answers wait for a process with room."""
    UNWANTED = "tallystick_unwanted"
    """These answers are to be canceled by their runner."""


class Notices:
    """One connection on which a process hears what others tell, and tells them.

    It is made anew whenever it breaks. It counts as live only while our own words come back to
    us: a pooler in between may take LISTEN and deliver nothing.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._hearers: dict[str, list[Heard]] = defaultdict(list)
        self._connection: asyncpg.Connection | None = None
        self._echo = ""
        self._echoed = asyncio.Event()
        self._speaking = asyncio.Lock()
        self.is_live = False

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Listen in the background until this is left."""
        task = asyncio.create_task(self._listen_for_ever(), name="notices")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def hear(self, channel: str, heard: Heard) -> None:
        """Call this with every payload on a channel, and with an empty one when some were missed.

        To be called before listening begins.
        """
        self._hearers[channel].append(heard)

    async def tell(self, channel: str, payload: str) -> None:
        """Tell every process, this one too; without a connection nobody is told, and all look."""
        if (connection := self._connection) is None or not self.is_live:
            return
        try:
            async with self._speaking:
                await connection.execute("SELECT pg_notify($1, $2)", channel, payload)
        except _LOST as error:
            self._broke(connection, error)

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(
                    self._url,
                    timeout=CONNECT_SECONDS,
                    command_timeout=_PATIENCE_SECONDS,
                    server_settings={"application_name": "tallystick-notices"},
                )
            except _LOST as error:
                self._broke(None, error)
            else:
                try:
                    await self._listen(connection)
                except _LOST as error:
                    self._broke(connection, error)
                finally:
                    self.is_live = False
                    self._connection = None
                    connection.terminate()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen(self, connection: asyncpg.Connection) -> None:
        """Listen as long as our own words come back; raises TimeoutError when they do not."""
        echo_channel = f"tallystick_echo_{token_hex(8)}"
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        for channel in (echo_channel, *self._hearers):
            await connection.add_listener(channel, self._heard)
        self._connection = connection
        while True:
            self._echo, self._echoed = token_hex(8), asyncio.Event()
            async with self._speaking:
                await connection.execute("SELECT pg_notify($1, $2)", echo_channel, self._echo)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._echoed.wait()
            if not self.is_live:
                self.is_live = True
                for channel in self._hearers:
                    self._call(channel, "")
            await happening(lost, within_seconds=_PROVE_SECONDS)
            if lost.is_set():
                raise ConnectionResetError

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        if channel in self._hearers:
            self._call(channel, str(payload))
        elif payload == self._echo:
            self._echoed.set()

    def _call(self, channel: str, payload: str) -> None:
        for heard in self._hearers[channel]:
            heard(payload)

    def _broke(self, connection: asyncpg.Connection | None, error: BaseException) -> None:
        if self.is_live or connection is None:
            _log.warning("notices_lost", extra={"cause": type(error).__name__})
        self.is_live = False
        if connection is not None:
            connection.terminate()
