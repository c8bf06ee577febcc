"""What an answer that is passed on says: its text, and whatever else its model has written.

A provider that reports no usage is paid by these words. What is no model's writing is none of them:
ids, the bytes of images, and what tools have answered.
"""

from collections.abc import Iterator, Mapping
from typing import Final

_WRITTEN: Final = frozenset(
    {
        "message",
        "content",
        "text",
        "thinking",
        "summary",
        "refusal",
        "tool_calls",
        "function_call",
        "function",
        "custom",
        "name",
        "arguments",
        "input",
        "code",
        "action",
        "query",
        "queries",
    }
)
_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details")
"""One thought under the names that providers have for it; some tell it under several at once."""


def words_of(said: object) -> Iterator[str]:
    """All that was written, in its order, however deep it lies."""
    unread = [said]
    while unread:
        match unread.pop():
            case str(words):
                yield words
            case list(parts):
                unread += reversed(parts)
            case dict(fields):
                unread += reversed(_written(fields))
            case _:
                pass


def _written(fields: Mapping[str, object]) -> list[object]:
    thoughts = [thought for name in _REASONING if (thought := fields.get(name))]
    return thoughts[:1] + [value for name, value in fields.items() if name in _WRITTEN]
