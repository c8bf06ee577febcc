"""Numbers of several processes behind one socket, added up by whichever of them is scraped.

Every process writes its numbers down each second, in a file of its place. One that takes a dead
one's place begins with what that one had counted, so that counters never go back.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from app.metrics.families import Reading, added, lasting

WRITTEN_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """What a process wrote down."""

    pid: int
    series: list[tuple[str, list[str], list[float]]]


_WRITTEN: Final = TypeAdapter(Written)


@dataclass(slots=True, kw_only=True)
class Shared:
    """The numbers of this process, and of those beside it."""

    read: Callable[[], Reading]
    """What this process has counted."""
    folder: Path | None = None
    """Where the processes of one server write; None if this is the only one."""
    place: int = 0
    _before: Reading = field(default_factory=dict)
    """What was counted in this place before this process began."""

    def total(self) -> Reading:
        """The numbers of all; of those that are gone, what lasts.

        What has been told is written down before: a counter never falls, whoever dies next.
        """
        self._keep()
        own = added([self._before, self.read()])
        return added([own, *self._others()])

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Write this process's numbers down until this is left."""
        if self.folder is None:
            yield
            return
        found = _found(self._file(self.folder))
        self._before = {} if found is None else lasting(_reading(found))
        task = asyncio.create_task(self._write_for_ever(), name="numbers")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._keep()

    async def _write_for_ever(self) -> None:
        while True:
            self._keep()
            await asyncio.sleep(WRITTEN_EVERY_SECONDS)

    def _keep(self) -> None:
        if self.folder is not None:
            with suppress(OSError):  # a full disk costs numbers, not answers
                self._write(self.folder)

    def _write(self, folder: Path) -> None:
        series = [
            (name, labels, numbers)
            for name, found in added([self._before, self.read()]).items()
            for labels, numbers in found.items()
        ]
        file = self._file(folder)
        draft = file.with_suffix(".draft")
        draft.write_bytes(orjson.dumps({"pid": os.getpid(), "series": series}))
        draft.rename(file)

    def _file(self, folder: Path) -> Path:
        return folder / f"{self.place}.json"

    def _others(self) -> Iterator[Reading]:
        if self.folder is None:
            return
        for file in sorted(self.folder.glob("*.json")):
            written = None if file == self._file(self.folder) else _found(file)
            if written is not None:
                reading = _reading(written)
                yield reading if _lives(written.pid) else lasting(reading)


def _found(file: Path) -> Written | None:
    try:
        return _WRITTEN.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _reading(written: Written) -> Reading:
    found: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for name, labels, numbers in written.series:
        found.setdefault(name, {})[tuple(labels)] = numbers
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
