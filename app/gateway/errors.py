"""Failures in the shape that OpenAI's clients know, with what they make of it.

Their clients raise a class of their own by the status, and try again at 408, 409, 429 and 5xx
unless `x-should-retry` says otherwise: where a second try cannot succeed, it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson

from app.errors import INTERNAL_MESSAGE, Refused
from domain.errors import (
    AccessError,
    AccountSuspended,
    BudgetExceeded,
    Forbidden,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    Problem,
    ProviderFailed,
    ProviderFailure,
    RateLimited,
    StateConflict,
    Unauthenticated,
    Unavailable,
)
from domain.money import format_credits

_INVALID: Final = "invalid_request_error"
_RETRY_SECONDS_HEEDED_MAX: Final = 60
"""Clients that are told to wait longer do not wait, but try again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a caller is told in place of an answer."""

    status: HTTPStatus
    message: str
    kind: str
    code: str
    param: str | None = None
    retry_after_seconds: int | None = None
    can_succeed: bool = False
    """Whether the same call can succeed when it is made again."""

    facts: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return orjson.dumps({"error": self.error()})

    def error(self) -> dict[str, object]:
        return {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
            **self.facts,
        }

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        told = {
            "content-type": "application/json",
            "x-should-retry": "true" if self.can_succeed else "false",
            **self.headers,
        }
        if self.retry_after_seconds is not None:
            told["retry-after"] = str(self.retry_after_seconds)
        return [(name.encode(), value.encode()) for name, value in told.items()]


def failure_of(error: AccessError | Problem | Refused, *, is_final: bool = False) -> Failure:
    """What is told of an error; `is_final` when the same call would be given the same answer."""
    match error:
        case Refused():
            return _refused(error)
        case AccessError():
            return _access(error)
        case ProviderFailed():
            return _provider(error, is_final=is_final)
        case _:
            return _problem(error)


def internal(request_id: str | None) -> Failure:
    """A fault of ours, of which nothing is told but where to find it."""
    return Failure(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        message=INTERNAL_MESSAGE.replace("requestId", "x-request-id"),
        kind="server_error",
        code="internal_error",
        facts={"request_id": request_id},
    )


def _refused(error: Refused) -> Failure:
    codes = {
        HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
        HTTPStatus.REQUEST_TIMEOUT: "request_timeout",
        HTTPStatus.NOT_FOUND: "unknown_url",
    }
    return Failure(
        status=error.status,
        message=str(error),
        kind=_INVALID,
        code=codes.get(error.status, "bad_request"),
        can_succeed=error.status == HTTPStatus.REQUEST_TIMEOUT,
        headers=error.headers,
    )


def _access(error: AccessError) -> Failure:
    if isinstance(error, Unauthenticated):
        return Failure(
            status=HTTPStatus.UNAUTHORIZED,
            message=str(error),
            kind=_INVALID,
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )
    return Failure(
        status=HTTPStatus.FORBIDDEN,
        message=str(error),
        kind="insufficient_permissions",
        code="forbidden" if isinstance(error, Forbidden) else error.code.lower(),
    )


def _problem(error: Problem) -> Failure:
    code = error.code.lower()
    match error:
        case InvalidInput():
            return _invalid(error)
        case InsufficientCredits():
            return _insufficient(error)
        case RateLimited(retry_after_seconds=seconds):
            return Failure(
                status=HTTPStatus.TOO_MANY_REQUESTS,
                message=str(error),
                kind="rate_limit_error",
                code="rate_limit_exceeded",
                retry_after_seconds=seconds,
                can_succeed=seconds <= _RETRY_SECONDS_HEEDED_MAX,
            )
        case Unavailable():
            return Failure(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                message=str(error),
                kind="server_error",
                code=code,
                retry_after_seconds=1,
                can_succeed=True,
            )
        case _:
            return _final(error, code)


def _final(error: Problem, code: str) -> Failure:
    """Failures that no second try can mend."""
    status, kind = HTTPStatus.BAD_REQUEST, _INVALID
    message, param = str(error), None
    facts: dict[str, object] = {}
    match error:
        case BudgetExceeded(required=required, budget=budget):
            status, kind = HTTPStatus.PAYMENT_REQUIRED, "insufficient_quota"
            facts["required"] = format_credits(required)
            if budget is not None:
                facts["available"] = format_credits(budget.left)
        case AccountSuspended():
            status, kind = HTTPStatus.FORBIDDEN, "insufficient_permissions"
        case NotFound():
            status, code, param = HTTPStatus.NOT_FOUND, "model_not_found", "model"
            message += " GET /v1/models lists those there are."
        case IdempotencyKeyReused():
            status = HTTPStatus.CONFLICT
            message = (
                "This Idempotency-Key was used before with another body. "
                "Use a new key for a new call."
            )
        case StateConflict():
            status = HTTPStatus.CONFLICT
        case _:
            pass
    return Failure(status=status, message=message, kind=kind, code=code, param=param, facts=facts)


def _invalid(error: InvalidInput) -> Failure:
    places = [".".join(issue.path) for issue in error.issues]
    return Failure(
        status=HTTPStatus.BAD_REQUEST,
        message=str(error),
        kind=_INVALID,
        code="invalid_value",
        param=None if places[0] == "body" else places[0],
    )


def _insufficient(error: InsufficientCredits) -> Failure:
    affordable = error.affordable_answer_tokens
    message = (
        f"This call needs {format_credits(error.required)} credits set aside, and "
        f"{format_credits(error.available)} are available."
    )
    if affordable:
        message += f" They would pay for {affordable} output tokens: ask for no more."
    return Failure(
        status=HTTPStatus.PAYMENT_REQUIRED,
        message=message,
        kind="insufficient_quota",
        code="insufficient_credits",
        facts={
            "required": format_credits(error.required),
            "available": format_credits(error.available),
            "affordable_output_tokens": affordable,
        },
    )


def _provider(error: ProviderFailed, *, is_final: bool) -> Failure:
    status, code = {
        ProviderFailure.TIMEOUT: (HTTPStatus.GATEWAY_TIMEOUT, "provider_timeout"),
        ProviderFailure.OVERLOADED: (HTTPStatus.SERVICE_UNAVAILABLE, "provider_overloaded"),
        ProviderFailure.REJECTED: (HTTPStatus.BAD_REQUEST, "provider_rejected"),
        ProviderFailure.EMPTY: (HTTPStatus.BAD_GATEWAY, "provider_empty"),
        ProviderFailure.ERROR: (HTTPStatus.BAD_GATEWAY, "provider_failed"),
    }[error.reason]
    is_rejected = error.reason is ProviderFailure.REJECTED
    return Failure(
        status=status,
        message="The model's provider does not accept this content or one of the parameters. "
        "Nothing was charged."
        if is_rejected
        else str(error),
        kind=_INVALID if is_rejected else "server_error",
        code=code,
        retry_after_seconds=1 if error.reason is ProviderFailure.OVERLOADED else None,
        can_succeed=not is_rejected and not is_final,
    )
