"""Ledger entries and holds, by name and page by page."""

from collections.abc import Sequence
from typing import Final

from sqlmodel import col, select

from domain.ledger import Entry, EntryKind, Hold, HoldStatus
from domain.reporting import EntryFilter, HoldFilter, Page, PageRequest, Reader
from domain.running import time_of
from domain.units import (
    AccountId,
    AnswerId,
    ApiKeyId,
    EntryId,
    HoldId,
    KeyNumber,
    Microcredits,
    Moment,
    PurseId,
)
from persistence.books_pages import (
    History,
    Name,
    asked_with,
    moment_at,
    named,
    open_after_mark,
)
from persistence.books_reads import Reads, without
from persistence.tables import EntryRow, HistoryRow, HoldRow, UsageRecordRow

_ATTEMPTS_BOUND: Final = 1_000
"""More than any answer takes: so far from the end of an answer its last attempt may be."""


class LedgerReads(Reads):
    """Reads what changed balances, and what is set aside."""

    __slots__ = ()

    async def entries(self, reader: Reader, ids: Sequence[EntryId]) -> dict[EntryId, Entry]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            found = [_entry(row) for row in await named(session, EntryRow, names)]
        return {entry.id: entry for entry in found}

    async def holds(self, reader: Reader, ids: Sequence[HoldId]) -> dict[HoldId, Hold]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            found = [_hold(row) for row in await named(session, HoldRow, names)]
        return {hold.id: hold for hold in found}

    async def entry_page(
        self, reader: Reader, wanted: EntryFilter, page: PageRequest
    ) -> Page[Entry]:
        key = reader.api_key
        if key is not None and not reader.has_own_credits:
            return await self._charges_page(reader, key, wanted, page)
        query = select(EntryRow)
        if key is not None:
            query = query.where(
                EntryRow.account_id == key.account_id, EntryRow.key_number == key.number
            )
        if wanted.account_id is not None:
            query = query.where(EntryRow.account_id == wanted.account_id)
        if wanted.kinds is not None:
            query = query.where(col(EntryRow.kind).in_(wanted.kinds))
        if wanted.api_key is not None:
            query = query.where(
                EntryRow.account_id == wanted.api_key.account_id,
                EntryRow.key_number == wanted.api_key.number,
            )
        history = History(
            table=EntryRow,
            query=query,
            span=wanted.span,
            is_of_everybody=reader.as_admin and wanted.account_id is None,
        )
        async with self.engines.reading(reader) as session:
            return await history.page(session, page, _entry)

    async def _charges_page(
        self, reader: Reader, key: ApiKeyId, wanted: EntryFilter, page: PageRequest
    ) -> Page[Entry]:
        """What a key was charged that spends its account's credits, which is all it sees.

        The charges are found by the usage records that follow right after them: those have an index
        of what was asked with a key, and of the account's other lines none is read.
        """
        if wanted.kinds is not None and EntryKind.CHARGE not in wanted.kinds:
            return Page([], [], has_next=False)
        record = UsageRecordRow
        charged_at = col(record.moment) - col(record.attempt)
        query = select(record).where(*asked_with(record, key), col(record.charged) > 0)
        query = query.options(without(record, "provider_cost"))
        if wanted.account_id is not None:
            query = query.where(record.account_id == wanted.account_id)
        if wanted.api_key is not None:
            query = query.where(
                record.account_id == wanted.api_key.account_id,
                record.key_number == wanted.api_key.number,
            )
        if wanted.span is not None:
            start, end = wanted.span.start, wanted.span.end
            query = query.where(record.moment >= moment_at(start), charged_at >= moment_at(start))
            if end is not None:
                query = query.where(
                    record.moment < moment_at(end) + _ATTEMPTS_BOUND, charged_at < moment_at(end)
                )
        history = History(table=record, query=query, is_of_everybody=False)
        async with self.engines.reading(reader) as session:
            names = await history.page(session, page, _charge_of)
            found = {_name(row): row for row in await named(session, EntryRow, names.items)}
        shown = [name for name in names.items if name in found]
        return Page(
            [_entry(found[name]) for name in shown],
            [(moment, account_id, key_number) for account_id, moment, key_number in shown],
            names.has_next,
        )

    async def hold_page(self, reader: Reader, wanted: HoldFilter, page: PageRequest) -> Page[Hold]:
        query = select(HoldRow).where(*asked_with(HoldRow, reader.api_key))
        if wanted.account_id is not None:
            query = query.where(HoldRow.account_id == wanted.account_id)
        if wanted.status is HoldStatus.OPEN:
            query = query.where(col(HoldRow.ended_moment).is_(None), open_after_mark(HoldRow))
        elif wanted.status is not None:
            query = query.where(HoldRow.status == wanted.status)
        history = History(
            table=HoldRow,
            query=query,
            is_of_everybody=reader.as_admin and wanted.account_id is None,
        )
        async with self.engines.reading(reader) as session:
            return await history.page(session, page, _hold)


def _name(row: HistoryRow) -> Name:
    return row.account_id, row.moment, row.key_number


def _charge_of(record: UsageRecordRow) -> Name:
    """The line that an attempt was charged by, which it follows by its number."""
    return record.account_id, record.moment - record.attempt, record.key_number


def _purse(row: HistoryRow) -> PurseId:
    return PurseId(AccountId(row.account_id), KeyNumber(row.key_number))


def _entry(row: EntryRow) -> Entry:
    purse = _purse(row)
    return Entry(
        id=EntryId(purse, Moment(row.moment)),
        kind=EntryKind(row.kind),
        amount=Microcredits(row.amount),
        total_after=Microcredits(row.total_after),
        answer_id=AnswerId(purse, Moment(row.hold_moment)) if row.hold_moment is not None else None,
        reverses=(
            EntryId(purse, Moment(row.reverses_moment)) if row.reverses_moment is not None else None
        ),
        reason=row.reason,
        actor_id=AccountId(row.actor_id) if row.actor_id is not None else None,
    )


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=HoldId(_purse(row), Moment(row.moment)),
        status=HoldStatus(row.status),
        amount=Microcredits(row.amount),
        captured=Microcredits(row.captured),
        api_key_number=KeyNumber(row.api_key_number),
        expires_at=row.expires_at,
        ended_at=time_of(Moment(row.ended_moment)) if row.ended_moment is not None else None,
    )
