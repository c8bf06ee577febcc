"""The read side of the database, kept in memory, with row-level security and a count of reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

from domain.answers import Answer, UsageRecord
from domain.identity import Account
from domain.keys import ApiKey
from domain.ledger import Balance, Entry, Hold, Lot
from domain.payments import Payment
from domain.pricing import Model, Price
from domain.reporting import (
    AccountFilter,
    AnswerFilter,
    AuditEntry,
    EntryFilter,
    HoldFilter,
    Page,
    PageRequest,
    PaymentFilter,
    Reader,
    Span,
    UsageFilter,
)
from domain.running import time_of
from domain.summarizing import LatencySections, Part, Sections, SummaryWanted
from domain.units import (
    AccountId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    KeyNumber,
    ModelId,
    PaymentId,
    PriceId,
    PurseId,
    UsageId,
)
from tests.schema.summing import grouped, latencies_of, sums_of

Name = TypeVar("Name")
Item = TypeVar("Item")
HistoryId = HoldId | AnswerId | EntryId | UsageId | PaymentId


class Historic(Protocol):
    """Something that happened to a purse."""

    @property
    def id(self) -> HistoryId: ...


Kept = TypeVar("Kept", bound=Historic)


@dataclass(slots=True)
class FakeBooks:
    """Books that anybody may write to, and that show each reader its own."""

    sessions: dict[UUID, AccountId] = field(default_factory=dict)
    kept_accounts: dict[AccountId, Account] = field(default_factory=dict)
    kept_balances: dict[PurseId, Balance] = field(default_factory=dict)
    kept_keys: dict[ApiKeyId, ApiKey] = field(default_factory=dict)
    kept_lots: dict[PurseId, list[Lot]] = field(default_factory=dict)
    kept_entries: dict[EntryId, Entry] = field(default_factory=dict)
    kept_holds: dict[HoldId, Hold] = field(default_factory=dict)
    kept_answers: dict[AnswerId, Answer] = field(default_factory=dict)
    kept_records: dict[UsageId, UsageRecord] = field(default_factory=dict)
    kept_payments: dict[PaymentId, Payment] = field(default_factory=dict)
    kept_models: dict[ModelId, Model] = field(default_factory=dict)
    kept_prices: dict[PriceId, Price] = field(default_factory=dict)
    earlier_prices: dict[ModelId, list[Price]] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)

    async def accounts(self, reader: Reader, ids: Sequence[AccountId]) -> dict[AccountId, Account]:
        return self._found("accounts", self.kept_accounts, ids, reader, lambda id: id)

    async def api_keys(self, reader: Reader, ids: Sequence[ApiKeyId]) -> dict[ApiKeyId, ApiKey]:
        return self._found("api_keys", self.kept_keys, ids, reader, lambda id: id.account_id)

    async def api_keys_of(self, reader: Reader, account_id: AccountId) -> list[ApiKey]:
        ids = [id for id in sorted(self.kept_keys, reverse=True) if id.account_id == account_id]
        return list((await self.api_keys(reader, ids)).values())

    async def balances(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, Balance]:
        return self._found("balances", self.kept_balances, purses, reader, _holder)

    async def lots(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, list[Lot]]:
        return self._found("lots", self.kept_lots, purses, reader, _holder)

    async def entries(self, reader: Reader, ids: Sequence[EntryId]) -> dict[EntryId, Entry]:
        return self._found("entries", self.kept_entries, ids, reader, _owner)

    async def holds(self, reader: Reader, ids: Sequence[HoldId]) -> dict[HoldId, Hold]:
        return self._found("holds", self.kept_holds, ids, reader, _owner)

    async def answers(self, reader: Reader, ids: Sequence[AnswerId]) -> dict[AnswerId, Answer]:
        return self._found("answers", self.kept_answers, ids, reader, _owner)

    async def usage_records(
        self, reader: Reader, ids: Sequence[UsageId]
    ) -> dict[UsageId, UsageRecord]:
        return self._found("usage_records", self.kept_records, ids, reader, _owner)

    async def payments(self, reader: Reader, ids: Sequence[PaymentId]) -> dict[PaymentId, Payment]:
        return self._found("payments", self.kept_payments, ids, reader, _owner)

    async def payments_of_entries(
        self, reader: Reader, ids: Sequence[EntryId]
    ) -> dict[EntryId, PaymentId]:
        self.reads["payments_of_entries"] += 1
        return {
            payment.entry_id: payment.id
            for payment in self.kept_payments.values()
            if payment.entry_id is not None and payment.entry_id in ids
        }

    async def models(self, *, enabled_only: bool) -> list[Model]:
        self.reads["models"] += 1
        return [model for model in self.kept_models.values() if model.enabled or not enabled_only]

    async def prices(self, ids: Sequence[PriceId]) -> dict[PriceId, Price]:
        self.reads["prices"] += 1
        return {id: self.kept_prices[id] for id in ids if id in self.kept_prices}

    async def price_history(
        self, reader: Reader, models: Sequence[ModelId]
    ) -> dict[ModelId, list[Price]]:
        self.reads["price_history"] += 1
        return {id: self.earlier_prices.get(id, []) for id in models} if reader.as_admin else {}

    async def usage_page(
        self, reader: Reader, wanted: UsageFilter, page: PageRequest
    ) -> Page[UsageRecord]:
        return self._page("usage_page", self._records(wanted), reader, page)

    def _records(self, wanted: UsageFilter) -> Iterable[UsageRecord]:
        return (
            record
            for record in _of(wanted.account_id, self.kept_records.values())
            if wanted.model_id in {None, record.model_id}
            and _is_of(wanted.api_key, record.id.purse.account_id, record.api_key_number)
            and _is_within(wanted.span, record.id)
            and (wanted.outcomes is None or record.outcome in wanted.outcomes)
        )

    async def entry_page(
        self, reader: Reader, wanted: EntryFilter, page: PageRequest
    ) -> Page[Entry]:
        matching = (
            entry
            for entry in _of(wanted.account_id, self.kept_entries.values())
            if (wanted.kinds is None or entry.kind in wanted.kinds)
            and _is_of(wanted.api_key, entry.id.purse.account_id, entry.id.purse.key_number)
            and _is_within(wanted.span, entry.id)
        )
        return self._page("entry_page", matching, reader, page)

    async def hold_page(self, reader: Reader, wanted: HoldFilter, page: PageRequest) -> Page[Hold]:
        matching = (
            hold
            for hold in _of(wanted.account_id, self.kept_holds.values())
            if wanted.status in {None, hold.status}
        )
        return self._page("hold_page", matching, reader, page)

    async def answer_page(
        self, reader: Reader, wanted: AnswerFilter, page: PageRequest
    ) -> Page[Answer]:
        matching = (
            answer
            for answer in _of(wanted.account_id, self.kept_answers.values())
            if wanted.statuses is None or answer.status in wanted.statuses
        )
        return self._page("answer_page", matching, reader, page)

    async def payment_page(
        self, reader: Reader, wanted: PaymentFilter, page: PageRequest
    ) -> Page[Payment]:
        matching = (
            payment
            for payment in _of(wanted.account_id, self.kept_payments.values())
            if wanted.statuses is None or payment.status in wanted.statuses
        )
        return self._page("payment_page", matching, reader, page)

    async def usage_sums(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> Sections:
        self.reads["usage_sums"] += 1
        seen = self._summed(reader, wanted)
        return {
            part: {group: sums_of(records) for group, records in grouped(seen, wanted, part)}
            for part in parts
        }

    async def usage_latencies(
        self, reader: Reader, wanted: SummaryWanted, parts: Sequence[Part]
    ) -> LatencySections:
        self.reads["usage_latencies"] += 1
        seen = self._summed(reader, wanted)
        return {
            part: {group: latencies_of(records) for group, records in grouped(seen, wanted, part)}
            for part in parts
        }

    def _summed(self, reader: Reader, wanted: SummaryWanted) -> list[UsageRecord]:
        return [
            record
            for record in self._records(wanted.filter)
            if reader.as_admin or record.id.purse.account_id == self.sessions[reader.session_id]
        ]

    async def account_page(
        self, reader: Reader, wanted: AccountFilter, page: PageRequest
    ) -> Page[Account]:
        self.reads["account_page"] += 1
        matching = [
            account
            for account in self.kept_accounts.values()
            if wanted.account_id in {None, account.id}
            and wanted.role in {None, account.role}
            and wanted.status in {None, account.status}
            and (not wanted.search or (account.email or "").startswith(wanted.search))
        ]
        return _page(matching if reader.as_admin else [], page, lambda account: (account.id,))

    async def audit_page(self, reader: Reader, page: PageRequest) -> Page[AuditEntry]:
        self.reads["audit_page"] += 1
        return _page(self.audit if reader.as_admin else [], page, lambda entry: (entry.id,))

    def _found(
        self,
        kind: str,
        kept: Mapping[Name, Item],
        names: Sequence[Name],
        reader: Reader,
        owner: Callable[[Name], AccountId],
    ) -> dict[Name, Item]:
        self.reads[kind] += 1
        return {
            name: kept[name]
            for name in names
            if name in kept and (reader.as_admin or owner(name) == self.sessions[reader.session_id])
        }

    def _page(
        self, kind: str, matching: Iterable[Kept], reader: Reader, page: PageRequest
    ) -> Page[Kept]:
        self.reads[kind] += 1
        seen = [
            item
            for item in matching
            if reader.as_admin or item.id.purse.account_id == self.sessions[reader.session_id]
        ]
        return _page(seen, page, _place)


def _of(account_id: AccountId | None, items: Iterable[Kept]) -> Iterable[Kept]:
    return (item for item in items if account_id in {None, item.id.purse.account_id})


def _is_of(wanted: ApiKeyId | None, account_id: AccountId, number: KeyNumber) -> bool:
    return wanted in {None, ApiKeyId(account_id, number)}


def _is_within(span: Span | None, name: HistoryId) -> bool:
    if span is None:
        return True
    time = time_of(name.moment)
    return span.start <= time and (span.end is None or time < span.end)


def _holder(purse: PurseId) -> AccountId:
    return purse.account_id


def _owner(name: HistoryId) -> AccountId:
    return name.purse.account_id


def _place(item: Historic) -> tuple[int, ...]:
    return (item.id.moment, item.id.purse.account_id, item.id.purse.key_number)


def _page(
    items: Iterable[Item], page: PageRequest, place: Callable[[Item], tuple[int, ...]]
) -> Page[Item]:
    newest_first = sorted(items, key=place, reverse=True)
    after = page.after
    rest = [item for item in newest_first if after is None or place(item) < after]
    shown = rest[: page.first]
    return Page(shown, [place(item) for item in shown], len(rest) > page.first)
