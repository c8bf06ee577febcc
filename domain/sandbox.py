"""The sandbox: a payment provider without money, which does what its visitor says.

It takes the place of every provider in demo mode, so that a newcomer can buy credits, pay late, be
declined, be refunded and dispute, without an account anywhere. To everything else it is a provider
like the others: it has to be asked how a payment stands, and may say so late, twice or never.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, assert_never

from domain.money import Money
from domain.offering import PaymentProvider
from domain.payments import (
    PaymentMode,
    Progress,
    Reversal,
    ReversalKind,
    ReversalState,
    Standing,
)

REFUNDS_MAX: Final = 20
PARTS: Final = 4
"""A partial refund is of a quarter."""


class ChargeState(StrEnum):
    """How a charge of the sandbox stands."""

    OPEN = "OPEN"
    WAITING = "WAITING"
    """Its visitor has left to pay by a way that takes a while."""
    PAID = "PAID"
    DECLINED = "DECLINED"


class Deed(StrEnum):
    """What a visitor of a checkout page may do."""

    PAY = "pay"
    PAY_LATER = "pay-later"
    DECLINE = "decline"
    REFUND_PART = "refund-part"
    REFUND = "refund"
    FAIL_REFUND = "fail-refund"
    DISPUTE = "dispute"
    WIN = "win"
    LOSE = "lose"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCharge:
    """What the sandbox knows of one payment."""

    reference: str
    """Unguessable: whoever knows it may do all of this."""
    payment: str
    """Our own name of the payment."""
    provider: PaymentProvider
    pack_name: str
    price: Money
    return_url: str
    state: ChargeState = ChargeState.OPEN
    paid_at: datetime | None = None
    refunds: tuple[tuple[int, ReversalState], ...] = ()
    dispute: ReversalState | None = None

    @property
    def refunded(self) -> int:
        return sum(minor for minor, state in self.refunds if state.takes_money)

    def deeds(self) -> Sequence[Deed]:
        """What may be done now."""
        match self.state:
            case ChargeState.OPEN:
                return (Deed.PAY, Deed.PAY_LATER, Deed.DECLINE)
            case ChargeState.WAITING:
                return (Deed.PAY, Deed.DECLINE)
            case ChargeState.DECLINED:
                return (Deed.PAY,)
            case ChargeState.PAID:
                return (*self._refunding(), *self._disputing())
            case _:
                assert_never(self.state)

    def after(self, deed: Deed, now: datetime) -> "SandboxCharge":
        """The charge once this is done; as it is, where it may not be done."""
        if deed not in self.deeds():
            return self
        if deed in _REFUNDS:
            return self._refunding_after(deed)
        if deed in _DISPUTES:
            return replace(self, dispute=_DISPUTES[deed])
        paid_at = now if deed is Deed.PAY else self.paid_at
        return replace(self, state=_STATES[deed], paid_at=paid_at)

    def standing(self) -> Standing:
        """What the sandbox says when it is asked."""
        reversals = [
            Reversal(
                kind=ReversalKind.REFUND,
                reference=f"{self.reference}-refund-{number}",
                minor=minor,
                state=state,
            )
            for number, (minor, state) in enumerate(self.refunds, start=1)
        ]
        if self.dispute is not None:
            reversals.append(
                Reversal(
                    kind=ReversalKind.DISPUTE,
                    reference=f"{self.reference}-dispute",
                    minor=self.price.minor,
                    state=self.dispute,
                )
            )
        return Standing(
            progress=_PROGRESS[self.state],
            mode=PaymentMode.SANDBOX,
            reference=self.payment,
            minor=self.price.minor,
            currency=self.price.currency,
            charge_reference=f"{self.reference}-charge" if self.paid_at else None,
            paid_at=self.paid_at,
            reversals=reversals,
        )

    def _refunding(self) -> Sequence[Deed]:
        may_refund = self.refunded < self.price.minor and len(self.refunds) < REFUNDS_MAX
        may_fail = bool(self.refunds) and self.refunds[-1][1].takes_money
        return (
            *((Deed.REFUND_PART, Deed.REFUND) if may_refund else ()),
            *((Deed.FAIL_REFUND,) if may_fail else ()),
        )

    def _disputing(self) -> Sequence[Deed]:
        if self.dispute is None:
            return (Deed.DISPUTE,)
        return (Deed.WIN, Deed.LOSE) if self.dispute is ReversalState.OPEN else ()

    def _refunding_after(self, deed: Deed) -> "SandboxCharge":
        if deed is Deed.FAIL_REFUND:
            last, _ = self.refunds[-1]
            return replace(self, refunds=(*self.refunds[:-1], (last, ReversalState.FAILED)))
        left = self.price.minor - self.refunded
        wanted = left if deed is Deed.REFUND else max(1, self.price.minor // PARTS)
        return replace(self, refunds=(*self.refunds, (min(wanted, left), ReversalState.SUCCEEDED)))


_REFUNDS: Final = frozenset({Deed.REFUND_PART, Deed.REFUND, Deed.FAIL_REFUND})
_DISPUTES: Final = {
    Deed.DISPUTE: ReversalState.OPEN,
    Deed.WIN: ReversalState.WON,
    Deed.LOSE: ReversalState.LOST,
}
_STATES: Final = {
    Deed.PAY: ChargeState.PAID,
    Deed.PAY_LATER: ChargeState.WAITING,
    Deed.DECLINE: ChargeState.DECLINED,
}
_PROGRESS: Final = {
    ChargeState.OPEN: Progress.OPEN,
    ChargeState.WAITING: Progress.OPEN,
    ChargeState.PAID: Progress.PAID,
    ChargeState.DECLINED: Progress.FAILED,
}


class SandboxTill(Protocol):
    """Where the sandbox keeps its charges. Everything raises Unavailable."""

    async def charge(self, reference: str) -> SandboxCharge | None: ...

    async def keep(self, charge: SandboxCharge, *, before: SandboxCharge | None) -> bool:
        """Keep a charge if it still is what it was, or is not there yet; whether it was."""
        ...

    async def changed_since(self, since: datetime) -> Sequence[SandboxCharge]: ...
