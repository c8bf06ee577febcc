"""Payments, by name and page by page, and which lines of the ledger are theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import col, select

from domain.money import Currency, Money
from domain.offering import PaymentProvider
from domain.payments import Payment, PaymentMode, PaymentStatus
from domain.reporting import Page, PageRequest, PaymentFilter, Reader
from domain.units import (
    AccountId,
    EntryId,
    KeyNumber,
    Microcredits,
    Moment,
    PackId,
    PaymentId,
    PurseId,
)
from persistence.books_pages import History, named
from persistence.books_reads import Reads, without
from persistence.tables import PaymentEntryRow, PaymentRow

_FOR_ADMINS: Final = (
    "price_basis",
    "valid_days",
    "bonus_valid_days",
    "checkout_reference",
    "checkout_url",
    "charge_reference",
    "customer_reference",
    "money_back",
    "taken_at",
    "became_owed",
    "revision",
    "looks",
    "looked_at",
)
"""Columns that are granted to administrators only."""


class PaymentReads(Reads):
    """Reads payments."""

    __slots__ = ()

    async def payments(self, reader: Reader, ids: Sequence[PaymentId]) -> dict[PaymentId, Payment]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            rows = await named(session, PaymentRow, names, *_options(reader))
        return {payment.id: payment for payment in (_payment(row, reader) for row in rows)}

    async def payments_of_entries(
        self, reader: Reader, ids: Sequence[EntryId]
    ) -> dict[EntryId, PaymentId]:
        names = [(id.purse.account_id, id.moment, id.purse.key_number) for id in ids]
        async with self.engines.reading(reader) as session:
            rows = await named(session, PaymentEntryRow, names)
        return {
            EntryId(_purse(row), Moment(row.moment)): PaymentId(
                _purse(row), Moment(row.payment_moment)
            )
            for row in rows
        }

    async def payment_page(
        self, reader: Reader, wanted: PaymentFilter, page: PageRequest
    ) -> Page[Payment]:
        query = select(PaymentRow).options(*_options(reader))
        if wanted.account_id is not None:
            query = query.where(PaymentRow.account_id == wanted.account_id)
        if wanted.statuses is not None:
            query = query.where(col(PaymentRow.status).in_(wanted.statuses))
        history = History(
            table=PaymentRow,
            query=query,
            is_of_everybody=reader.as_admin and wanted.account_id is None,
        )
        async with self.engines.reading(reader) as session:
            return await history.page(session, page, lambda row: _payment(row, reader))


def payment_of(row: Mapping[str, object]) -> Payment:
    """A whole row of payments, as a function returns it."""
    return _whole(PaymentRow.model_validate(dict(row)))


def _options(reader: Reader) -> Sequence[ExecutableOption]:
    return () if reader.as_admin else tuple(without(PaymentRow, name) for name in _FOR_ADMINS)


def _purse(row: PaymentRow | PaymentEntryRow) -> PurseId:
    return PurseId(AccountId(row.account_id), KeyNumber(row.key_number))


def _payment(row: PaymentRow, reader: Reader) -> Payment:
    return _whole(row) if reader.as_admin else _seen(row)


def _seen(row: PaymentRow) -> Payment:
    """What its owner may see of it."""
    purse = _purse(row)
    return Payment(
        id=PaymentId(purse, Moment(row.moment)),
        status=PaymentStatus(row.status),
        provider=PaymentProvider(row.provider),
        mode=PaymentMode(row.mode),
        pack_id=PackId(row.pack_id),
        pack_name=row.pack_name,
        price=Money(row.price, Currency(row.currency)),
        credits=Microcredits(row.credits),
        bonus=Microcredits(row.bonus),
        paid_at=row.paid_at,
        entry_id=EntryId(purse, Moment(row.entry_moment)) if row.entry_moment else None,
        receipt_url=row.receipt_url,
        taken_back=Microcredits(row.taken_back),
    )


def _whole(row: PaymentRow) -> Payment:
    return replace(
        _seen(row),
        checkout_url=row.checkout_url,
        checkout_reference=row.checkout_reference,
        charge_reference=row.charge_reference,
        customer_reference=row.customer_reference,
        money_back=row.money_back,
        revision=row.revision,
    )
