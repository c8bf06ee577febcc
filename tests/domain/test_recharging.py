"""What administrators do is checked first, done once, and told to the audit log."""

from datetime import datetime, timedelta, timezone

import pytest

from domain.errors import IdempotencyKeyReused, InvalidInput, NotFound
from domain.ledger import Entry, EntryKind
from domain.pricing import RATE_MAX, Rates
from domain.recharging import ModelChange, Recharging
from domain.units import EntryId, Microcredits, ModelId, Moment, PurseId
from tests.schema.office import NOON
from tests.schema.shop import ADA, EVE, Noon, Shop

TEN = Microcredits(10_000_000)
LATER = NOON + timedelta(days=30)
RATES = Rates(
    input_per_1k=Microcredits(300_000),
    cached_input_per_1k=Microcredits(100_000),
    output_per_1k=Microcredits(1_200_000),
    per_request=Microcredits(0),
)


def recharging(shop: Shop) -> Recharging:
    return Recharging(office=shop.office, clock=Noon())


async def test_one_time_written_in_two_zones_is_the_same_input() -> None:
    shop = Shop()
    service = recharging(shop)
    in_nairobi = LATER.astimezone(timezone(timedelta(hours=3)))

    await service.recharge(EVE, ADA.account_id, TEN, expires_at=LATER, reason="a gift", key="k")
    again = await service.recharge(
        EVE, ADA.account_id, TEN, expires_at=in_nairobi, reason="a gift", key="k"
    )

    assert again.replayed


@pytest.mark.parametrize(
    ("amount", "expires_at", "reason"),
    [
        (Microcredits(10_000_001), LATER, "a gift"),
        (TEN, LATER + timedelta(microseconds=1), "a gift"),
        (TEN, None, "a gift"),
        (TEN, LATER, "another gift"),
    ],
)
async def test_a_key_stands_for_all_of_its_input(
    amount: Microcredits, expires_at: datetime | None, reason: str
) -> None:
    service = recharging(Shop())
    await service.recharge(EVE, ADA.account_id, TEN, expires_at=LATER, reason="a gift", key="k")

    with pytest.raises(IdempotencyKeyReused):
        await service.recharge(
            EVE, ADA.account_id, amount, expires_at=expires_at, reason=reason, key="k"
        )


@pytest.mark.parametrize(
    ("amount", "reason"), [(Microcredits(-TEN), "a gift"), (TEN, "another gift")]
)
async def test_a_key_stands_for_all_of_a_correction(amount: Microcredits, reason: str) -> None:
    service = recharging(Shop())
    await service.adjust(EVE, ADA.account_id, TEN, reason="a gift", key="k")

    with pytest.raises(IdempotencyKeyReused):
        await service.adjust(EVE, ADA.account_id, amount, reason=reason, key="k")


async def test_a_key_stands_for_all_of_a_refund() -> None:
    shop = Shop()
    service = recharging(shop)
    one, other = (add_charge(shop, moment) for moment in (100, 200))
    await service.refund(EVE, one, TEN, reason="an error", key="k")

    for charge, amount, reason in (
        (other, TEN, "an error"),
        (one, Microcredits(1), "an error"),
        (one, None, "an error"),
        (one, TEN, "another error"),
    ):
        with pytest.raises(IdempotencyKeyReused):
            await service.refund(EVE, charge, amount, reason=reason, key="k")
    again = await service.refund(EVE, one, TEN, reason="an error", key="k")
    assert again.replayed


def add_charge(shop: Shop, moment: int) -> EntryId:
    """A charge of ten credits and a bit."""
    charge = EntryId(PurseId(ADA.account_id), Moment(moment))
    shop.books.kept_entries[charge] = Entry(
        id=charge,
        kind=EntryKind.CHARGE,
        amount=Microcredits(-TEN - 1),
        total_after=Microcredits(0),
        answer_id=None,
        reverses=None,
        reason=None,
        actor_id=None,
    )
    return charge


async def test_a_key_stands_for_one_kind_of_change() -> None:
    service = recharging(Shop())

    added = await service.recharge(EVE, ADA.account_id, TEN, expires_at=None, reason="r", key="k")
    corrected = await service.adjust(EVE, ADA.account_id, TEN, reason="r", key="k")

    assert not corrected.replayed
    assert corrected.entry_id != added.entry_id


