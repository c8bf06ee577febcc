"""Expected failures as data, and what turns the domain's errors into them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Generic, Self, TypedDict, TypeVar

import strawberry
from strawberry.types.field import StrawberryField

from domain import errors
from domain.units import Microcredits
from schema.budgets import KeyBudget
from schema.enums import ProblemCode, ProviderFailure
from schema.info import Info

STATUSES: Final[Mapping[ProblemCode, HTTPStatus]] = MappingProxyType(
    {
        ProblemCode.INVALID_INPUT: HTTPStatus.BAD_REQUEST,
        ProblemCode.INVALID_CREDENTIALS: HTTPStatus.UNAUTHORIZED,
        ProblemCode.INSUFFICIENT_CREDITS: HTTPStatus.PAYMENT_REQUIRED,
        ProblemCode.BUDGET_EXCEEDED: HTTPStatus.PAYMENT_REQUIRED,
        ProblemCode.ACCOUNT_SUSPENDED: HTTPStatus.FORBIDDEN,
        ProblemCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
        ProblemCode.IDEMPOTENCY_KEY_REUSED: HTTPStatus.CONFLICT,
        ProblemCode.STATE_CONFLICT: HTTPStatus.CONFLICT,
        ProblemCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
        ProblemCode.PROVIDER_FAILED: HTTPStatus.BAD_GATEWAY,
        ProblemCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


# What the domain calls otherwise, or in several words that only look like ours.
_API_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "answer_tokens_max": "maxOutputTokens",
        "is_enabled": "enabled",
        "rates": "price",
        "input_per_1k": "inputPer1K",
        "cached_input_per_1k": "cachedInputPer1K",
        "output_per_1k": "outputPer1K",
    }
)


class _Facts(TypedDict):
    code: ProblemCode
    message: str
    http_status: int


def _facts(error: errors.Problem) -> _Facts:
    """What every problem tells."""
    return {"code": error.code, "message": str(error), "http_status": STATUSES[error.code]}


def api_name(part: str) -> str:
    """A part of a path in the domain as callers know it."""
    first, *others = part.split("_")
    return _API_NAMES.get(part) or first + "".join(word.capitalize() for word in others)


@strawberry.interface(description="An expected failure of a mutation or of an answer.")
class Problem:
    code: ProblemCode = strawberry.field(description="For programs.")
    message: str = strawberry.field(
        description="For people; may change at any time. Never contains secrets or internals."
    )
    http_status: int = strawberry.field(
        description="The HTTP status a REST API would have answered with."
    )


@strawberry.type
class _Told(Problem):
    """What all problems have, which is described once: where the interface is."""

    code: ProblemCode
    message: str
    http_status: int


@strawberry.type(description="One thing wrong with the input.")
class InputIssue:
    path: list[str] = strawberry.field(
        description='Where in `input`, for example ["messages", "0", "content"].'
    )
    message: str

    @classmethod
    def of(cls, issue: errors.InputIssue) -> Self:
        return cls(path=[api_name(part) for part in issue.path], message=issue.message)


@strawberry.type(description="The input is well-formed GraphQL but cannot be accepted.")
class InvalidInput(_Told):
    issues: list[InputIssue] = strawberry.field(description="All findings at once, for forms.")

    @classmethod
    def of(cls, error: errors.InvalidInput) -> Self:
        issues = [InputIssue.of(issue) for issue in error.issues]
        facts = _facts(error)
        facts["message"] = " ".join(f"{'.'.join(issue.path)}: {issue.message}" for issue in issues)
        return cls(**facts, issues=issues)


@strawberry.type(description="Wrong, used or expired. Deliberately does not say which.")
class InvalidCredentials(_Told):
    @classmethod
    def of(cls, error: errors.InvalidCredentials) -> Self:
        return cls(**_facts(error))


@strawberry.type(description="The balance does not cover what would have to be held or taken.")
class InsufficientCredits(_Told):
    required: Microcredits = strawberry.field(description="What would have to be available.")
    available: Microcredits
    affordable_output_tokens: int | None = strawberry.field(
        description=(
            "For askAI: the largest maxOutputTokens that the available credits would pay for; "
            "null elsewhere."
        )
    )

    @classmethod
    def of(cls, error: errors.InsufficientCredits) -> Self:
        return cls(
            **_facts(error),
            required=error.required,
            available=error.available,
            affordable_output_tokens=error.affordable_answer_tokens,
        )


@strawberry.type(
    description="The API key's budget does not cover it, whatever the balance.",
)
class BudgetExceeded(_Told):
    required: Microcredits
    budget: KeyBudget

    @classmethod
    def of(cls, error: errors.BudgetExceeded) -> Self:
        if error.budget is None:
            raise AssertionError("whoever asks adds the budget")
        return cls(**_facts(error), required=error.required, budget=KeyBudget.of(error.budget))


@strawberry.type(description="The account is suspended.")
class AccountSuspended(_Told):
    @classmethod
    def of(cls, error: errors.AccountSuspended) -> Self:
        return cls(**_facts(error))


@strawberry.type(description="Does not exist, or is not yours to know about.")
class NotFound(_Told):
    @classmethod
    def of(cls, error: errors.NotFound) -> Self:
        return cls(**_facts(error))


@strawberry.type(
    description="Clashes with something that already happened; `code` says which kind."
)
class Conflict(_Told):
    @classmethod
    def of(cls, error: errors.IdempotencyKeyReused | errors.StateConflict) -> Self:
        return cls(**_facts(error))


@strawberry.type(description="Too many tries; wait as told.")
class RateLimited(_Told):
    retry_after_seconds: int

    @classmethod
    def of(cls, error: errors.RateLimited) -> Self:
        return cls(**_facts(error), retry_after_seconds=error.retry_after_seconds)


@strawberry.type(description="The model gave no usable answer. Nothing was charged.")
class ProviderFailed(_Told):
    reason: ProviderFailure

    @classmethod
    def of(cls, error: errors.ProviderFailed) -> Self:
        facts = _facts(error)
        if error.reason is ProviderFailure.TIMEOUT:
            facts["http_status"] = HTTPStatus.GATEWAY_TIMEOUT
        return cls(**facts, reason=error.reason)


@strawberry.type(description="This deployment does not offer it, or cannot do it right now.")
class Unavailable(_Told):
    @classmethod
    def of(cls, error: errors.Unavailable) -> Self:
        return cls(**_facts(error))


Error = TypeVar("Error", bound=errors.Problem)


@dataclass(frozen=True, slots=True)
class Telling(Generic[Error]):
    """Tells an error as a problem wherever the result of a field may be one."""

    exception_type: type[Error]
    error_type: type[Problem]
    of: Callable[[Error], Problem]

    def handle(self, exception: Error, *, field: StrawberryField, info: Info) -> Problem:
        del field, info
        return self.of(exception)


HANDLERS: Final = (
    Telling(errors.InvalidInput, InvalidInput, InvalidInput.of),
    Telling(errors.InvalidCredentials, InvalidCredentials, InvalidCredentials.of),
    Telling(errors.InsufficientCredits, InsufficientCredits, InsufficientCredits.of),
    Telling(errors.BudgetExceeded, BudgetExceeded, BudgetExceeded.of),
    Telling(errors.AccountSuspended, AccountSuspended, AccountSuspended.of),
    Telling(errors.NotFound, NotFound, NotFound.of),
    Telling(errors.IdempotencyKeyReused, Conflict, Conflict.of),
    Telling(errors.StateConflict, Conflict, Conflict.of),
    Telling(errors.RateLimited, RateLimited, RateLimited.of),
    Telling(errors.ProviderFailed, ProviderFailed, ProviderFailed.of),
    Telling(errors.Unavailable, Unavailable, Unavailable.of),
)
