"""What is found out about a request on its way, for those at its beginning who count it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from domain.tracing import note

NONE: Final = "none"
_NAME_LENGTH_MAX: Final = 100


@dataclass(slots=True)
class Noted:
    """What a request turned out to ask."""

    operation: str = NONE
    """The kind of its GraphQL operation, if it has one."""


NOTED: Final[ContextVar[Noted | None]] = ContextVar("noted", default=None)


def note_operation(kind: str, name: str | None) -> None:
    """Tell whoever began this request which operation it asks."""
    if (noted := NOTED.get()) is not None:
        noted.operation = kind
    told = {"graphql.operation.type": kind}
    note(told if name is None else {**told, "graphql.operation.name": name[:_NAME_LENGTH_MAX]})
