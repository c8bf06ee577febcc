"""Figures of a range, and the state of the machinery."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.measuring import Figure, Figures, Health
from domain.reporting import Reader, Span
from resolvers.context import Context


@dataclass(frozen=True, slots=True)
class MetricsAsked:
    """Figures that can be read on an administrator's behalf."""

    context: Context
    reader: Reader
    span: Span

    async def figures(self, wanted: Collection[Figure]) -> Figures:
        return await self.context.services.measures.figures(self.reader, self.span, wanted)

    async def health(self) -> Health:
        return await self.context.services.measures.health(self.reader)


def of_range(context: Context, span: Span) -> MetricsAsked:
    """Of a range that has been looked at already; raises Unauthenticated or Forbidden."""
    return MetricsAsked(context, context.admin_reader(), span)
