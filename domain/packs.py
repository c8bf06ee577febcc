"""What can be bought: packs of credits, their prices, and through whom each can be paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from domain.money import MINOR_PER_UNIT, Currency, MicroMoney, Money, format_money, rounded_up
from domain.offering import PaymentProvider
from domain.units import NO_CREDITS, Microcredits, PackId

RATE_SCALE: Final = 1_000_000
LISTED: Final = "list"
"""The basis of a price that the price list states itself."""


@dataclass(frozen=True, slots=True)
class PackPrice:
    """What a pack costs, and where that comes from: the list, or a rate that was in force."""

    money: Money
    basis: str = LISTED


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPack:
    """A fixed amount of credits for a fixed price; the bonus is free, and a lot of its own."""

    id: PackId
    name: str
    credits: Microcredits
    bonus: Microcredits = NO_CREDITS
    valid_days: int | None = None
    bonus_valid_days: int | None = None
    prices: Mapping[Currency, PackPrice] = field(default_factory=dict)

    @property
    def total(self) -> Microcredits:
        return Microcredits(self.credits + self.bonus)


@dataclass(frozen=True, slots=True)
class PackOffer:
    """One way to buy a pack."""

    provider: PaymentProvider
    price: PackPrice


@dataclass(frozen=True, slots=True)
class Assortment:
    """The packs of this deployment, and the currencies each of its providers takes."""

    packs: Sequence[CreditPack] = ()
    taken: Mapping[PaymentProvider, Sequence[Currency]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def find(self, pack_id: PackId) -> CreditPack | None:
        return next((pack for pack in self.packs if pack.id == pack_id), None)

    def offers(self, pack: CreditPack) -> tuple[PackOffer, ...]:
        """Where and for how much a pack can be bought now."""
        return tuple(
            PackOffer(provider, pack.prices[currency])
            for provider, currencies in self.taken.items()
            for currency in currencies
            if currency in pack.prices
        )

    def on_sale(self) -> tuple[CreditPack, ...]:
        """The packs that can be bought now."""
        return tuple(pack for pack in self.packs if self.offers(pack))


def converted(price: Money, *, kes_per_usd: int) -> PackPrice:
    """A dollar price in shillings, at a rate in millionths.

    Rounded up to the whole shilling: M-Pesa moves no cents. The rate is kept with the price, and so
    with every order, which shows for good what it was made of.
    """
    cents = price.minor * kes_per_usd
    shillings = rounded_up(cents, denominator=RATE_SCALE * MINOR_PER_UNIT)
    told = format_money(MicroMoney(kes_per_usd))
    return PackPrice(
        Money(shillings * MINOR_PER_UNIT, Currency.KES), f"{price} at {told} KES per USD"
    )
