"""The units and identities everything else is counted and named in."""

from dataclasses import dataclass
from typing import Final, NewType

Microcredits = NewType("Microcredits", int)
"""A millionth of a credit: the only unit amounts are kept and computed in."""

MICROCREDITS_PER_CREDIT: Final = 1_000_000

NO_CREDITS: Final = Microcredits(0)

MICROCREDITS_MAX: Final = Microcredits(2**62)
"""No single amount may exceed this, so that sums of a few never leave PostgreSQL's bigint."""

AccountId = NewType("AccountId", int)
KeyNumber = NewType("KeyNumber", int)
ModelId = NewType("ModelId", str)
PriceId = NewType("PriceId", int)
AlertId = NewType("AlertId", int)
PackId = NewType("PackId", str)
Moment = NewType("Moment", int)
"""Microseconds since 1970, strictly increasing within a purse: at once a time and a name.

The database hands moments out under the lock on the purse's balance, so no two holds, entries
or usage records of one purse share one, and sorting by it is sorting by what happened first.
"""

OWN_CREDITS: Final = KeyNumber(0)
"""The purse that is the account's own, rather than one of its API keys'."""


@dataclass(frozen=True, slots=True, order=True)
class PurseId:
    """What can be spent from: an account's own credits, or those of one of its API keys."""

    account_id: AccountId
    key_number: KeyNumber = OWN_CREDITS


@dataclass(frozen=True, slots=True, order=True)
class ApiKeyId:
    """An API key, named by its account and the number of the purse it has or could have."""

    account_id: AccountId
    number: KeyNumber

    @property
    def purse(self) -> PurseId:
        return PurseId(self.account_id, self.number)


def key_of(account_id: AccountId, number: KeyNumber) -> ApiKeyId | None:
    """The API key of a number; none goes by the number of the account's own credits."""
    return None if number == OWN_CREDITS else ApiKeyId(account_id, number)


@dataclass(frozen=True, slots=True, order=True)
class HoldId:
    """A hold, named by its purse and the moment it was taken."""

    purse: PurseId
    moment: Moment


@dataclass(frozen=True, slots=True, order=True)
class AnswerId:
    """An answer, which shares purse and moment with the hold that pays for it."""

    purse: PurseId
    moment: Moment

    @property
    def hold_id(self) -> HoldId:
        return HoldId(self.purse, self.moment)


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """A ledger entry, named by its purse and the moment it was posted."""

    purse: PurseId
    moment: Moment


@dataclass(frozen=True, slots=True, order=True)
class UsageId:
    """A usage record, named by its purse and the moment it was written."""

    purse: PurseId
    moment: Moment


@dataclass(frozen=True, slots=True, order=True)
class PaymentId:
    """A payment, named by the purse its credits go to and the moment its checkout began."""

    purse: PurseId
    moment: Moment


@dataclass(frozen=True, slots=True, order=True)
class LotId:
    """A lot, which shares purse and moment with the entry that brought its credits in."""

    purse: PurseId
    moment: Moment

    @property
    def entry_id(self) -> EntryId:
        return EntryId(self.purse, self.moment)
