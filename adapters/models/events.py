"""Server-sent events, split as they arrive; only their data is of use here."""

from typing import Final

from adapters.models.faults import TooLargeError

EVENT_BYTES_MAX: Final = 1024 * 1024
"""A chunk of an answer has some hundred bytes."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Events:
    """Splits a body into the data of its events, whatever pieces it comes in."""

    __slots__ = ("_data", "_is_first", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        """The beginning of a line whose end has not come."""
        self._data: list[bytes] = []
        """Lines of data of an event whose end has not come."""
        self._is_first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that ends in this piece. Raises TooLargeError."""
        if self._is_first:
            self._is_first = False
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        if not self._rest and not self._data and (events := _plain_events(piece)) is not None:
            return events
        end = piece.rfind(b"\n") + 1
        if not end:
            self._rest += piece
            self._bound()
            return []
        if self._rest:
            self._rest += piece[:end]
            lines = bytes(self._rest).splitlines()
            self._rest.clear()
        else:
            lines = piece[:end].splitlines()
        self._rest += piece[end:]
        events = self._events(lines)
        self._bound()
        return events

    def close(self) -> list[bytes]:
        """The data of the last event, of a body that ended without the blank line after it."""
        lines = [*bytes(self._rest).splitlines(), b""]
        self._rest.clear()
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[bytes]:
        data, events = self._data, []
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
        return events

    def _bound(self) -> None:
        if len(self._rest) + sum(map(len, self._data)) > EVENT_BYTES_MAX:
            raise TooLargeError


def _plain_events(piece: bytes) -> list[bytes] | None:
    """The data of a piece that is nothing but whole events of one line each, as most are."""
    if not piece.endswith(b"\n\n") or b"\r" in piece:
        return None
    events = []
    for event in piece[:-2].split(b"\n\n"):
        if not event.startswith(b"data: ") or b"\n" in event:
            return None
        events.append(event[6:])
    return events
