"""Reading the books: balances, pages of history, and single objects by name.

Every read is made on a reader's behalf. A reader sees its own rows only, whatever it asks for, and
an administrator's reader sees everybody's: row-level security says so again underneath.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from domain.answers import Answer, AnswerStatus, UsageOutcome, UsageRecord
from domain.identity import Account, AccountStatus, Role
from domain.keys import ApiKey
from domain.ledger import Balance, Entry, EntryKind, Hold, HoldStatus, Lot
from domain.payments import Payment, PaymentStatus
from domain.pricing import Model, Price
from domain.units import (
    AccountId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    ModelId,
    PaymentId,
    PriceId,
    PurseId,
    UsageId,
)

PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf the books are read: a session, and whether as an administrator.

    Where an API key reads, its session is the context it stands for. Pages of what was asked with
    it say so to the database, so that nothing of others is read on the way.
    """

    session_id: UUID
    as_admin: bool = False
    api_key: ApiKeyId | None = None
    has_own_credits: bool = False
    """Whether the key spends credits of its own, and not its account's."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The next `first` items after a place in the list; from the newest when there is none.

    `after` is the name of the item the last page ended with, as the numbers it sorts by.
    """

    first: int = PAGE_SIZE_DEFAULT
    after: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, newest first; `places` are the numbers each sorts by, for cursors."""

    items: Sequence[Item]
    places: Sequence[tuple[int, ...]]
    has_next: bool


@dataclass(frozen=True, slots=True)
class Span:
    """From a time on, up to another (exclusive), or until now."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Every given condition must hold."""

    account_id: AccountId | None = None
    span: Span | None = None
    model_id: ModelId | None = None
    api_key: ApiKeyId | None = None
    """What was asked with this key."""

    outcomes: frozenset[UsageOutcome] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Every given condition must hold."""

    account_id: AccountId | None = None
    span: Span | None = None
    kinds: frozenset[EntryKind] | None = None
    api_key: ApiKeyId | None = None
    """What changed this key's own credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """Every given condition must hold."""

    account_id: AccountId | None = None
    status: HoldStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFilter:
    """Every given condition must hold."""

    account_id: AccountId | None = None
    statuses: frozenset[AnswerStatus] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Every given condition must hold."""

    account_id: AccountId | None = None
    statuses: frozenset[PaymentStatus] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    """Every given condition must hold; `search` is the start of an address or of a name."""

    search: str | None = None
    account_id: AccountId | None = None
    role: Role | None = None
    status: AccountStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One use of an administrator's rights; immutable."""

    id: int
    at: datetime
    actor_id: AccountId | None
    action: str
    target_id: str | None
    summary: str


class Books(Protocol):
    """The read side of the database. Look-ups leave out what is not there or not the reader's."""

    async def accounts(
        self, reader: Reader, ids: Sequence[AccountId]
    ) -> dict[AccountId, Account]: ...
    async def api_keys(self, reader: Reader, ids: Sequence[ApiKeyId]) -> dict[ApiKeyId, ApiKey]: ...
    async def api_keys_of(self, reader: Reader, account_id: AccountId) -> list[ApiKey]:
        """An account's keys, newest first; at most as many as may work at once."""
        ...

    async def balances(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, Balance]:
        """What each purse holds now; credits whose time is over are not counted any more."""
        ...

    async def lots(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, list[Lot]]:
        """The lots with anything left, in burn order, with all spending attributed."""
        ...

    async def entries(self, reader: Reader, ids: Sequence[EntryId]) -> dict[EntryId, Entry]: ...
    async def holds(self, reader: Reader, ids: Sequence[HoldId]) -> dict[HoldId, Hold]: ...
    async def answers(self, reader: Reader, ids: Sequence[AnswerId]) -> dict[AnswerId, Answer]: ...
    async def usage_records(
        self, reader: Reader, ids: Sequence[UsageId]
    ) -> dict[UsageId, UsageRecord]: ...

    async def payments(
        self, reader: Reader, ids: Sequence[PaymentId]
    ) -> dict[PaymentId, Payment]: ...
    async def payments_of_entries(
        self, reader: Reader, ids: Sequence[EntryId]
    ) -> dict[EntryId, PaymentId]:
        """The payments that wrote these lines of the ledger."""
        ...

    async def models(self, *, enabled_only: bool) -> list[Model]:
        """The price book with current prices, the default first, then by name. Public."""
        ...

    async def prices(self, ids: Sequence[PriceId]) -> dict[PriceId, Price]:
        """Prices past and present. Public."""
        ...

    async def price_history(
        self, reader: Reader, models: Sequence[ModelId]
    ) -> dict[ModelId, list[Price]]:
        """Earlier prices of each model, newest first, without the current one."""
        ...

    async def usage_page(
        self, reader: Reader, wanted: UsageFilter, page: PageRequest
    ) -> Page[UsageRecord]: ...
    async def entry_page(
        self, reader: Reader, wanted: EntryFilter, page: PageRequest
    ) -> Page[Entry]: ...
    async def hold_page(
        self, reader: Reader, wanted: HoldFilter, page: PageRequest
    ) -> Page[Hold]: ...
    async def answer_page(
        self, reader: Reader, wanted: AnswerFilter, page: PageRequest
    ) -> Page[Answer]: ...
    async def payment_page(
        self, reader: Reader, wanted: PaymentFilter, page: PageRequest
    ) -> Page[Payment]: ...
    async def account_page(
        self, reader: Reader, wanted: AccountFilter, page: PageRequest
    ) -> Page[Account]: ...
    async def audit_page(self, reader: Reader, page: PageRequest) -> Page[AuditEntry]: ...
