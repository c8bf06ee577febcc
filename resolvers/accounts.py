"""Accounts, and what administrators did to them."""

from domain.identity import Account
from domain.reporting import AccountFilter, AuditEntry, Page, PageRequest
from domain.units import AccountId
from resolvers.context import Context


async def account(context: Context, account_id: AccountId) -> Account | None:
    """Any account, for administrators; None when there is none of that name."""
    found = await context.services.books.accounts(context.admin_reader(), [account_id])
    return found.get(account_id)


async def accounts(context: Context, wanted: AccountFilter, page: PageRequest) -> Page[Account]:
    return await context.services.books.account_page(context.admin_reader(), wanted, page)


async def audit_log(context: Context, page: PageRequest) -> Page[AuditEntry]:
    return await context.services.books.audit_page(context.admin_reader(), page)


async def suspend(context: Context, account_id: AccountId, *, reason: str) -> None:
    await context.services.suspending.suspend(context.signed_in, account_id, reason=reason)


async def reinstate(context: Context, account_id: AccountId, *, reason: str) -> None:
    await context.services.suspending.reinstate(context.signed_in, account_id, reason=reason)
