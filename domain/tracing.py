"""Stretches of work, told to whoever collects them; to nobody, and for nothing, unless wanted.

What a span says is what a log line may say: kinds, names and numbers; nobody's words, no secrets.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Final, ParamSpec, Protocol, TypeAlias, TypeVar

Given = ParamSpec("Given")
Done = TypeVar("Done")
Told = Mapping[str, str | int | float | bool]
Work: TypeAlias = Coroutine[object, object, Done]


class Tracing(Protocol):
    """Where spans go. They nest as the calls do, in tasks begun meanwhile too."""

    def span(self, name: str, told: Told) -> AbstractContextManager[None]:
        """A part of what is going on; one that raises is told as failed, by the kind of error."""
        ...

    def request(
        self, name: str, told: Told, *, traceparent: str | None
    ) -> AbstractContextManager[None]:
        """Work for somebody else, who may be tracing it too."""
        ...

    def shared(
        self, name: str, told: Told, *, of: Sequence[object | None]
    ) -> AbstractContextManager[None]:
        """Work for several at once, each given by where it stood then."""
        ...

    def note(self, told: Told, *, name: str | None = None) -> None:
        """Say more of the innermost span, or give it another name."""
        ...

    def here(self) -> object | None:
        """Where this stands, for work that is done elsewhere."""
        ...

    def ids(self) -> Mapping[str, str]:
        """What the innermost span is called, for log lines."""
        ...


TRACING: Final[ContextVar[Tracing | None]] = ContextVar("tracing", default=None)
"""Whoever collects, in everything that runs on behalf of a process that is traced."""

UNTRACED: Final[AbstractContextManager[None]] = nullcontext()


def span(name: str, told: Told) -> AbstractContextManager[None]:
    """A part of what is going on, if anybody wants to know."""
    tracing = TRACING.get()
    return UNTRACED if tracing is None else tracing.span(name, told)


def within(
    name: str, work: Callable[Given, Work[Done]], *args: Given.args, **named: Given.kwargs
) -> Work[Done]:
    """Do a part of what is going on; untraced it is the work itself, with nothing around it."""
    if TRACING.get() is None:
        return work(*args, **named)
    return _spanned(name, work(*args, **named))


async def _spanned(name: str, work: Work[Done]) -> Done:
    with span(name, {}):
        return await work


def note(told: Told) -> None:
    """Say more of the innermost span, if anybody wants to know."""
    if (tracing := TRACING.get()) is not None:
        tracing.note(told)
