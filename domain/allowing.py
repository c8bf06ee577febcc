"""How much a caller may do in a while: a leaky bucket, kept as the time at which it runs empty.

What is taken fills the bucket, which drains evenly and holds the limit at most. So nobody can take
twice the limit around the turn of a minute, and a caller who waits gets a little back each moment
rather than everything at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from domain.errors import RateLimited

_MICROSECOND = timedelta(microseconds=1)


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

    def take(self, who: str, amount: int = 1) -> Allowance:
        """Count an amount; raises RateLimited when there was too much lately."""
        ...
