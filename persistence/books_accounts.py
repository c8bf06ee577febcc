"""Accounts and the audit log, as readers may see them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, any_, func, literal
from sqlmodel import col, select
from sqlmodel.sql.expression import Select

from domain.identity import Account, AccountStatus, Role
from domain.reporting import AccountFilter, AuditEntry, Page, PageRequest, Reader
from domain.units import AccountId
from persistence.books_pages import BIGINT_MAX, page_of, place_of
from persistence.books_reads import Reads, without
from persistence.tables import AccountContactRow, AccountRow, AuditRow

_Found = tuple[AccountRow, str | None, datetime | None]


class AccountReads(Reads):
    """Reads accounts and what administrators did."""

    __slots__ = ()

    async def accounts(self, reader: Reader, ids: Sequence[AccountId]) -> dict[AccountId, Account]:
        query = _accounts(reader).where(col(AccountRow.id) == any_(literal(ids, ARRAY(BigInteger))))
        async with self.engines.reading(reader) as session:
            found = [_account(row, reader) for row in await session.exec(query)]
        return {account.id: account for account in found}

    async def account_page(
        self, reader: Reader, wanted: AccountFilter, page: PageRequest
    ) -> Page[Account]:
        place = place_of(page, (BIGINT_MAX,))
        query = _accounts(reader).order_by(col(AccountRow.id).desc()).limit(page.first + 1)
        if place is not None:
            query = query.where(col(AccountRow.id) < place[0])
        if wanted.account_id is not None:
            query = query.where(col(AccountRow.id) == wanted.account_id)
        if wanted.role is not None:
            query = query.where(col(AccountRow.role) == wanted.role)
        if wanted.status is not None:
            query = query.where(col(AccountRow.status) == wanted.status)
        async with self.engines.reading(reader) as session:
            if wanted.search:
                found = select(
                    func.tallystick.find_accounts(
                        wanted.search,
                        wanted.role,
                        wanted.status,
                        BIGINT_MAX if place is None else place[0],
                        page.first + 1,
                    )
                )
                ids = (await session.exec(found)).all()
                query = query.where(col(AccountRow.id) == any_(literal(ids, ARRAY(BigInteger))))
            rows = (await session.exec(query)).all()
        return page_of(
            rows, page, item=lambda row: _account(row, reader), place=lambda row: (row[0].id,)
        )

    async def audit_page(self, reader: Reader, page: PageRequest) -> Page[AuditEntry]:
        place = place_of(page, (BIGINT_MAX,))
        query = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(page.first + 1)
        if place is not None:
            query = query.where(col(AuditRow.id) < place[0])
        async with self.engines.reading(reader) as session:
            rows = (await session.exec(query)).all()
        return page_of(rows, page, item=_audit_entry, place=lambda row: (row.id,))


def _accounts(reader: Reader) -> Select[AccountRow, str | None, datetime | None]:
    query = select(
        AccountRow, col(AccountContactRow.email), col(AccountContactRow.confirmed_at)
    ).join(AccountContactRow, col(AccountContactRow.account_id) == AccountRow.id, isouter=True)
    if reader.as_admin:
        return query
    return query.options(without(AccountRow, "suspension_reason"))


def _account(found: _Found, reader: Reader) -> Account:
    row, email, confirmed_at = found
    return Account(
        id=AccountId(row.id),
        email=email,
        email_confirmed=None if email is None else confirmed_at is not None,
        display_name=row.display_name,
        role=Role(row.role),
        status=AccountStatus(row.status),
        suspension_reason=row.suspension_reason if reader.as_admin else None,
        created_at=row.created_at,
    )


def _audit_entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor_id=AccountId(row.actor_id) if row.actor_id is not None else None,
        action=row.action,
        target_id=row.target_id,
        summary=row.summary,
    )
