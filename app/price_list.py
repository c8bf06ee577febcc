"""The price book as this deployment can keep it: without models that nobody here answers for."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.pricing import Model
from persistence.books import PostgresBooks


@dataclass(frozen=True)
class AskableBooks(PostgresBooks):
    """The books, whose list of enabled models is of those that can be asked here."""

    serves: Callable[[str], bool]
    """Whether some provider of this deployment answers for an upstream name."""

    async def models(self, *, enabled_only: bool) -> list[Model]:
        found = await super().models(enabled_only=enabled_only)
        return [model for model in found if not enabled_only or self.serves(model.upstream_name)]
