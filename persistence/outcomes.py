"""What the SQL functions that change a purse answer, told as the domain tells it."""

from typing import Final, NamedTuple

from domain.errors import IdempotencyKeyReused, InsufficientCredits, InvalidInput, NotFound
from domain.ledger import Balance, Posted
from domain.units import EntryId, Microcredits, Moment, PurseId
from persistence.operations import Outcome

CHANGE: Final = "SELECT outcome, moment, total, held, owed, changed FROM tallystick."
"""How such a function is asked; its name and its arguments follow."""


class Change(NamedTuple):
    """One row of an answer; the totals are the purse's after it, `changed` is its last moment."""

    outcome: int
    moment: int | None
    total: int | None
    held: int | None
    owed: int | None
    changed: int | None

    def posted(self, purse: PurseId, *, required: Microcredits) -> Posted:
        """The entry, made now or before, and the balance after it.

        Raises NotFound, IdempotencyKeyReused, or InsufficientCredits.
        """
        if self.outcome == Outcome.NO_PURSE:
            raise NotFound("account")
        total, held = Microcredits(self.total or 0), Microcredits(self.held or 0)
        if self.outcome == Outcome.INSUFFICIENT:
            raise InsufficientCredits(required=required, available=Microcredits(total - held))
        if self.outcome == Outcome.CONFLICT:
            raise IdempotencyKeyReused
        if self.moment is None:
            raise AssertionError("what was done has a moment")
        balance = Balance(
            purse, total, held, Microcredits(self.owed or 0), Moment(self.changed or 0)
        )
        return Posted(
            EntryId(purse, Moment(self.moment)), balance, self.outcome == Outcome.REPLAYED
        )


def too_much() -> InvalidInput:
    """What to say when PostgreSQL finds a sum out of range."""
    return InvalidInput.at("amount", "The balance would become larger than can be kept.")
