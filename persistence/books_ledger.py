"""Ledger entries and holds, by name and page by page."""

from collections.abc import Sequence

from sqlmodel import col, select

from domain.ledger import Entry, EntryKind, Hold, HoldStatus
from domain.reporting import EntryFilter, HoldFilter, Page, PageRequest, Reader
from domain.running import time_of
from domain.units import (
    AccountId,
    AnswerId,
    EntryId,
    HoldId,
    KeyNumber,
    Microcredits,
    Moment,
    PurseId,
)
from persistence.books_pages import History, asked_with, named, open_after_mark
from persistence.books_reads import Reads
from persistence.tables import EntryRow, HistoryRow, HoldRow


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
        query = select(EntryRow)
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
