"""Attempts to answer: one account's, or everybody's."""

from dataclasses import replace

from domain.answers import UsageRecord
from domain.reporting import Page, PageRequest, UsageFilter
from domain.units import AccountId
from resolvers.context import Context


async def own(context: Context, wanted: UsageFilter, page: PageRequest) -> Page[UsageRecord]:
    """The caller's attempts, whatever else it may see."""
    return await of_account(context, context.signed_in.account_id, wanted, page)


async def of_account(
    context: Context, account_id: AccountId, wanted: UsageFilter, page: PageRequest
) -> Page[UsageRecord]:
    wanted = replace(wanted, account_id=account_id)
    return await context.services.books.usage_page(context.reader(), wanted, page)


async def of_everybody(
    context: Context, wanted: UsageFilter, page: PageRequest
) -> Page[UsageRecord]:
    return await context.services.books.usage_page(context.admin_reader(), wanted, page)
