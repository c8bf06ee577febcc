"""Pages of lists: forwards only, newest first, continued from a cursor."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

import strawberry
from graphql import GraphQLError

from domain.reporting import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Page, PageRequest

Item = TypeVar("Item")

FIRST: Final = PAGE_SIZE_DEFAULT
PAGE: Final = "A page of results, newest first."
EDGE: Final = "An item of a page, with its cursor."
_NUMBER_BYTES: Final = 8


class BadRequest(GraphQLError):
    """The request asks for what cannot be; told in `errors`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "BAD_REQUEST"})


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind of list: what its cursors begin with, and how many numbers its items sort by."""

    tag: bytes
    numbers: int

    def request(self, first: int, after: str | None) -> PageRequest:
        """The page that was asked for; raises BadRequest."""
        if not 1 <= first <= PAGE_SIZE_MAX:
            raise BadRequest(f"`first` must be from 1 to {PAGE_SIZE_MAX}.")
        return PageRequest(first, self._place(after) if after else None)

    def cursor(self, place: tuple[int, ...]) -> str:
        numbers = b"".join(n.to_bytes(_NUMBER_BYTES, "big", signed=True) for n in place)
        return urlsafe_b64encode(self.tag + numbers).decode().rstrip("=")

    def _place(self, cursor: str) -> tuple[int, ...]:
        try:
            given = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            given = b""
        place = tuple(
            int.from_bytes(given[at : at + _NUMBER_BYTES], "big", signed=True)
            for at in range(len(self.tag), len(given), _NUMBER_BYTES)
        )
        is_ours = len(place) == self.numbers and all(number >= 0 for number in place)
        if not is_ours or self.cursor(place) != cursor:
            raise BadRequest("`after` is not a cursor of this list. Take one from its `pageInfo`.")
        return place


ACCOUNTS: Final = Listing(b"c", 1)
ALERTS: Final = Listing(b"l", 1)
ANSWERS: Final = Listing(b"a", 3)
AUDIT: Final = Listing(b"d", 1)
ENTRIES: Final = Listing(b"e", 3)
HOLDS: Final = Listing(b"h", 3)
PAYMENTS: Final = Listing(b"p", 3)
USAGE: Final = Listing(b"u", 3)


@dataclass(frozen=True, slots=True)
class Read(Generic[Item]):
    """A page that was read, and the request it answers."""

    page: Page[Item]
    request: PageRequest
    listing: Listing

    def cursors(self) -> Iterator[str]:
        return (self.listing.cursor(place) for place in self.page.places)


@strawberry.type(description="Where a page sits in its connection.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(cls, read: Read[Item]) -> Self:
        places = read.page.places
        return cls(
            has_next_page=read.page.has_next,
            # A cursor is an item that was there, so there is something before what follows it.
            has_previous_page=read.request.after is not None,
            start_cursor=read.listing.cursor(places[0]) if places else None,
            end_cursor=read.listing.cursor(places[-1]) if places else None,
        )
