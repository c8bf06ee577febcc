"""What the simulated provider says, and how it was told to behave.

Both depend on nothing but the messages, so the same question always has the same answer.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from adapters.models.simulated_wire import Answer, Request, Usage

SLOW_SECONDS: Final = 2.0
_SECONDS_MAX: Final = 120.0
_WORDS_MIN: Final = 12
_WORDS_SPAN: Final = 24
_TEMPLATE_TOKENS_PER_MESSAGE: Final = 4
_QUOTED_CHARACTERS_MAX: Final = 120
_TOKEN: Final = re.compile(r"\S+\s*")
_INSTRUCTION: Final = re.compile(r"^\s*simulate:[ \t]*(\S+)(?:[ \t]+(\S+))?\s*$", re.MULTILINE)
_SMALL_TALK: Final = (
    "credits are counted in millionths and every entry carries the total after it "
    "so a ledger has no gap while open holds wait for their answers"
)


class Directive(StrEnum):
    """How the provider can be told to behave."""

    SLOW = "slow"
    EMPTY = "empty"
    CUT = "cut"
    STALL = "stall"
    BROKEN = "broken"
    SILENT_END = "silent-end"
    WHOLE = "whole"
    EARLY_USAGE = "early-usage"
    NO_USAGE = "no-usage"
    ZERO_USAGE = "zero-usage"
    OVERLOADED = "429"
    FAILING = "500"
    TIMEOUT = "timeout"
    CONTENT_FILTER = "content-filter"
    MALFORMED = "malformed"
    HUGE = "huge"
    DRIP = "drip"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """How to behave, for how long, and whether only the first time."""

    directive: Directive | None = None
    seconds: float | None = None
    is_for_first_try: bool = False
    unknown: str | None = None
    """A word that was asked for and means nothing."""


def instruction_in(request: Request) -> Instruction:
    """What the first `simulate:` line of the last user message asks for."""
    said = [content for role, content in request.messages if role == "user"]
    match = _INSTRUCTION.search(said[-1]) if said else None
    if match is None:
        return Instruction()
    word, argument = match.groups()
    if word not in set(Directive):
        return Instruction(unknown=word)
    return Instruction(
        directive=Directive(word),
        seconds=_seconds(argument),
        is_for_first_try=argument == "once",
    )


def answer_to(request: Request, instruction: Instruction) -> Answer:
    """The answer, cut where the caller's limit is, with the usage the instruction leaves it."""
    directive = instruction.directive
    digest = blake2b(repr(request.messages).encode("utf-8", "replace"), digest_size=12).digest()
    pieces = () if directive is Directive.EMPTY else _pieces(request, instruction, digest)
    limit = request.answer_tokens_max
    is_cut = limit is not None and len(pieces) > limit
    pieces = pieces[:limit] if is_cut else pieces
    finish_reason = "length" if is_cut else "stop"
    if directive is Directive.CONTENT_FILTER:
        finish_reason = "content_filter"
    return Answer(
        id=f"chatcmpl-simulated-{digest.hex()}",
        model=request.model,
        pieces=pieces,
        finish_reason="tool_calls" if request.tool else finish_reason,
        usage=_usage(request, directive, len(pieces) * request.choices),
        choices=request.choices,
        tool=request.tool,
    )


def _pieces(request: Request, instruction: Instruction, digest: bytes) -> tuple[str, ...]:
    text = "This answer is simulated: no model was asked. "
    if instruction.unknown is not None:
        text += f"There is no simulation called {instruction.unknown}. "
        text += f"There are: {', '.join(Directive)}. "
    quoted = request.messages[-1][1][:_QUOTED_CHARACTERS_MAX]
    text += f"You wrote: “{quoted}” By the way: "
    small_talk = _SMALL_TALK.split()
    start, length = digest[1], _WORDS_MIN + digest[0] % _WORDS_SPAN
    words = (small_talk[index % len(small_talk)] for index in range(start, start + length))
    return tuple(_TOKEN.findall(text + " ".join(words) + "."))


def _usage(request: Request, directive: Directive | None, answer_tokens: int) -> Usage | None:
    """A word is a token. All messages but the last come from a cache."""
    if directive is Directive.NO_USAGE:
        return None
    if directive is Directive.ZERO_USAGE:
        return Usage(prompt_tokens=0, cached_tokens=0, answer_tokens=0)
    counts = [
        _TEMPLATE_TOKENS_PER_MESSAGE + len(content.split()) for _, content in request.messages
    ]
    return Usage(
        prompt_tokens=sum(counts), cached_tokens=sum(counts[:-1]), answer_tokens=answer_tokens
    )


def _seconds(argument: str | None) -> float | None:
    try:
        seconds = float(argument or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _SECONDS_MAX else None
