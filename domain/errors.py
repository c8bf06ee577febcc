"""What can go wrong, as facts.

    TallystickError
    ├── AccessError                 the caller's right, not the request, is at fault
    │   ├── Unauthenticated         no valid credential
    │   └── Forbidden               a valid one that is not enough
    ├── Problem                     an expected failure, told to the caller as data
    │   ├── InvalidInput            well-formed but not acceptable
    │   ├── InvalidCredentials      wrong, used or expired
    │   ├── InsufficientCredits     the balance does not cover it
    │   ├── BudgetExceeded          the API key's budget does not cover it
    │   ├── AccountSuspended
    │   ├── NotFound                does not exist, or is not the caller's to know about
    │   ├── IdempotencyKeyReused    the key was used before with other input
    │   ├── StateConflict           the object is no longer in a state that allows this
    │   ├── RateLimited             too many tries
    │   ├── ProviderFailed          the model gave no usable answer
    │   └── Unavailable             not offered here, or not now
    └── LedgerFault                 the books or the database refused what must never be refused

Messages are for people and never carry secrets, provider text or SQL. Statuses of HTTP are
not here: `app/errors.py` and `schema/problems.py` map codes to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.budgets import KeyBudget
from domain.money import format_credits
from domain.units import Microcredits


class ProblemCode(StrEnum):
    """The kinds of expected failure, for programs."""

    INVALID_INPUT = "INVALID_INPUT"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    NOT_FOUND = "NOT_FOUND"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    STATE_CONFLICT = "STATE_CONFLICT"
    RATE_LIMITED = "RATE_LIMITED"
    PROVIDER_FAILED = "PROVIDER_FAILED"
    UNAVAILABLE = "UNAVAILABLE"


class ProviderFailure(StrEnum):
    """What went wrong at the provider."""

    TIMEOUT = "TIMEOUT"
    EMPTY = "EMPTY"
    REJECTED = "REJECTED"
    OVERLOADED = "OVERLOADED"
    ERROR = "ERROR"


class TallystickError(Exception):
    """Anything this product says is wrong."""


class AccessError(TallystickError):
    """The caller's right is at fault; told in the `errors` of a GraphQL response."""

    code: str


class Unauthenticated(AccessError):
    """The request carries no valid credential."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in, or send a valid access token.") -> None:
        super().__init__(message)


class Forbidden(AccessError):
    """The credential is valid but does not reach this far."""

    code = "FORBIDDEN"

    def __init__(self, message: str = "This needs an administrator.") -> None:
        super().__init__(message)


class Problem(TallystickError):
    """An expected failure, told to the caller as data."""

    code: ProblemCode


@dataclass(frozen=True, slots=True)
class InputIssue:
    """One thing wrong with the input, and where in `input` it is."""

    path: tuple[str, ...]
    message: str


class InvalidInput(Problem):
    """The input is well-formed but cannot be accepted; carries every finding at once."""

    code = ProblemCode.INVALID_INPUT

    def __init__(self, issues: Sequence[InputIssue]) -> None:
        self.issues = tuple(issues)
        super().__init__(" ".join(f"{'.'.join(i.path)}: {i.message}" for i in self.issues))

    @classmethod
    def at(cls, path: str, message: str) -> "InvalidInput":
        """One finding, at a dotted path."""
        return cls([InputIssue(tuple(path.split(".")), message)])


class InvalidCredentials(Problem):
    """Wrong, used or expired; deliberately does not say which, but what to do instead."""

    code = ProblemCode.INVALID_CREDENTIALS

    def __init__(self, message: str = "The credentials are not valid.") -> None:
        super().__init__(message)


class InsufficientCredits(Problem):
    """The balance does not cover what would have to be held or taken."""

    code = ProblemCode.INSUFFICIENT_CREDITS

    def __init__(
        self,
        *,
        required: Microcredits,
        available: Microcredits,
        affordable_answer_tokens: int | None = None,
    ) -> None:
        self.required = required
        self.available = available
        self.affordable_answer_tokens = affordable_answer_tokens
        super().__init__(
            f"This needs {format_credits(required)} credits, and {format_credits(available)} are "
            "available."
        )


class BudgetExceeded(Problem):
    """The API key's budget does not cover it, whatever the balance.

    The ledger says so without the budget; whoever tells a caller adds how far it has come.
    """

    code = ProblemCode.BUDGET_EXCEEDED

    def __init__(self, *, required: Microcredits, budget: KeyBudget | None = None) -> None:
        self.required = required
        self.budget = budget
        message = f"This needs {format_credits(required)} credits, which the API key's budget "
        if budget is None:
            super().__init__(f"{message}does not cover.")
            return
        renewal = f" until {budget.resets_at:%Y-%m-%d}" if budget.resets_at else ""
        super().__init__(
            f"{message}does not cover: {format_credits(budget.left)} are left{renewal}."
        )


class AccountSuspended(Problem):
    """The account may not act."""

    code = ProblemCode.ACCOUNT_SUSPENDED

    def __init__(self) -> None:
        super().__init__("This account is suspended. Ask the operator why.")


class NotFound(Problem):
    """Does not exist, or is not the caller's to know about."""

    code = ProblemCode.NOT_FOUND

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")


class IdempotencyKeyReused(Problem):
    """The same idempotency key was used before with different input."""

    code = ProblemCode.IDEMPOTENCY_KEY_REUSED

    def __init__(self) -> None:
        super().__init__(
            "This idempotencyKey was used before with different input. "
            "Use a new key for a new request."
        )


class StateConflict(Problem):
    """The object is no longer in a state that allows this."""

    code = ProblemCode.STATE_CONFLICT


class RateLimited(Problem):
    """Too many tries; says after how many seconds another can succeed."""

    code = ProblemCode.RATE_LIMITED

    def __init__(self, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"Too many requests. Try again in {retry_after_seconds} s.")


_WORDS = {
    ProviderFailure.TIMEOUT: "The model did not answer in time.",
    ProviderFailure.EMPTY: "The model gave an empty answer.",
    ProviderFailure.REJECTED: "The model's provider refused this content.",
    ProviderFailure.OVERLOADED: "The model is overloaded. Try again shortly.",
    ProviderFailure.ERROR: "The model's provider failed.",
}


class ProviderFailed(Problem):
    """The model gave no usable answer; nothing was charged."""

    code = ProblemCode.PROVIDER_FAILED

    def __init__(self, reason: ProviderFailure) -> None:
        self.reason = reason
        super().__init__(f"{_WORDS[reason]} Nothing was charged.")


class Unavailable(Problem):
    """This deployment does not offer it, or cannot do it right now."""

    code = ProblemCode.UNAVAILABLE


class LedgerFault(TallystickError):
    """The books or the database refused what must never be refused: ours to mend."""
