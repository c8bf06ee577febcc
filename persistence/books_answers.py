"""Answers and the attempts made for them, by name and page by page."""

from collections.abc import Sequence

from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col, select

from domain.answers import Answer, AnswerStatus, FinishReason, UsageOutcome, UsageRecord
from domain.errors import ProblemCode, ProviderFailure
from domain.reporting import AnswerFilter, Page, PageRequest, Reader, UsageFilter
from domain.running import time_of
from domain.units import (
    AccountId,
    AnswerId,
    KeyNumber,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
    UsageId,
)
from persistence.books_pages import History, asked_with, named, open_after_mark
from persistence.books_reads import Reads, without
from persistence.tables import AnswerRow, HistoryRow, UsageRecordRow


class AnswerReads(Reads):
    """Reads answers, and usage records."""

    __slots__ = ()

    async def answers(self, reader: Reader, ids: Sequence[AnswerId]) -> dict[AnswerId, Answer]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            found = [_answer(row) for row in await named(session, AnswerRow, names)]
        return {answer.id: answer for answer in found}

    async def usage_records(
        self, reader: Reader, ids: Sequence[UsageId]
    ) -> dict[UsageId, UsageRecord]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            rows = await named(session, UsageRecordRow, names, *_without_cost(reader))
        found = [_usage_record(row, reader) for row in rows]
        return {record.id: record for record in found}

    async def answer_page(
        self, reader: Reader, wanted: AnswerFilter, page: PageRequest
    ) -> Page[Answer]:
        query = select(AnswerRow).where(*asked_with(AnswerRow, reader.api_key))
        if wanted.account_id is not None:
            query = query.where(AnswerRow.account_id == wanted.account_id)
        if wanted.statuses is not None:
            query = query.where(col(AnswerRow.status).in_(wanted.statuses))
        if wanted.statuses and not any(status.is_final for status in wanted.statuses):
            query = query.where(col(AnswerRow.ended_moment).is_(None), open_after_mark(AnswerRow))
        history = History(
            table=AnswerRow,
            query=query,
            is_of_everybody=reader.as_admin and wanted.account_id is None,
        )
        async with self.engines.reading(reader) as session:
            return await history.page(session, page, _answer)

    async def usage_page(
        self, reader: Reader, wanted: UsageFilter, page: PageRequest
    ) -> Page[UsageRecord]:
        query = select(UsageRecordRow).options(*_without_cost(reader))
        query = query.where(*asked_with(UsageRecordRow, wanted.api_key, reader.api_key))
        if wanted.account_id is not None:
            query = query.where(UsageRecordRow.account_id == wanted.account_id)
        if wanted.model_id is not None:
            query = query.where(UsageRecordRow.model_id == wanted.model_id)
        if wanted.outcomes is not None:
            query = query.where(col(UsageRecordRow.outcome).in_(wanted.outcomes))
        history = History(
            table=UsageRecordRow,
            query=query,
            span=wanted.span,
            is_of_everybody=reader.as_admin and wanted.account_id is None,
        )
        async with self.engines.reading(reader) as session:
            return await history.page(session, page, lambda row: _usage_record(row, reader))


def _without_cost(reader: Reader) -> Sequence[ExecutableOption]:
    """What providers charge us is granted to administrators only, column by column."""
    return () if reader.as_admin else (without(UsageRecordRow, "provider_cost"),)


def _purse(row: HistoryRow) -> PurseId:
    return PurseId(AccountId(row.account_id), KeyNumber(row.key_number))


def _answer(row: AnswerRow) -> Answer:
    purse = _purse(row)
    ended = row.ended_moment
    return Answer(
        id=AnswerId(purse, Moment(row.moment)),
        status=AnswerStatus(row.status),
        model_id=ModelId(row.model_id),
        api_key_number=KeyNumber(row.api_key_number),
        text=row.text,
        finish_reason=FinishReason(row.finish_reason) if row.finish_reason else None,
        failure=ProviderFailure(row.failure) if row.failure else None,
        charged=Microcredits(row.charged),
        held=Microcredits(row.held),
        usage_ids=(
            tuple(UsageId(purse, Moment(ended + n)) for n in range(1, row.attempts + 1))
            if ended is not None
            else ()
        ),
        finished_at=time_of(Moment(ended)) if ended is not None else None,
    )


def _usage_record(row: UsageRecordRow, reader: Reader) -> UsageRecord:
    purse = _purse(row)
    return UsageRecord(
        id=UsageId(purse, Moment(row.moment)),
        answer_id=(
            AnswerId(purse, Moment(row.answer_moment)) if row.answer_moment is not None else None
        ),
        attempt=row.attempt,
        outcome=UsageOutcome(row.outcome),
        model_id=ModelId(row.model_id),
        price_id=PriceId(row.price_id),
        api_key_number=KeyNumber(row.api_key_number),
        input_tokens=row.input_tokens,
        cached_input_tokens=row.cached_input_tokens,
        output_tokens=row.output_tokens,
        is_estimated=row.is_estimated,
        charged=Microcredits(row.charged),
        latency_ms=row.latency_ms,
        first_token_ms=row.first_token_ms,
        problem_code=ProblemCode(row.problem_code) if row.problem_code else None,
        provider_cost=row.provider_cost if reader.as_admin else None,
    )
