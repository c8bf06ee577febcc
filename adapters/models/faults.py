"""What went wrong at a provider, in our words, and whether trying again can help.

The provider's own words stop here: they may repeat the prompt or parts of a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

import openai
from httpx2 import TimeoutException

from domain.errors import ProviderFailure
from domain.pricing import Tokens

_REFUSED_CONTENT: Final = frozenset(
    {"content_filter", "content_policy_violation", "invalid_prompt"}
)
_OVERLOADED: Final = frozenset({429, 503, 529})
_TIMED_OUT: Final = frozenset({408, 504})
_QUESTION_AT_FAULT: Final = frozenset({400, 413, 422})
_SERVER_AT_FAULT_FROM: Final = 500


class TooLargeError(Exception):
    """More came back than any answer has."""


class Remedy(Enum):
    """What may still give an answer when nothing of one has begun."""

    RETRY = "the same route again, or another"
    ANOTHER_ROUTE = "only another route: this one is set up wrongly or out of money"
    NONE = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One try's failure."""

    reason: ProviderFailure
    detail: str
    remedy: Remedy = Remedy.NONE
    retry_after_seconds: float | None = None
    tokens: Tokens | None = None


def fault_of_status(error: openai.APIStatusError) -> Fault:
    """A status other than success, as the SDK tells it."""
    # Whatever was sent as a code, a number or a table too.
    return fault_of_refusal(error.status_code, str(error.code), error.response.headers)


def fault_of_refusal(status: int, code: str, headers: Mapping[str, str]) -> Fault:
    """A status other than success, with its error code if it is one that changes the meaning."""
    detail = f"status {status}"
    if code in _REFUSED_CONTENT:
        return Fault(reason=ProviderFailure.REJECTED, detail=f"{detail}, content refused")
    if code == "insufficient_quota":
        # Comes with 429, but waiting does not help: the operator's own credit there is used up.
        return Fault(
            reason=ProviderFailure.ERROR,
            detail=f"{detail}, quota used up",
            remedy=Remedy.ANOTHER_ROUTE,
        )
    if status in _OVERLOADED or status in _TIMED_OUT or status >= _SERVER_AT_FAULT_FROM:
        return Fault(
            reason=_reason_of_passing_status(status),
            detail=detail,
            remedy=Remedy.RETRY,
            retry_after_seconds=_retry_after_seconds(headers),
        )
    remedy = Remedy.NONE if status in _QUESTION_AT_FAULT else Remedy.ANOTHER_ROUTE
    return Fault(reason=ProviderFailure.ERROR, detail=detail, remedy=remedy)


def fault_of_event(error: object) -> Fault:
    """An error told in the middle of a stream, when nothing can be tried again any more."""
    code: object = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code in _REFUSED_CONTENT:
        return Fault(reason=ProviderFailure.REJECTED, detail="content refused in the stream")
    is_overload = code in {*_OVERLOADED, "rate_limit_exceeded"} if _is_plain(code) else False
    return Fault(
        reason=ProviderFailure.OVERLOADED if is_overload else ProviderFailure.ERROR,
        detail="error in the stream",
    )


def fault_of_connection(error: BaseException) -> Fault:
    """No connection, or one that was lost before anything came back.

    The HTTP backend reports a refused connection as a timeout, so the first cause decides.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError | TimeoutException):
        return Fault(
            reason=ProviderFailure.TIMEOUT, detail="no connection in time", remedy=Remedy.RETRY
        )
    detail = f"connection failed, {type(error).__name__}"
    return Fault(reason=ProviderFailure.ERROR, detail=detail, remedy=Remedy.RETRY)


def _is_plain(code: object) -> bool:
    return isinstance(code, str | int)


def _reason_of_passing_status(status: int) -> ProviderFailure:
    if status in _OVERLOADED:
        return ProviderFailure.OVERLOADED
    return ProviderFailure.TIMEOUT if status in _TIMED_OUT else ProviderFailure.ERROR


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long to wait, or None when that is not said, or not understandably.

    A date is measured against the answer's own Date, so no clock has to agree with another.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None
