"""What text from outside must be like before it is kept or looked for."""

import re
from collections.abc import Iterator
from typing import Final

from domain.errors import InputIssue, InvalidInput
from domain.ledger import IDEMPOTENCY_KEY_LENGTH_MAX

REASON_LENGTH_MAX: Final = 500
RETURN_PATH_LENGTH_MAX: Final = 500
_RETURN_PATH: Final = re.compile(r'/(?!/)[!"$-\[\]-~]*')
"""Printable ASCII, but no backslash, which browsers read as a slash, and no fragment."""


def raise_issues(*findings: Iterator[InputIssue]) -> None:
    """Raise InvalidInput with everything that was found, or nothing when all is well."""
    issues = [issue for found in findings for issue in found]
    if issues:
        raise InvalidInput(issues)


def issues_of_key(key: str) -> Iterator[InputIssue]:
    """Findings about an idempotency key."""
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX or not is_storable(key):
        yield InputIssue(
            ("idempotency_key",),
            f"Must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters, such as a new UUID.",
        )


def issues_of_reason(reason: str) -> Iterator[InputIssue]:
    """Findings about why an administrator changes a balance."""
    yield from issues_of_text("reason", reason, length_max=REASON_LENGTH_MAX)


def issues_of_text(name: str, text: str, *, length_max: int) -> Iterator[InputIssue]:
    """Findings about a short text that people will read."""
    if not text.strip():
        yield InputIssue((name,), "Must not be empty.")
    elif len(text) > length_max:
        yield InputIssue((name,), f"At most {length_max} characters; these are {len(text)}.")
    elif not is_storable(text):
        yield InputIssue((name,), "Must be Unicode text without the character U+0000.")


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep it, or compare anything with it."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def issues_of_return_path(path: str | None) -> Iterator[InputIssue]:
    """Findings about where to send a browser: only ever a path of the web app's own origin."""
    if path is None:
        return
    if len(path) > RETURN_PATH_LENGTH_MAX or not _RETURN_PATH.fullmatch(path):
        yield InputIssue(
            ("return_path",),
            'Must be a path of the web app, such as "/account": it begins with a single "/" and '
            f"has at most {RETURN_PATH_LENGTH_MAX} printable characters, "
            "none of them a backslash or #.",
        )
