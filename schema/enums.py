"""Closed sets of words, which are the domain's, with what they mean to callers.

Whoever shows one imports it from here: Strawberry would describe it in its own way otherwise.
"""

from enum import Enum

import strawberry
from strawberry.types.enum import has_enum_definition

from domain.alerting import AlertKind, AlertSeverity
from domain.answers import AnswerStatus, FinishReason, UsageOutcome
from domain.budgets import BudgetPeriod
from domain.calendars import TimeBucket
from domain.errors import ProblemCode, ProviderFailure
from domain.identity import AccountStatus, Role, Scope
from domain.keys import KeyFunding, KeyStatus
from domain.ledger import EntryKind, HoldStatus
from domain.money import Currency
from domain.offering import PaymentProvider, SignInMethod
from domain.payments import PaymentStatus
from domain.questions import MessageRole

__all__ = [
    "Access",
    "AccountStatus",
    "AlertKind",
    "AlertSeverity",
    "AnswerStatus",
    "BudgetPeriod",
    "Currency",
    "EntryKind",
    "FinishReason",
    "HoldStatus",
    "KeyFunding",
    "KeyStatus",
    "MessageRole",
    "PaymentProvider",
    "PaymentStatus",
    "ProblemCode",
    "ProviderFailure",
    "Role",
    "Scope",
    "SignInMethod",
    "TimeBucket",
    "UsageOutcome",
]


class Access(Enum):
    """What a field requires of its caller."""

    PUBLIC = "PUBLIC"
    USER = "USER"
    ADMIN = "ADMIN"


def _describe(kind: type[Enum], name: str, description: str, **values: str) -> None:
    """Make a set of words known to the API, with a description where a word does not say it all.

    Strawberry has room for these in the class itself only, and the classes are the domain's.
    """
    assert not has_enum_definition(kind), f"{name} was used before it was described"  # noqa: S101
    strawberry.enum(kind, name=name, description=description)
    assert has_enum_definition(kind)  # noqa: S101 - made in the line above
    for value in kind.__strawberry_definition__.values:
        value.description = values.pop(value.name, None)
    assert not values, f"{name} has no {values}"  # noqa: S101 - checked whenever we start


_describe(
    Access,
    "Access",
    "Roles a field can require.",
    PUBLIC="No credentials needed.",
    USER="A signed-in account that is not suspended (or an API key, where a scope is named).",
    ADMIN="A signed-in administrator. The database checks the role again.",
)
_describe(
    Scope,
    "ApiKeyScope",
    "What a key may be used for.",
    READ="See balance, usage, ledger, answers.",
    ASK="Ask models and follow or cancel the answers.",
)
_describe(KeyStatus, "ApiKeyStatus", "Only an ACTIVE key works.")
_describe(
    KeyFunding,
    "KeyFunding",
    "Whose credits a key spends.",
    ACCOUNT="Spends the account's credits, up to the key's budget.",
    OWN="Spends only credits moved to the key with fundApiKey.",
)
_describe(BudgetPeriod, "BudgetPeriod", "Periods begin at midnight UTC; weeks on Monday.")
_describe(
    SignInMethod,
    "SignInMethod",
    "Ways to prove who you are.",
    SUPABASE="Access tokens issued by the deployment's Supabase project are accepted as they are.",
)
_describe(PaymentProvider, "PaymentProvider", "Who takes the payment.")
_describe(Currency, "Currency", "ISO 4217 codes of the currencies that can be paid in.")
_describe(
    PaymentStatus,
    "PaymentStatus",
    "Where a payment stands. Credits are added exactly once, on SUCCEEDED.",
    EXPIRED="The customer never finished.",
    REVERSED="Refunded or disputed after it had succeeded.",
)
_describe(
    Role,
    "Role",
    "What an account may do. Changed by the operator's command line only, never through the API.",
)
_describe(
    AccountStatus,
    "AccountStatus",
    "Whether an account may act.",
    SUSPENDED="Its sessions and keys are refused; its history stays.",
)
_describe(
    AnswerStatus,
    "AnswerStatus",
    "Where an answer is on its way. The last three are final.",
    QUEUED="Accepted, credits held, waiting for a worker.",
    RUNNING="The model is producing text.",
    FAILED="Nothing was charged and the hold was released.",
    CANCELED="Stopped on request; only what had been produced was charged.",
)
_describe(
    FinishReason,
    "FinishReason",
    "Why the model stopped.",
    LENGTH="The output limit was reached.",
)
_describe(
    UsageOutcome,
    "UsageOutcome",
    "How an attempt ended.",
    FAILED="The provider failed, timed out or returned nothing. Charged zero.",
    CANCELED="Stopped by the caller.",
    REFUSED="Turned away before any provider call (credits, budget). Charged zero.",
)
_describe(TimeBucket, "TimeBucket", "Width of one point of a time series.")
_describe(
    EntryKind,
    "LedgerEntryKind",
    "Why a balance changed.",
    REFUND="A charge given back.",
    RECHARGE="Credits added by an administrator.",
    ADJUSTMENT="A correction by an administrator, in either direction.",
    TRANSFER="Credits moved between an account and one of its API keys (two lines).",
    CHARGEBACK="A payment that was refunded or disputed.",
    EXPIRY="Unspent credits of a lot that reached its expiry.",
)
_describe(
    HoldStatus,
    "HoldStatus",
    "How a hold stands. All but OPEN are final.",
    CAPTURED="Charged the actual cost; the rest went back.",
    RELEASED="Nothing charged.",
    EXPIRED="Released because nobody finished it in time.",
)
_describe(AlertKind, "AlertKind", "What an alert is about.")
_describe(AlertSeverity, "AlertSeverity", "In rising order.")
_describe(MessageRole, "MessageRole", "Who a message is from.")
_describe(
    ProblemCode,
    "ProblemCode",
    "The kinds of Problem, with the HTTP status each stands for.",
    INVALID_INPUT="400",
    INVALID_CREDENTIALS="401",
    INSUFFICIENT_CREDITS="402",
    BUDGET_EXCEEDED="402",
    ACCOUNT_SUSPENDED="403",
    NOT_FOUND="404",
    IDEMPOTENCY_KEY_REUSED="409: the same idempotencyKey was used before with different input.",
    STATE_CONFLICT="409: the object is no longer in a state that allows this.",
    RATE_LIMITED="429",
    PROVIDER_FAILED="502, or 504 after a timeout",
    UNAVAILABLE="503: this deployment does not offer it, or not now.",
)
_describe(
    ProviderFailure,
    "ProviderFailure",
    "What went wrong at the provider.",
    REJECTED="The provider refused the content.",
)
