"""What the ledger promises, as a page of Python that knows no database.

Holds and effects are named by the caller's keys, time is a count of what happened, and what is
spent leaves its lot at once: the database may put that off, but nobody may see a difference.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

LARGEST = 2**63 - 1
"""The largest balance, or debt, that can be kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told: an outcome, the amount it is about, and the balance after it.

    A refusal for lack of credits tells what is required, and what is available as `total`.
    """

    outcome: str
    amount: int = 0
    total: int = 0
    held: int = 0
    owed: int = 0


REUSED = Told("IdempotencyKeyReused")
CONFLICT = Told("StateConflict")
NOT_FOUND = Told("NotFound")
TOO_MUCH = Told("InvalidInput")


@dataclass(slots=True, eq=False)
class Lot:
    """Credits that lapse on a day, or never; `lapsed_at` is when that day came."""

    entry: str
    number: int
    remaining: int
    is_paid: bool
    day: int | None
    lapsed_at: int | None = None

    @property
    def burns(self) -> tuple[bool, int, int, bool, int]:
        """The order in which lots burn: earliest expiry, free before paid, oldest."""
        never = self.day is None
        return never, self.lapsed_at or LARGEST, self.day or 0, self.is_paid, self.number


@dataclass(slots=True, eq=False)
class Hold:
    """Credits set aside at a time, and how that ended."""

    purse: "Purse"
    taken_at: int
    given: str
    amount: int
    is_due: bool
    status: str = "OPEN"
    captured: int = 0
    refunded: int = 0


@dataclass(slots=True, eq=False)
class Purse:
    """Lots, open holds and a debt."""

    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    owed: int = 0

    @property
    def total(self) -> int:
        return sum(lot.remaining for lot in self.lots)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds if hold.status == "OPEN")

    @property
    def available(self) -> int:
        return self.total - self.held

    def in_order(self) -> list[Lot]:
        return sorted((lot for lot in self.lots if lot.remaining), key=lambda lot: lot.burns)

    def told(self, outcome: str, amount: int = 0) -> Told:
        return Told(outcome, amount, self.total, self.held, self.owed)

    def short_of(self, amount: int) -> Told:
        return Told("InsufficientCredits", amount, self.available)

    def burn(self, amount: int) -> None:
        _take(amount, self.in_order())

    def settle(self) -> None:
        """Let lapse what no hold from before still needs, then collect what is owed."""
        covered = 0
        for lot in self.in_order():
            if lot.lapsed_at is None:
                continue
            needed = sum(
                hold.amount
                for hold in self.holds
                if hold.status == "OPEN" and hold.taken_at < lot.lapsed_at
            )
            kept = min(lot.remaining, max(0, needed - covered))
            covered += kept
            lot.remaining -= min(lot.remaining - kept, self.available)
        repaid = min(self.owed, self.available)
        self.burn(repaid)
        self.owed -= repaid


@dataclass(slots=True)
class Account:
    """An account's own purse and its keys' purses, and what each key was used for."""

    purses: dict[int, Purse] = field(default_factory=lambda: {0: Purse()})
    holds: dict[str, Hold] = field(default_factory=dict)
    effects: dict[tuple[str, str], str] = field(default_factory=dict)
    clock: int = 0

    def lapse(self, last_day: int) -> None:
        """The days up to this one come, and with them the end of the credits of these days."""
        self.clock += 1
        for purse in self.purses.values():
            for lot in purse.lots:
                if lot.day is not None and lot.day <= last_day and lot.lapsed_at is None:
                    lot.lapsed_at = self.clock

    def hold(self, number: int, amount: int, key: str, given: str, *, is_due: bool) -> Told:
        purse = self.purses.get(number)
        if purse is None:
            return NOT_FOUND
        purse.settle()
        known = self.holds.get(key)
        if known is not None:
            if known.given != given or known.purse is not purse:
                return REUSED
            return purse.told("replayed", known.amount)
        if purse.available < amount:
            return purse.short_of(amount)
        self.clock += 1
        self.holds[key] = Hold(purse, self.clock, given, amount, is_due)
        purse.holds.append(self.holds[key])
        return purse.told("done", amount)

    def end(self, key: str, status: str, cost: int = 0) -> Told:
        """Capture, release or expire the hold of this key; a cost above it is cut off."""
        hold = self.holds[key]
        hold.purse.settle()
        charged = min(cost, hold.amount)
        if hold.status == status and hold.captured == charged:
            return hold.purse.told("replayed", charged)
        if hold.status != "OPEN" or (status == "EXPIRED" and not hold.is_due):
            return CONFLICT
        hold.status, hold.captured = status, charged
        hold.purse.burn(charged)
        return hold.purse.told("done", charged)

    def grant(
        self, number: int, amount: int, once: tuple[str, str], given: str, *, is_paid: bool,
        day: int | None,
    ) -> Told:  # fmt: skip
        purse = self.purses.get(number)
        if purse is None:
            return NOT_FOUND
        if once in self.effects:
            return self._known(purse, once, given)
        before = deepcopy(self)
        purse.settle()
        self._add(purse, once[1], [(amount, is_paid, day, None)])
        if purse.total > LARGEST:
            self._restore(before)
            return TOO_MUCH
        return self._done([purse], once, given)

    def debit(
        self, number: int, amount: int, once: tuple[str, str], given: str, *, may_owe: bool,
        reverses: str | None,
    ) -> Told:  # fmt: skip
        purse = self.purses.get(number)
        if purse is None:
            return NOT_FOUND
        if once in self.effects:
            return self._known(purse, once, given)
        before = deepcopy(self)
        purse.settle()
        taken = min(amount, purse.available)
        if taken < amount and not may_owe:
            return purse.short_of(amount)
        own = [lot for lot in purse.in_order() if lot.entry == reverses]
        purse.burn(_take(taken, own))
        purse.owed += amount - taken
        if purse.owed > LARGEST:
            self._restore(before)
            return TOO_MUCH
        return self._done([purse], once, given)

    def transfer(
        self, source: int, target: int, amount: int, once: tuple[str, str], given: str
    ) -> Told:
        if not {source, target} <= self.purses.keys():
            return NOT_FOUND
        giving, taking = self.purses[source], self.purses[target]
        if once in self.effects:
            return self._known(giving, once, given)
        before = deepcopy(self)
        giving.settle()
        taking.settle()
        if giving.available < amount:
            return giving.short_of(amount)
        moved = []
        # What lapsed is there for the holds that need it only, and cannot be moved.
        for lot in sorted(giving.in_order(), key=lambda lot: lot.lapsed_at is not None):
            part = min(lot.remaining, amount)
            lot.remaining -= part
            amount -= part
            moved.append((part, lot.is_paid, lot.day, lot.lapsed_at))
        self._add(taking, "moved", moved)
        if taking.total > LARGEST:
            self._restore(before)
            return TOO_MUCH
        return self._done([giving, taking], once, given)

    def refund(self, key: str, amount: int | None, once: tuple[str, str], given: str) -> Told:
        """Give back what a hold was charged: all that is left of it, or an amount."""
        hold = self.holds[key]
        if not hold.captured:
            return NOT_FOUND
        if once in self.effects:
            return self._known(hold.purse, once, given)
        left = hold.captured - hold.refunded
        back = left if amount is None else amount
        if left == 0 or back > left:
            return CONFLICT
        number = next(n for n, purse in self.purses.items() if purse is hold.purse)
        told = self.grant(number, back, once, given, is_paid=False, day=None)
        if told.outcome == "done":
            hold.refunded += back
        return told

    def _known(self, purse: Purse, once: tuple[str, str], given: str) -> Told:
        return purse.told("replayed") if self.effects[once] == given else REUSED

    def _done(self, purses: list[Purse], once: tuple[str, str], given: str) -> Told:
        for purse in purses:
            purse.settle()
        self.effects[once] = given
        return purses[0].told("done")

    def _add(
        self, purse: Purse, entry: str, parts: Iterable[tuple[int, bool, int | None, int | None]]
    ) -> None:
        for amount, is_paid, day, lapsed_at in parts:
            self.clock += 1
            if amount:
                purse.lots.append(Lot(entry, self.clock, amount, is_paid, day, lapsed_at))

    def _restore(self, before: "Account") -> None:
        self.purses, self.holds, self.effects = before.purses, before.holds, before.effects


def _take(amount: int, lots: list[Lot]) -> int:
    """Take from these lots in turn; returns what they did not have."""
    for lot in lots:
        part = min(amount, lot.remaining)
        lot.remaining -= part
        amount -= part
    return amount
