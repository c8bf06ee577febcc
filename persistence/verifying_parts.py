"""What rules are made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A promise, and the query that finds every row breaking it; `given` are its $2 and on."""

    promise: str
    query: str
    given: tuple[object, ...] = ()
