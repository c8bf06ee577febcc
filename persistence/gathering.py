"""Look-ups that every request needs, as many by one query as are waiting for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import asyncpg

from domain.errors import TallystickError

Name = TypeVar("Name")
Item = TypeVar("Item")


@dataclass(slots=True)
class Gathering(Generic[Name, Item]):
    """Finds things by name, by a query for many.

    Nothing is remembered: each answer was read from the database after it was asked for. While one
    query is on its way, those who ask gather for the next; a lone caller waits for nobody.
    """

    look_up: Callable[[list[Name]], Awaitable[Mapping[Name, Item]]]
    _waiting: "dict[Name, asyncio.Future[Item | None]]" = field(default_factory=dict)
    _asking: "asyncio.Task[None] | None" = None

    async def find(self, name: Name) -> Item | None:
        """What has this name, or None when nothing has. Raises what the query raises."""
        found = self._waiting.get(name)
        if found is None:
            found = asyncio.get_running_loop().create_future()
            self._waiting[name] = found
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="look-ups")
        # Several may wait for one answer, so a caller who leaves must not take it along.
        return await asyncio.shield(found)

    async def _ask(self) -> None:
        try:
            await asyncio.sleep(0)  # whoever asks in this turn of the loop comes along
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                try:
                    found = await self.look_up(list(batch))
                except (TallystickError, asyncpg.PostgresError) as error:
                    for waiting in batch.values():
                        waiting.set_exception(error)
                        waiting.exception()  # somebody has seen it, even if the caller has left
                else:
                    for name, waiting in batch.items():
                        waiting.set_result(found.get(name))
        finally:
            self._asking = None
