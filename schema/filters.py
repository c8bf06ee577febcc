"""What a list is narrowed down by."""

from datetime import datetime
from typing import Final, Self

import strawberry

from domain.checking import is_storable
from domain.reporting import AccountFilter as WantedAccounts
from domain.reporting import AnswerFilter, HoldFilter, PaymentFilter, Span
from domain.reporting import EntryFilter as WantedEntries
from domain.reporting import UsageFilter as WantedUsage
from domain.units import AccountId, ApiKeyId, KeyNumber, ModelId
from schema.enums import (
    AccountStatus,
    AnswerStatus,
    EntryKind,
    HoldStatus,
    PaymentStatus,
    Role,
    UsageOutcome,
)
from schema.ids import account_named, key_named
from schema.inputs import given
from schema.pages import BadRequest

_NO_KEY: Final = ApiKeyId(AccountId(0), KeyNumber(1))
EVERY_CONDITION: Final = "Every given condition must hold."


@strawberry.input(
    description=(
        "From `from` (inclusive) to `to` (exclusive; now, if left out). At most 750 buckets."
    )
)
class TimeRange:
    from_: datetime = strawberry.field(name="from")
    to: datetime | None = strawberry.UNSET

    def span(self) -> Span:
        return Span(self.from_, given(self.to))


@strawberry.input(description=EVERY_CONDITION)
class UsageFilter:
    range: TimeRange | None = strawberry.UNSET
    model: str | None = strawberry.UNSET
    api_key_id: strawberry.ID | None = strawberry.UNSET
    outcome: list[UsageOutcome] | None = strawberry.UNSET

    @classmethod
    def of(cls, filter: Self | None) -> WantedUsage:
        chosen = given(filter)
        return WantedUsage() if chosen is None else chosen.wanted()

    def wanted(self) -> WantedUsage:
        span, model, outcomes = given(self.range), given(self.model), given(self.outcome)
        return WantedUsage(
            span=span.span() if span else None,
            model_id=None if model is None else ModelId(_searchable("model", model)),
            api_key=_key(given(self.api_key_id)),
            outcomes=None if outcomes is None else frozenset(outcomes),
        )


@strawberry.input(description=EVERY_CONDITION)
class LedgerFilter:
    range: TimeRange | None = strawberry.UNSET
    kind: list[EntryKind] | None = strawberry.UNSET
    api_key_id: strawberry.ID | None = strawberry.UNSET

    @classmethod
    def of(cls, filter: Self | None) -> WantedEntries:
        chosen = given(filter)
        return WantedEntries() if chosen is None else chosen.wanted()

    def wanted(self) -> WantedEntries:
        span, kinds = given(self.range), given(self.kind)
        return WantedEntries(
            span=span.span() if span else None,
            kinds=None if kinds is None else frozenset(kinds),
            api_key=_key(given(self.api_key_id)),
        )


@strawberry.input(description=EVERY_CONDITION)
class AccountFilter:
    search: str | None = strawberry.field(
        description="Matches the start of an email address, a name, or a whole account id.",
        default=strawberry.UNSET,
    )
    role: Role | None = strawberry.UNSET
    status: AccountStatus | None = strawberry.UNSET

    @classmethod
    def of(cls, filter: Self | None) -> WantedAccounts:
        chosen = given(filter)
        return WantedAccounts() if chosen is None else chosen.wanted()

    def wanted(self) -> WantedAccounts:
        search = given(self.search)
        account_id = None if search is None else account_named(search)
        return WantedAccounts(
            search=None if search is None or account_id else _searchable("search", search),
            account_id=account_id,
            role=given(self.role),
            status=given(self.status),
        )


def _key(name: str | None) -> ApiKeyId | None:
    """The key of an id; an id that names none is that of no account's key, which nothing is of."""
    if name is None:
        return None
    return key_named(name) or _NO_KEY


def wanted_holds(status: HoldStatus | None) -> HoldFilter:
    return HoldFilter(status=given(status))


def wanted_answers(statuses: list[AnswerStatus] | None) -> AnswerFilter:
    given_statuses = given(statuses)
    return AnswerFilter(statuses=None if given_statuses is None else frozenset(given_statuses))


def wanted_payments(statuses: list[PaymentStatus] | None) -> PaymentFilter:
    given_statuses = given(statuses)
    return PaymentFilter(statuses=None if given_statuses is None else frozenset(given_statuses))


def _searchable(name: str, text: str) -> str:
    if not is_storable(text):
        raise BadRequest(f"`{name}` must be Unicode text without the character U+0000.")
    return text
