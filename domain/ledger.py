"""Balances, entries, holds and lots, what is always true of them, and the port that changes them.

Always: `available >= 0` and `held >= 0`; `available + held` is the sum of the purse's entries and
the total after the last; `held` is the sum of its open holds; a hold ends at most once; a capture
never exceeds it; one idempotency key has one effect. The database sees to all of this by itself.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.answers import AnswerBeginning, AnswerEnd
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AnswerId,
    EntryId,
    HoldId,
    KeyNumber,
    LotId,
    Microcredits,
    Moment,
    PurseId,
)

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 128
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class EntryKind(StrEnum):
    """Why a balance changed."""

    SIGN_UP_GRANT = "SIGN_UP_GRANT"
    PURCHASE = "PURCHASE"
    CHARGE = "CHARGE"
    REFUND = "REFUND"
    RECHARGE = "RECHARGE"
    ADJUSTMENT = "ADJUSTMENT"
    TRANSFER = "TRANSFER"
    CHARGEBACK = "CHARGEBACK"
    EXPIRY = "EXPIRY"


class HoldStatus(StrEnum):
    """How a hold stands; all but OPEN are final."""

    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class Balance(NamedTuple):
    """What a purse holds; `total` is always the sum of its entries.

    This and what a hold answers with are tuples: a frozen dataclass takes three times as long to
    make, and these are made for every operation.
    """

    purse: PurseId
    total: Microcredits
    held: Microcredits
    owed: Microcredits
    changed_at: Moment

    @property
    def available(self) -> Microcredits:
        return Microcredits(self.total - self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One immutable line of the ledger."""

    id: EntryId
    kind: EntryKind
    amount: Microcredits
    total_after: Microcredits
    answer_id: AnswerId | None
    reverses: EntryId | None
    reason: str | None
    actor_id: AccountId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Credits set aside, and how that ended."""

    id: HoldId
    status: HoldStatus
    amount: Microcredits
    captured: Microcredits
    api_key_number: KeyNumber
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Credits that came in together and expire together.

    Lots burn by earliest expiry, then free before paid, then oldest.
    """

    id: LotId
    entry_id: EntryId
    amount: Microcredits
    remaining: Microcredits
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Once:
    """What makes an operation happen once: its name, the caller's key, and a digest of its input.

    The same key with the same digest leads to the first outcome, with another digest to a conflict.
    Keys are scoped by account and operation, and kept for good.
    """

    operation: str
    key: bytes
    digest: bytes

    @classmethod
    def of(cls, operation: str, key: str, *given: object) -> "Once":
        """Both sides as 128 bits; `given` is everything the caller decided.

        A key that is a UUID stays as it is, so that keys made in order (UUIDv7) are kept in order
        and their index is appended to rather than rewritten all over.
        """
        return cls(
            operation,
            UUID(key).bytes
            if _UUID.fullmatch(key)
            else blake2b(key.encode(), digest_size=16).digest(),
            blake2b(repr(given).encode(), digest_size=16).digest(),
        )

    def by(self, number: KeyNumber) -> "Once":
        """The same as an API key sends it: what another credential began is not the key's."""
        digest = blake2b(self.digest + number.to_bytes(4, "big"), digest_size=16).digest()
        return replace(self, digest=digest)


class HoldTaken(NamedTuple):
    """A hold is open, or was taken by an earlier call with the same key (`replayed`)."""

    hold_id: HoldId
    amount: Microcredits
    balance: Balance
    replayed: bool


class HoldEnded(NamedTuple):
    """A hold has ended and this much was charged for it."""

    charged: Microcredits
    ended_at: Moment
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """A line was written to the ledger, now or by an earlier call with the same key."""

    entry_id: EntryId
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Credits to add: why, whether money was paid for them, and when they lapse."""

    kind: EntryKind
    amount: Microcredits
    is_paid: bool = False
    expires_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Debit:
    """Credits to take: why, from whose lot first, and whether the uncovered rest becomes owed."""

    kind: EntryKind
    amount: Microcredits
    reverses: EntryId | None = None
    may_owe: bool = False
    reason: str | None = None


class Holds(Protocol):
    """The operations on holds: each atomic, and durable when it returns.

    Every one raises Unavailable when the database cannot be reached in time and RateLimited when
    too many operations wait already; either way it may be tried again under the same key.
    """

    async def hold(
        self,
        purse: PurseId,
        amount: Microcredits,
        once: Once,
        *,
        lasts_seconds: int,
        beginning: AnswerBeginning | None = None,
    ) -> HoldTaken:
        """Set credits aside, together with the answer they are for.

        Raises InsufficientCredits or BudgetExceeded (and records the refusal, if it was for an
        answer), IdempotencyKeyReused, or NotFound when there is no such purse.
        """
        ...

    async def capture(
        self, hold_id: HoldId, cost: Microcredits, end: AnswerEnd | None = None
    ) -> HoldEnded:
        """Charge the cost, at most the hold, and give the rest back.

        Capturing again at the same cost replays. Raises StateConflict when the hold ended
        otherwise.
        """
        ...

    async def release(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        """Give the whole hold back. Raises StateConflict when it ended otherwise."""
        ...

    async def expire(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        """Release a hold whose time is over; raises StateConflict when it is not, or it ended."""
        ...


class Postings(Protocol):
    """The operations that bring credits in, take them back and move them: atomic and durable."""

    async def open(self, account_id: AccountId, key_number: KeyNumber = OWN_CREDITS) -> PurseId:
        """Make an empty purse, or find it made."""
        ...

    async def grant(self, purse: PurseId, credit: Credit, once: Once) -> Posted:
        """Add credits; what is owed is repaid from them at once."""
        ...

    async def debit(self, purse: PurseId, debit: Debit, once: Once) -> Posted:
        """Take available credits; raises InsufficientCredits unless the rest may be owed."""
        ...

    async def transfer(
        self, *, source: PurseId, target: PurseId, amount: Microcredits, once: Once
    ) -> Posted:
        """Move available credits between an account and one of its keys, lot by lot.

        The returned entry and balance are the source's.
        """
        ...


class Ledger(Holds, Postings, Protocol):
    """All operations on balances."""