async def test_bad_input_does_not_use_up_the_key() -> None:
    shop = Shop()
    service = recharging(shop)

    with pytest.raises(InvalidInput):
        await service.recharge(EVE, ADA.account_id, TEN, expires_at=NOON, reason="r", key="k")
    posted = await service.recharge(EVE, ADA.account_id, TEN, expires_at=LATER, reason="r", key="k")

    assert not posted.replayed


@pytest.mark.parametrize("amount", [0, -1])
async def test_only_more_than_nothing_is_added_or_given_back(amount: int) -> None:
    service = recharging(Shop())
    charge = EntryId(ADA.purse, Moment(1))

    with pytest.raises(InvalidInput, match="amount: Must be more than zero"):
        await service.recharge(
            EVE, ADA.account_id, Microcredits(amount), expires_at=None, reason="r", key="k"
        )
    with pytest.raises(InvalidInput, match="amount: Must be more than zero"):
        await service.refund(EVE, charge, Microcredits(amount), reason="r", key="k")


async def test_a_correction_corrects_something() -> None:
    with pytest.raises(InvalidInput, match="amount: Must not be zero"):
        await recharging(Shop()).adjust(EVE, ADA.account_id, Microcredits(0), reason="r", key="k")


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501, "a\0b", "\ud800"])
async def test_a_reason_is_a_short_text_that_can_be_kept(reason: str) -> None:
    service = recharging(Shop())

    with pytest.raises(InvalidInput, match=r"^reason: "):
        await service.adjust(EVE, ADA.account_id, TEN, reason=reason, key="k")


@pytest.mark.parametrize("key", ["", "x" * 129, "\0", "\udfff"])
async def test_a_key_is_a_short_text_that_can_be_kept(key: str) -> None:
    service = recharging(Shop())

    with pytest.raises(InvalidInput, match=r"^idempotency_key: "):
        await service.adjust(EVE, ADA.account_id, TEN, reason="r", key=key)


async def test_the_longest_reason_and_key_are_kept() -> None:
    posted = await recharging(Shop()).adjust(
        EVE, ADA.account_id, TEN, reason="ä" * 500, key="ä" * 128
    )

    assert not posted.replayed


async def test_the_audit_log_is_told_what_was_set() -> None:
    shop = Shop()
    change = ModelChange(
        id=ModelId("small"), name="Smaller", is_enabled=True, context_window=1_000, rates=RATES
    )

    await recharging(shop).save_model(EVE, change)
    await recharging(shop).save_model(EVE, ModelChange(id=ModelId("small")))
    await recharging(shop).set_price(EVE, ModelId("small"), RATES)

    price = "input_per_1k 0.3, cached_input_per_1k 0.1, output_per_1k 1.2, per_request 0"
    assert [entry.summary for entry in shop.books.audit] == [
        f"name: Smaller; context_window: 1000; is_enabled: True; rates: {price}",
        "nothing changed",
        f"price: {price}",
    ]


@pytest.mark.parametrize("rate", [Microcredits(-1), Microcredits(RATE_MAX + 1)])
async def test_a_rate_is_neither_negative_nor_a_typing_error(rate: Microcredits) -> None:
    service = recharging(Shop())
    other = Microcredits(2 * rate)
    rates = Rates(
        input_per_1k=rate, cached_input_per_1k=other, output_per_1k=rate, per_request=rate
    )

    with pytest.raises(InvalidInput) as refused:
        await service.set_price(EVE, ModelId("small"), rates)
    with pytest.raises(InvalidInput) as refused_too:
        await service.save_model(EVE, ModelChange(id=ModelId("small"), rates=rates))

    assert [issue.path for issue in refused.value.issues] == [
        ("rates", "input_per_1k"),
        ("rates", "cached_input_per_1k"),
        ("rates", "output_per_1k"),
        ("rates", "per_request"),
    ]
    assert refused_too.value.issues == refused.value.issues


@pytest.mark.parametrize("model", ["", "a model", "-a", "x" * 129, "a\0"])
async def test_a_word_that_names_no_model_is_never_looked_for(model: str) -> None:
    with pytest.raises(NotFound):
        await recharging(Shop()).set_price(EVE, ModelId(model), RATES)
