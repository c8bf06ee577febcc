"""Entries and holds: one account's, or everybody's."""

from dataclasses import replace

from domain.ledger import Entry, Hold
from domain.reporting import EntryFilter, HoldFilter, Page, PageRequest
from domain.units import AccountId
from resolvers.context import Context


async def own_entries(context: Context, wanted: EntryFilter, page: PageRequest) -> Page[Entry]:
    """The caller's entries, whatever else it may see."""
    return await entries_of_account(context, context.signed_in.account_id, wanted, page)


async def entries_of_account(
    context: Context, account_id: AccountId, wanted: EntryFilter, page: PageRequest
) -> Page[Entry]:
    wanted = replace(wanted, account_id=account_id)
    return await context.services.books.entry_page(context.reader(), wanted, page)


async def entries_of_everybody(
    context: Context, wanted: EntryFilter, page: PageRequest
) -> Page[Entry]:
    return await context.services.books.entry_page(context.admin_reader(), wanted, page)


async def own_holds(context: Context, wanted: HoldFilter, page: PageRequest) -> Page[Hold]:
    """The caller's holds, whatever else it may see."""
    wanted = replace(wanted, account_id=context.signed_in.account_id)
    return await context.services.books.hold_page(context.reader(), wanted, page)


async def holds_of_everybody(context: Context, wanted: HoldFilter, page: PageRequest) -> Page[Hold]:
    return await context.services.books.hold_page(context.admin_reader(), wanted, page)
