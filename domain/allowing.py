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
from domain.units import AccountId

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
        reset_at = max(now, empty_at) + self.draining_of(amount)
        if reset_at - now > self.window:
            raise self.refusal(reset_at - now)
        return self.standing(amount, reset_at=reset_at, now=now)

    def refusal(self, level: timedelta) -> RateLimited:
        """What to say of a bucket that would be too full: it would run empty only in so long."""
        too_full_for = level - self.window
        return RateLimited(retry_after_seconds=max(1, ceil(too_full_for.total_seconds())))

    def standing(self, cost: int, *, reset_at: datetime, now: datetime) -> Allowance:
        """What is left in a bucket that runs empty at a time."""
        return Allowance(
            cost=cost,
            limit=self.limit,
            remaining=self.amount_in(self.window - (reset_at - now)),
            reset_at=reset_at,
        )

    def draining_of(self, amount: int) -> timedelta:
        """How long an amount takes to drain."""
        return self.window * amount // self.limit

    def amount_in(self, free: timedelta) -> int:
        """How much drains in so long."""
        # Counted in whole microseconds: what was taken evenly is given back evenly.
        return (free // _MICROSECOND) * self.limit // (self.window // _MICROSECOND)


class Allowances(Protocol):
    """The buckets of everybody, each by the name of who takes from it."""

    async def take(self, who: str, amount: int = 1) -> Allowance:
        """Count an amount; raises RateLimited when there was too much lately."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How much a bucket is to be filled by, told as how long that takes to drain."""

    needed: timedelta
    wanted: timedelta
    """As much as is needed, or more."""
    window: timedelta
    """How long a full bucket takes to run empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What a bucket was filled by, and how full it is now."""

    taken: timedelta
    """As much of what was wanted as there was room for; nothing if that was less than needed."""
    runs_empty_in: timedelta


class Buckets(Protocol):
    """The buckets that all processes share."""

    async def fill(self, name: str, filling: Filling) -> Level:
        """Fill a bucket as far as it has room, in one step. Raises Unavailable."""
        ...


class NotesRefusals(Protocol):
    """Counts tries that were refused, for whoever watches over them."""

    def identity_refused(
        self, network_address: str, identity: str | None, account_id: AccountId | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityTries:
    """Tries at an identity: signing in or up, asking for a link, proving who one is.

    Counted by where they come from, so that one place cannot try many identities, and by whom they
    are for, so that many places cannot try one.
    """

    by_network: Allowances
    by_identity: Allowances
    watch: NotesRefusals

    async def count(self, address: str, identity: str | None = None) -> None:
        """Count one try from a network address, and for an identity as it was normalised.

        Raises RateLimited, whether or not anybody has that identity.
        """
        try:
            await self.by_network.take(network_of(address))
            if identity is not None:
                await self.by_identity.take(identity)
        except RateLimited:
            self.watch.identity_refused(address, identity)
            raise


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
