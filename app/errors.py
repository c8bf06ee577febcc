"""How the failure of a whole request is told over HTTP: a code, a message and a status."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType

from domain.errors import AccessError, Problem, ProblemCode, RateLimited, Unavailable


class RequestCode(StrEnum):
    """Why a request as a whole was not answered, for programs."""

    BAD_REQUEST = "BAD_REQUEST"
    INVALID_DOCUMENT = "INVALID_DOCUMENT"
    TOO_EXPENSIVE = "TOO_EXPENSIVE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    INTERNAL = "INTERNAL"


# Codes that are not here say that the request was understood and refused for what it asks.
STATUS: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        RequestCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
        RequestCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
        RequestCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
        RequestCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
        ProblemCode.ACCOUNT_SUSPENDED: HTTPStatus.FORBIDDEN,
        ProblemCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
        ProblemCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

INTERNAL_MESSAGE = "Something failed on our side. Quote the requestId when you report it."


class Stopping(Unavailable):
    """The process has to stop before the request is done. Nothing else cancels a request."""

    def __init__(self) -> None:
        super().__init__(
            "This server is stopping. Send the request again: another one answers it, and with the "
            "same idempotency key nothing is done twice."
        )


class Refused(Exception):
    """A request that is turned away before its meaning is looked at; says what to do instead."""

    def __init__(
        self,
        message: str,
        *,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers or {}
        super().__init__(message)


def told(error: AccessError | Problem) -> dict[str, object]:
    """What programs are told about a failure we know, as `extensions` of a GraphQL error."""
    if isinstance(error, RateLimited):
        return {"code": error.code, "retryAfterSeconds": error.retry_after_seconds}
    return {"code": error.code}
