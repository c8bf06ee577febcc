"""A balance as it changes: what it is now, and again after every change."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.errors import NotFound
from domain.identity import Viewer
from domain.ledger import Balance, Entry
from domain.reporting import EntryFilter, Page, PageRequest, Reader
from domain.units import OWN_CREDITS, ApiKeyId, PurseId
from domain.watching import Watching

ENTRIES_MAX: Final = 100
"""Entries told for one look; of a purse that moves faster, the newest are told."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A balance, and the entry that moved it, if one did."""

    balance: Balance
    entry: Entry | None


class ReadsPurses(Protocol):
    """Balances and their entries, as a reader may see them."""

    async def balances(
        self, reader: Reader, purses: Sequence[PurseId]
    ) -> dict[PurseId, Balance]: ...

    async def entry_page(
        self, reader: Reader, wanted: EntryFilter, page: PageRequest
    ) -> Page[Entry]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChanges:
    """Tells what becomes of balances."""

    books: ReadsPurses
    watching: Watching[PurseId]

    async def follow(self, viewer: Viewer) -> AsyncGenerator[BalanceChange, None]:
        """The viewer's balance now, then every entry with the balance after the latest of them.

        A change without an entry (credits were set aside, or set free) is told once for all that
        happened since the last look. Every read is made with the viewer's own rights.
        """
        reader = Reader(viewer.session_id)
        with self.watching.watch(viewer.purse) as watch:
            balance = await self._balance(reader, viewer.purse)
            yield BalanceChange(balance, None)
            while True:
                told = balance.changed_at
                await watch.beyond(told)
                balance = await self._balance(reader, viewer.purse)
                entries = await self._entries(reader, balance, told)
                for entry in entries:
                    yield BalanceChange(balance, entry)
                if not entries and balance.changed_at > told:
                    yield BalanceChange(balance, None)

    async def _balance(self, reader: Reader, purse: PurseId) -> Balance:
        found = await self.books.balances(reader, [purse])
        if purse not in found:
            raise NotFound("balance")
        return found[purse]

    async def _entries(self, reader: Reader, balance: Balance, told: int) -> list[Entry]:
        """Those after a moment, oldest first, none that the balance does not contain yet."""
        purse = balance.purse
        is_own = purse.key_number == OWN_CREDITS
        wanted = EntryFilter(
            account_id=purse.account_id,
            api_key=None if is_own else ApiKeyId(purse.account_id, purse.key_number),
        )
        page = await self.books.entry_page(reader, wanted, PageRequest(first=ENTRIES_MAX))
        found = [
            entry
            for entry in page.items
            if entry.id.purse == purse and told < entry.id.moment <= balance.changed_at
        ]
        return found[::-1]
