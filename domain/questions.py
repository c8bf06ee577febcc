"""What a caller asks a model: its form, its limits, and its fingerprint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from domain.errors import InputIssue, InvalidInput
from domain.units import ModelId

MESSAGES_MAX: Final = 100
PAYLOAD_BYTES_MAX: Final = 32 * 1024
"""Of all messages together, counted in UTF-8."""

TEMPERATURE_MAX: Final = 2.0
_DIGEST_BYTES: Final = 16


class MessageRole(StrEnum):
    """Who a message is from."""

    SYSTEM = "SYSTEM"
    USER = "USER"
    ASSISTANT = "ASSISTANT"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: MessageRole
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A conversation to be continued by a model, and how."""

    messages: tuple[Message, ...]
    model: ModelId | None = None
    answer_tokens_max: int | None = None
    temperature: float | None = None


def check(question: Question) -> None:
    """Raise InvalidInput with everything that is wrong with a question, not only the first thing.

    Paths name the fields of Question. Whether its model exists is not for this to say.
    """
    issues = [
        *_issues_of_messages(question.messages),
        *_issues_of_limits(question),
    ]
    if issues:
        raise InvalidInput(issues)


def digest(question: Question) -> bytes:
    """A fingerprint by which a repeated idempotency key is known to carry the same question.

    It is kept for good, so its form must never change: a list in JSON, in which no two
    different questions are written alike.
    """
    temperature = question.temperature
    parts = [
        1,
        question.model,
        question.answer_tokens_max,
        # 1 and 1.0 are the same temperature, and so are 0.0 and -0.0.
        None if temperature is None else float(temperature) + 0.0,
        [[message.role, message.content] for message in question.messages],
    ]
    canonical = json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return blake2b(canonical, digest_size=_DIGEST_BYTES).digest()


def _issues_of_messages(messages: tuple[Message, ...]) -> Iterator[InputIssue]:
    if not 1 <= len(messages) <= MESSAGES_MAX:
        yield InputIssue(
            ("messages",), f"Send 1 to {MESSAGES_MAX} messages; these are {len(messages)}."
        )
    bytes_total = 0
    # The first hundred are enough to say what is wrong, however many were sent.
    for index, message in enumerate(messages[:MESSAGES_MAX]):
        path = ("messages", str(index), "content")
        try:
            bytes_total += len(message.content.encode("utf-8"))
        except UnicodeEncodeError:
            yield InputIssue(path, "Must be Unicode text, without lone surrogates.")
        if not message.content.strip():
            yield InputIssue(path, "Must not be empty.")
        if "\0" in message.content:
            # PostgreSQL cannot keep it, and a queued question is kept until it is answered.
            yield InputIssue(path, "Must not contain the character U+0000.")
    if bytes_total > PAYLOAD_BYTES_MAX:
        yield InputIssue(
            ("messages",),
            f"Together at most {PAYLOAD_BYTES_MAX} bytes of UTF-8; these are {bytes_total}.",
        )


def _issues_of_limits(question: Question) -> Iterator[InputIssue]:
    if question.answer_tokens_max is not None and question.answer_tokens_max < 1:
        yield InputIssue(("answer_tokens_max",), "Must be at least 1.")
    temperature = question.temperature
    # Said as "not within", so that NaN, which fails every comparison, is refused too.
    if temperature is not None and not 0 <= temperature <= TEMPERATURE_MAX:
        yield InputIssue(("temperature",), f"Must be from 0 to {TEMPERATURE_MAX:g}.")
