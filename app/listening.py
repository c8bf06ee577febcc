"""The socket and the server on it, ended by the process's signals."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from types import FrameType
from typing import Final

import uvicorn

from domain.errors import TallystickError

_BACKLOG: Final = 2_048
_LOOK_SECONDS: Final = 0.1


class CannotListen(TallystickError):
    """The address cannot be listened on; says which and why."""


@contextmanager
def listening(
    host: str, port: int, *, setting: str = "PORT=", of_host: str = "--host"
) -> Iterator[socket.socket]:
    """A socket that is ours alone from now on; early callers wait on it.

    Raises CannotListen, which says by which setting to choose another.
    """
    told = partial(_told, host, port, setting=setting, of_host=of_host)
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        # Only a socket that names its protocol is spared the 40 ms of Nagle's algorithm.
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise CannotListen(told(error)) from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise CannotListen(told(error)) from error
        yield listener


def _told(host: str, port: int, error: Exception, *, setting: str, of_host: str) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return (
                f"Port {port} on {host} is in use, perhaps by another Tallystick. "
                f"Stop what uses it, or choose another: {setting}{port + 1}"
            )
        case OSError(errno=errno.EACCES):
            return f"Port {port} may not be used by this user. Choose one above 1023: {setting}8000"
        case OSError(errno=int() as number) if number > 0:
            return f"{host}:{port} cannot be listened on: {os.strerror(number)}."
        case _:
            return f"{host} is no address of this machine. Choose another by {of_host}."


def address_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - told apart, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn's server, which tells when it begins and ends and leaves the process to its owner.

    The first SIGINT or SIGTERM ends it gracefully, a second one at once. For `delay_seconds` after
    the first it goes on as before, so that whoever sends requests here can hear that it leaves.
    Afterwards uvicorn would raise the signal again, and so cut short what the owner still has to
    put in order.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        when_ready: Callable[[], None],
        when_told_to_stop: Callable[[], None],
        when_stopping: Callable[[], None],
        delay_seconds: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._when_told_to_stop = when_told_to_stop
        self._when_stopping = when_stopping
        self._delay_seconds = delay_seconds
        self.ends_at = 0.0
        """When the time for ending gracefully is over, on the monotonic clock."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._when_told_to_stop()
        until = monotonic() + self._delay_seconds
        while monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - a signal sets it
            await asyncio.sleep(_LOOK_SECONDS)
        self.ends_at = monotonic() + (self.config.timeout_graceful_shutdown or 0)
        self._when_stopping()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True
