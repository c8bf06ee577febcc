"""How much a caller may do in a while: a leaky bucket, kept as the time at which it runs empty.

What is taken fills the bucket, which drains evenly and holds the limit at most. So nobody can take
twice the limit around the turn of a minute, and a caller who waits gets a little back each moment
rather than everything at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Final, Protocol

from domain.errors import RateLimited

_MICROSECOND: Final = timedelta(microseconds=1)
_ONE_SUBSCRIBER_V6: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a taking cost and left; the whole limit is there again at `reset_at`."""

    cost: int
    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """So much at once, and so much again in so long."""

    limit: int
    window: timedelta

    def take(self, amount: int, *, empty_at: datetime, now: datetime) -> Allowance:
        """Fill the bucket by an amount; `reset_at` of the result is when it will be empty then.

        Raises RateLimited with the whole seconds until the amount fits, and takes nothing.
        """
        begins_at = max(now, empty_at)
        reset_at = begins_at + self._draining_of(amount)
        too_full_for = reset_at - now - self.window
        if too_full_for > timedelta(0):
            raise RateLimited(retry_after_seconds=ceil(too_full_for.total_seconds()))
        return Allowance(
            cost=amount,
            limit=self.limit,
            remaining=self._room_in(self.window - (reset_at - now)),
            reset_at=reset_at,
        )

    def _draining_of(self, amount: int) -> timedelta:
        return self.window * amount // self.limit

    def _room_in(self, free: timedelta) -> int:
        # Counted in whole microseconds: what was taken evenly is given back evenly.
        return (free // _MICROSECOND) * self.limit // (self.window // _MICROSECOND)


class Allowances(Protocol):
    """The buckets of everybody, each by the name of who takes from it."""

    async def take(self, who: str, amount: int = 1) -> Allowance:
        """Count an amount; raises RateLimited when there was too much lately."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityTries:
    """Tries at an identity: signing in or up, asking for a link, proving who one is.

    Counted by where they come from, so that one place cannot try many identities, and by whom they
    are for, so that many places cannot try one.
    """

    by_network: Allowances
    by_identity: Allowances

    async def count(self, address: str, identity: str | None = None) -> None:
        """Count one try from a network address, and for an identity as it was normalised.

        Raises RateLimited, whether or not anybody has that identity.
        """
        await self.by_network.take(network_of(address))
        if identity is not None:
            await self.by_identity.take(identity)


def network_of(address: str) -> str:
    """Whose an address is, as far as it tells: one IPv4 address, or the /64 of a subscriber."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, _ONE_SUBSCRIBER_V6), strict=False))
