"""The price book as this process knows it, read again at most once a second.

A price set in another process holds here a second later at the latest; the charge of every answer
is computed from the price its hold was computed from, whatever happens in between.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol

from domain.pricing import Model
from domain.units import ModelId

FRESH_SECONDS: Final = 1.0


class Listing(Protocol):
    """Where the price book is kept."""

    async def models(self, *, enabled_only: bool) -> list[Model]: ...


@dataclass(slots=True, kw_only=True)
class FreshPrices:
    """Models that are enabled and served here, at most a second old."""

    listing: Listing
    serves: Callable[[str], bool]
    """Whether some provider of this deployment answers for an upstream name."""

    clock: Callable[[], float] = monotonic
    _models: dict[ModelId | None, Model] = field(default_factory=dict)
    _fresh_until: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, model_id: ModelId | None) -> Model | None:
        """A model by its id, or the default one; None when it cannot be asked here."""
        if self.clock() >= self._fresh_until:
            async with self._reading:
                if self.clock() >= self._fresh_until:
                    await self._read()
        return self._models.get(model_id)

    def forget(self) -> None:
        """Read again before the next question: the price book was changed in this process."""
        self._fresh_until = float("-inf")

    async def _read(self) -> None:
        began = self.clock()
        served = [
            m for m in await self.listing.models(enabled_only=True) if self.serves(m.upstream_name)
        ]
        models: dict[ModelId | None, Model] = {model.id: model for model in served}
        default = next((m for m in served if m.is_default), served[0] if served else None)
        if default is not None:
            models[None] = default
        self._models = models
        self._fresh_until = began + FRESH_SECONDS
