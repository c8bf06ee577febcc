"""Packs and payments: one account's, or everybody's."""

from collections.abc import AsyncGenerator, Sequence

from domain.packs import CreditPack
from domain.paying import Started, Wanted
from domain.payments import Payment, PaymentStatus
from domain.reporting import Page, PageRequest, PaymentFilter
from domain.units import AccountId, PackId, PaymentId
from resolvers.context import Context


def packs(context: Context) -> Sequence[CreditPack]:
    """What can be bought now."""
    return context.services.paying.assortment.on_sale()


def pack(context: Context, pack_id: PackId) -> CreditPack | None:
    """A pack by its id, whether it can be bought now or not."""
    return context.services.paying.assortment.find(pack_id)


async def own_payment(context: Context, payment_id: PaymentId) -> Payment | None:
    """One of the caller's payments, after its provider was asked about it if it is pending."""
    found = await _own(context, payment_id)
    if found is None or found.status is not PaymentStatus.PENDING:
        return found
    await context.services.paying.look(payment_id)
    return await _own(context, payment_id)


async def own(context: Context, page: PageRequest) -> Page[Payment]:
    return await of_account(context, context.signed_in.account_id, page)


async def of_account(context: Context, account_id: AccountId, page: PageRequest) -> Page[Payment]:
    wanted = PaymentFilter(account_id=account_id)
    return await context.services.books.payment_page(context.reader(), wanted, page)


async def of_everybody(context: Context, wanted: PaymentFilter, page: PageRequest) -> Page[Payment]:
    return await context.services.books.payment_page(context.admin_reader(), wanted, page)


def changes(context: Context, payment_id: PaymentId | None) -> AsyncGenerator[Payment, None]:
    """One of the caller's payments, now and until it is not pending any more."""
    return context.services.payment_changes.follow(context.signed_in, payment_id)


async def start_checkout(context: Context, wanted: Wanted, key: str) -> Started:
    return await context.services.paying.start(context.signed_in, wanted, key)


async def open_billing_portal(context: Context, return_path: str | None) -> str:
    return await context.services.paying.open_portal(context.signed_in, return_path)


async def _own(context: Context, payment_id: PaymentId) -> Payment | None:
    if payment_id.purse.account_id != context.signed_in.account_id:
        return None
    return (await context.services.books.payments(context.reader(), [payment_id])).get(payment_id)
