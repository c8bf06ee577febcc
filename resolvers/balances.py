"""Balances as they change."""

from collections.abc import AsyncGenerator

from domain.balance_changes import BalanceChange
from resolvers.context import Context


def changes(context: Context) -> AsyncGenerator[BalanceChange, None]:
    """The balance that the calling credential spends from, now and after every change."""
    return context.services.balance_changes.follow(context.signed_in)
