"""Ends what nobody ended: holds whose time is over, and credits whose time is over.

Nothing depends on this being prompt. Spending tests expiry by itself, and a hold that is due but
not yet swept can still be captured by its runner; the sweep only books what is already true.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.answers import AnswerEnd, AnswerStatus, AttemptEnd, UsageOutcome
from domain.errors import LedgerFault, ProblemCode, ProviderFailure, StateConflict
from domain.ledger import Holds
from domain.units import HoldId

BATCH: Final = 500

_log = logging.getLogger(__name__)

ABANDONED: Final = AnswerEnd(
    status=AnswerStatus.FAILED,
    text=None,
    finish_reason=None,
    failure=ProviderFailure.ERROR,
    attempts=(
        AttemptEnd(attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.UNAVAILABLE),
    ),
)
"""How the answer of a runner that died is closed: free, with a record that somebody had tried."""


class Lost(Protocol):
    """What nobody will finish: see `domain.leasing.Lease`."""

    async def give_up_lost(self) -> int: ...


class Overdue(Protocol):
    """What the database knows to be over."""

    async def holds(self, limit: int) -> Sequence[HoldId]:
        """Open holds past their time."""
        ...

    async def settle_purses(self, limit: int) -> int:
        """Book the expiry of lots past their time, and move credits that keys should not keep.

        Those are what revoked keys have left, and what an account owes. Returns how many purses
        that touched.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeping:
    """One round of sweeping; any number of processes may sweep at once."""

    ledger: Holds
    overdue: Overdue
    lost: Lost

    async def sweep(self) -> int:
        """End what is over or lost; returns how many holds and purses that were."""
        await self.lost.give_up_lost()
        ended = 0
        for hold_id in await self.overdue.holds(BATCH):
            try:
                await self.ledger.expire(hold_id, ABANDONED)
            except StateConflict:
                continue  # its runner, or another sweep, was faster
            except LedgerFault as fault:
                # One that cannot be ended must not keep all others from their end.
                _log.error("hold_not_ended", extra={"hold": _row(hold_id), "cause": str(fault)})
                continue
            ended += 1
        return ended + await self.overdue.settle_purses(BATCH)


def _row(hold_id: HoldId) -> str:
    """A hold as `tallystick verify` names its row."""
    return f"({hold_id.purse.account_id}, {hold_id.moment}, {hold_id.purse.key_number})"
