"""Watching things change: each has a version that grows, and whoever watches is told when it has.

All that is watched of one kind is looked at by one query a look, and nothing at all while nobody
watches. Changes cost their makers nothing, whoever and wherever they are.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from domain.errors import Problem
from domain.waiting import happening

LOOK_SECONDS: Final = 0.5

Key = TypeVar("Key")
AnyKey_contra = TypeVar("AnyKey_contra", contravariant=True)

_log = logging.getLogger(__name__)


class Versions(Protocol[AnyKey_contra]):
    """Where versions are kept."""

    async def versions(self, keys: Sequence[AnyKey_contra]) -> Sequence[int | None]:
        """The version of each, None for what does not exist."""
        ...


@dataclass(slots=True)
class Watch:
    """One thing that is watched, by any number of watchers."""

    version: int | None = None
    watchers: int = 0
    stopped: Callable[[], Problem] | None = None
    """What watchers are told instead of news, once nothing is watched here any more."""
    _waiting: list["asyncio.Future[None]"] = field(default_factory=list)

    async def beyond(self, version: int) -> int:
        """The next version after one that is known, as soon as it is seen."""
        while self.version is None or self.version <= version:
            if self.stopped is not None:
                raise self.stopped()
            news = asyncio.get_running_loop().create_future()
            self._waiting.append(news)
            await news
        return self.version

    def see(self, version: int) -> None:
        """Take note of the version there is now."""
        if self.version is None or version > self.version:
            self.version = version
            self._wake()

    def stop(self, told: Callable[[], Problem]) -> None:
        """Send the watchers away."""
        self.stopped = told
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)


@dataclass(slots=True, kw_only=True)
class Watching(Generic[Key]):
    """Everything of one kind that is watched in this process."""

    versions: Versions[Key]
    look_seconds: float = LOOK_SECONDS
    _stopped: Callable[[], Problem] | None = None
    _watches: dict[Key, Watch] = field(default_factory=dict)
    _call: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: "asyncio.Task[None] | None" = None

    @contextmanager
    def watch(self, key: Key) -> Iterator[Watch]:
        """Watch something until this is left."""
        watch = self._watches.setdefault(key, Watch(stopped=self._stopped))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever(), name="watching")
        watch.watchers += 1
        try:
            yield watch
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                del self._watches[key]
            if not self._watches and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def stop(self, told: Callable[[], Problem]) -> None:
        """Watch nothing any more: watchers, also those to come, are told this and go elsewhere."""
        self._stopped = told
        for watch in self._watches.values():
            watch.stop(told)

    def hear(self) -> None:
        """Something may have changed: look at once."""
        self._call.set()

    async def _look_for_ever(self) -> None:
        while True:
            self._call.clear()
            keys = list(self._watches)
            try:
                seen = await self.versions.versions(keys)
            except Problem as problem:
                _log.warning("changes_not_seen", extra={"cause": type(problem).__name__})
            except Exception:  # noqa: BLE001 - the edge: watchers wait for whoever looks for them
                _log.exception("changes_not_seen")
            else:
                self._see(dict(zip(keys, seen, strict=True)))
            await happening(self._call, within_seconds=self.look_seconds)

    def _see(self, seen: Mapping[Key, int | None]) -> None:
        for key, version in seen.items():
            if version is not None and (watch := self._watches.get(key)) is not None:
                watch.see(version)
