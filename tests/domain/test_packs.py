"""What packs cost and where they can be bought."""

import pytest

from domain.money import Currency, Money, format_money, parse_money
from domain.offering import PaymentProvider
from domain.packs import Assortment, CreditPack, PackOffer, PackPrice, converted
from domain.units import Microcredits, PackId

USD, KES = Currency.USD, Currency.KES
STRIPE, PAYSTACK = PaymentProvider.STRIPE, PaymentProvider.PAYSTACK


def pack(**prices: int) -> CreditPack:
    return CreditPack(
        id=PackId("starter"),
        name="Starter",
        credits=Microcredits(100),
        bonus=Microcredits(5),
        prices={
            Currency(name): PackPrice(Money(minor, Currency(name)))
            for name, minor in prices.items()
        },
    )


@pytest.mark.parametrize(
    ("cents", "rate", "subunits"),
    [(500, 129_500_000, 64_800), (1, 129_000_000, 200), (100, 130_000_000, 13_000)],
)
def test_a_converted_price_is_in_whole_shillings_and_never_less(
    cents: int, rate: int, subunits: int
) -> None:
    assert converted(Money(cents, USD), kes_per_usd=rate).money == Money(subunits, KES)


def test_a_converted_price_says_by_what_rate() -> None:
    price = converted(Money(500, USD), kes_per_usd=129_500_000)

    assert price.basis == "USD 5.00 at 129.5 KES per USD"


def test_a_pack_is_offered_where_its_currency_is_taken() -> None:
    assortment = Assortment([pack(USD=500, KES=65_000)], {STRIPE: [USD], PAYSTACK: [KES, USD]})

    assert assortment.offers(assortment.packs[0]) == (
        PackOffer(STRIPE, PackPrice(Money(500, USD))),
        PackOffer(PAYSTACK, PackPrice(Money(65_000, KES))),
        PackOffer(PAYSTACK, PackPrice(Money(500, USD))),
    )


def test_a_pack_that_nobody_sells_is_not_on_sale() -> None:
    in_shillings = pack(KES=65_000)
    assortment = Assortment([in_shillings], {STRIPE: [USD]})

    assert assortment.on_sale() == ()
    assert assortment.find(PackId("starter")) == in_shillings
    assert assortment.find(PackId("other")) is None


def test_money_is_read_and_written_in_whole_subunits() -> None:
    assert parse_money("5", USD) == Money(500, USD)
    assert parse_money("0.05", USD) == Money(5, USD)
    assert format_money(Money(505, KES).amount) == "5.05"
    assert str(Money(5, KES)) == "KES 0.05"


def test_fractions_of_a_cent_are_refused() -> None:
    with pytest.raises(ValueError, match="two fraction digits"):
        parse_money("5.005", USD)
