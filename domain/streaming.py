"""The text of an answer while it arrives: whoever runs the answer adds to it, others read along."""

import asyncio
from bisect import bisect_right
from typing import Final

from domain.answers import Answer

PART_CHARACTERS_MAX: Final = 16_384
"""No read returns more than this, so that a slow reader of a long text takes it in portions."""

_HEARD_MAX: Final = 256
_SMALL_PARTS_MAX: Final = 256
_LOW_SURROGATES: Final = range(0xDC, 0xE0)
"""The first byte of a unit that is the second half of a character."""


class Transcript:
    """The text of one answer as far as it has come, for any number of readers.

    Each reader knows how far it has read, counted in UTF-16 units as JavaScript counts the length
    of a string, and reads on from there; nothing is kept for it, so a slow one costs no memory but
    the text's own. Pieces that arrive while nobody reads are joined into one.
    """

    __slots__ = ("_ends", "_full", "_heard", "_parts", "_waiting", "end", "is_closed")

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._parts: list[str] = []
        self._ends: list[int] = []
        """Where each part ends, in UTF-16 units."""
        self._full = 0
        """How many of the parts are so large that no others are added to them."""
        self._waiting: list[asyncio.Future[None]] = []
        self.is_closed = False
        self.end: Answer | None = None
        """The finished answer. None until then, and for good if its end could not be booked."""

    def append(self, text: str) -> None:
        """Add what has just arrived; called for every token, so it does next to nothing."""
        self._heard.append(text)
        if self._waiting:
            self._wake()
        elif len(self._heard) >= _HEARD_MAX:
            self._join()

    def close(self, end: Answer | None) -> None:
        """Nothing follows; the first call counts. Readers learn how the answer ended."""
        if not self.is_closed:
            self.is_closed = True
            self.end = end
            self._wake()

    @property
    def length(self) -> int:
        """How much has arrived, in UTF-16 units."""
        self._join()
        return self._ends[-1] if self._ends else 0

    def read(self, offset: int) -> tuple[int, str]:
        """What has arrived after an offset, or the first portion of it, and where that begins.

        It begins before the offset only where the offset lies within a character.
        """
        self._join()
        place = bisect_right(self._ends, offset)
        if place == len(self._parts):
            return offset, ""
        part = self._parts[place]
        skipped = offset - (self._ends[place - 1] if place else 0)
        return (offset, part) if skipped == 0 else _cut(part, skipped, offset)

    async def more(self, offset: int) -> None:
        """Return as soon as there is something after an offset, or nothing will be any more."""
        while not self.is_closed and self.length <= offset:
            news = asyncio.get_running_loop().create_future()
            self._waiting.append(news)
            try:
                await news
            finally:
                if not news.done() or news.cancelled():
                    self._forget(news)

    def _forget(self, news: "asyncio.Future[None]") -> None:
        if news in self._waiting:
            self._waiting.remove(news)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)

    def _join(self) -> None:
        """Make one part of all that has arrived since the last time."""
        if not self._heard:
            return
        text = storable("".join(self._heard))
        self._heard.clear()
        for begin in range(0, len(text), PART_CHARACTERS_MAX):
            part = text[begin : begin + PART_CHARACTERS_MAX]
            self._ends.append((self._ends[-1] if self._ends else 0) + utf16_length(part))
            self._parts.append(part)
        if len(self._parts) - self._full > _SMALL_PARTS_MAX:
            self._gather()

    def _gather(self) -> None:
        """Make large parts of many small ones, each of which costs more than its text."""
        parts: list[str] = []
        ends: list[int] = []
        gathered: list[str] = []
        characters = 0
        for part, end in zip(self._parts[self._full :], self._ends[self._full :], strict=True):
            if gathered and characters + len(part) > PART_CHARACTERS_MAX:
                parts.append("".join(gathered))
                ends.append(end - utf16_length(part))
                gathered, characters = [], 0
            gathered.append(part)
            characters += len(part)
        self._parts[self._full :] = [*parts, "".join(gathered)]
        self._ends[self._full :] = [*ends, self._ends[-1]]
        self._full = len(self._parts) - 1


def storable(text: str) -> str:
    """What PostgreSQL cannot keep in a text, replaced, unit by unit: the length stays the same."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def utf16_length(text: str) -> int:
    """The length as JavaScript counts it: two for every character outside the basic plane."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le")) // 2


def _cut(part: str, skipped: int, offset: int) -> tuple[int, str]:
    """A part without its first units; a character of which one half is skipped stays whole."""
    if part.isascii():
        return offset, part[skipped:]
    units = part.encode("utf-16-le")
    if units[2 * skipped + 1] in _LOW_SURROGATES:
        skipped, offset = skipped - 1, offset - 1
    return offset, units[2 * skipped :].decode("utf-16-le")
