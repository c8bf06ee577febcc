"""What administrators do to balances and prices happens once, and is kept in the audit log."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    StateConflict,
)
from domain.keys import KeyFunding
from domain.ledger import EntryKind, Once, Posted
from domain.recharging import ModelChange
from domain.reporting import PageRequest
from domain.units import (
    MICROCREDITS_MAX,
    AccountId,
    EntryId,
    Microcredits,
    ModelId,
    Moment,
    PurseId,
)
from persistence.verifying import verify
from tests.persistence.bank import MODEL, RATES, Bank, Customer
from tests.persistence.programs import make_program

NOBODY = AccountId(7)
NEW_MODEL = ModelChange(
    id=ModelId("large"),
    name="Large",
    vendor="Tallystick",
    upstream_name="large-1",
    context_window=32_000,
    answer_tokens_max=4_000,
    is_enabled=True,
    rates=RATES,
)


async def test_a_recharge_adds_credits_with_their_reason_and_expiry(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(10)
    in_a_century = datetime(2126, 1, 1, tzinfo=UTC)

    posted = await bank.office.recharge(
        admin.session_id,
        alice.account_id,
        Microcredits(5),
        expires_at=in_a_century,
        reason="a gift",
        once=Once.of("rechargeCredits", "1"),
    )

    entry = (await bank.books.entries(alice.reader, [posted.entry_id]))[posted.entry_id]
    lots = (await bank.books.lots(alice.reader, [alice.purse]))[alice.purse]
    assert (posted.balance.total, posted.replayed) == (15, False)
    assert (entry.kind, entry.amount, entry.reason) == (EntryKind.RECHARGE, 5, "a gift")
    assert entry.actor_id == admin.account_id
    assert [(lot.remaining, lot.expires_at) for lot in lots] == [(5, in_a_century), (10, None)]


async def test_a_recharge_repeated_replays(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer()

    first = await _recharge(bank, admin, alice, 5, Once.of("rechargeCredits", "1", 5))
    second = await _recharge(bank, admin, alice, 5, Once.of("rechargeCredits", "1", 5))

    assert (first.entry_id, first.replayed, second.replayed) == (second.entry_id, False, True)
    assert second.balance.total == 5


async def test_a_recharge_with_a_key_that_was_used_otherwise_is_refused(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer()
    await _recharge(bank, admin, alice, 5, Once.of("rechargeCredits", "1", 5))

    with pytest.raises(IdempotencyKeyReused):
        await _recharge(bank, admin, alice, 6, Once.of("rechargeCredits", "1", 6))


async def test_recharges_with_one_key_at_once_have_one_effect(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer()
    once = Once.of("rechargeCredits", "1", 5)

    posted = await asyncio.gather(*(_recharge(bank, admin, alice, 5, once) for _ in range(50)))

    assert sorted(result.replayed for result in posted) == [False] + [True] * 49
    assert {result.entry_id for result in posted} == {posted[0].entry_id}
    balances = await bank.books.balances(alice.reader, [alice.purse])
    audits = await bank.books.audit_page(admin.admin, PageRequest())
    assert balances[alice.purse].total == 5
    assert [audit.action for audit in audits.items].count("rechargeCredits") == 1


async def test_a_recharge_of_nobody_is_refused(bank: Bank) -> None:
    admin = await bank.administrator()
    nobody = replace(admin, account_id=NOBODY)

    with pytest.raises(NotFound):
        await _recharge(bank, admin, nobody, 5, Once.of("rechargeCredits", "1"))


async def test_a_balance_larger_than_can_be_kept_is_refused(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer()
    await _recharge(bank, admin, alice, MICROCREDITS_MAX, Once.of("rechargeCredits", "1"))

    with pytest.raises(InvalidInput, match="larger than can be kept"):
        await _recharge(bank, admin, alice, MICROCREDITS_MAX, Once.of("rechargeCredits", "2"))

    balances = await bank.books.balances(alice.reader, [alice.purse])
    assert balances[alice.purse].total == MICROCREDITS_MAX


async def test_an_adjustment_goes_either_way_but_never_below_zero(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(10)

    up = await _adjust(bank, admin, alice, 5, "1")
    down = await _adjust(bank, admin, alice, -12, "2")
    with pytest.raises(InsufficientCredits) as refused:
        await _adjust(bank, admin, alice, -4, "3")

    assert (up.balance.total, down.balance.total) == (15, 3)
    assert (refused.value.required, refused.value.available) == (4, 3)


async def test_an_adjustment_never_takes_what_is_held(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(10)
    await bank.ask(alice.purse, 8)

    with pytest.raises(InsufficientCredits) as refused:
        await _adjust(bank, admin, alice, -3, "1")

    assert refused.value.available == 2


async def test_a_charge_is_given_back_at_most_once_in_total(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse, charged=40)).ended_at)

    part = await _refund(bank, admin, charge, 15, "1")
    with pytest.raises(StateConflict, match=r"0\.000025 credits are left"):
        await _refund(bank, admin, charge, 26, "2")
    rest = await _refund(bank, admin, charge, None, "3")
    with pytest.raises(StateConflict, match="0 credits are left"):
        await _refund(bank, admin, charge, None, "4")

    entry = (await bank.books.entries(alice.reader, [rest.entry_id]))[rest.entry_id]
    assert (part.balance.total, rest.balance.total) == (75, 100)
    assert (entry.kind, entry.amount, entry.reverses) == (EntryKind.REFUND, 25, charge)


async def test_a_refund_repeated_replays_even_when_nothing_is_left(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse, charged=40)).ended_at)

    first = await _refund(bank, admin, charge, None, "1")
    second = await _refund(bank, admin, charge, None, "1")

    assert (second.entry_id, second.replayed) == (first.entry_id, True)
    assert second.balance.total == 100
    audits = await bank.books.audit_page(admin.admin, PageRequest())
    assert [audit.action for audit in audits.items].count("refundCharge") == 1


async def test_exactly_what_is_left_of_a_charge_can_be_given_back(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse, charged=40)).ended_at)

    await _refund(bank, admin, charge, 15, "1")
    rest = await _refund(bank, admin, charge, 25, "2")

    assert rest.balance.total == 100


async def test_refunds_of_one_charge_at_once_never_exceed_it(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse, charged=40)).ended_at)

    outcomes = await asyncio.gather(
        *(_refund(bank, admin, charge, 15, str(number)) for number in range(8)),
        return_exceptions=True,
    )

    assert [isinstance(outcome, Posted) for outcome in outcomes].count(True) == 2
    assert [isinstance(outcome, StateConflict) for outcome in outcomes].count(True) == 6
    assert (await verify(bank.url)).is_clean


async def test_refunds_of_an_account_and_its_key_with_one_key_at_once_have_one_effect(
    bank: Bank,
) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    program = await make_program(bank, alice, funding=KeyFunding.OWN)
    await bank.key_ring.fund(
        alice.session_id, program.id, Microcredits(50), Once.of("fundApiKey", "1")
    )
    own = await bank.answer(alice.purse, 50, 40)
    of_key = await bank.answer(program.purse, 50, 40, key=program.id.number)
    charges = EntryId(alice.purse, own.ended_at), EntryId(program.purse, of_key.ended_at)

    for number in range(10):
        outcomes = await asyncio.gather(
            *(_refund(bank, admin, charge, 1, str(number)) for charge in charges),
            return_exceptions=True,
        )

        assert [isinstance(outcome, Posted) for outcome in outcomes].count(True) == 1
        assert [isinstance(outcome, IdempotencyKeyReused) for outcome in outcomes].count(True) == 1
    assert (await verify(bank.url)).is_clean


async def test_only_a_charge_can_be_given_back(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    grant = Moment(await bank.owner.fetchval("SELECT moment FROM tallystick.entries"))
    program = await make_program(bank, alice, funding=KeyFunding.OWN)
    charge = (await bank.answer(alice.purse, charged=40)).ended_at

    for entry_id in (
        EntryId(alice.purse, grant),
        EntryId(alice.purse, Moment(1)),
        EntryId(PurseId(NOBODY), grant),
        EntryId(program.purse, charge),
    ):
        with pytest.raises(NotFound):
            await _refund(bank, admin, entry_id, None, "1")


async def test_every_use_of_an_administrators_rights_is_kept(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse, charged=40)).ended_at)
    await _recharge(bank, admin, alice, 5_000_000, Once.of("rechargeCredits", "1"))
    await _adjust(bank, admin, alice, -2_500_000, "1")
    await _refund(bank, admin, charge, 15, "1")
    await bank.office.set_price(admin.session_id, MODEL.id, RATES, summary="dearer")

    audits = (await bank.books.audit_page(admin.admin, PageRequest(first=4))).items

    assert [(audit.action, audit.target_id, audit.summary) for audit in audits] == [
        ("setModelPrice", "small", "dearer"),
        ("refundCharge", str(alice.account_id), "gave back 0.000015 credits of a charge: a test"),
        ("adjustCredits", str(alice.account_id), "adjusted by -2.5 credits: a test"),
        ("rechargeCredits", str(alice.account_id), "added 5 credits: a test"),
    ]
    assert {audit.actor_id for audit in audits} == {admin.account_id}


async def test_a_refused_change_leaves_no_audit_entry(bank: Bank) -> None:
    admin, alice = await bank.administrator(), await bank.customer(10)
    before = (await bank.books.audit_page(admin.admin, PageRequest())).items

    with pytest.raises(InsufficientCredits):
        await _adjust(bank, admin, alice, -11, "1")

    assert (await bank.books.audit_page(admin.admin, PageRequest())).items == before


async def test_a_model_is_added_with_its_price(bank: Bank) -> None:
    admin = await bank.administrator()

    await bank.office.save_model(admin.session_id, NEW_MODEL, summary="added")

    new = (await bank.books.models(enabled_only=True))[1]
    assert (new.id, new.name, new.answer_tokens_max) == ("large", "Large", 4_000)
    assert (new.price.output_per_1k, new.is_default) == (RATES.output_per_1k, False)


async def test_a_new_model_is_refused_with_all_that_it_lacks(bank: Bank) -> None:
    admin = await bank.administrator()
    lacking = ModelChange(id=ModelId("large"), name="Large", context_window=8_000)

    with pytest.raises(InvalidInput) as refused:
        await bank.office.save_model(admin.session_id, lacking, summary="added")

    assert [issue.path for issue in refused.value.issues] == [
        ("vendor",),
        ("upstreamName",),
        ("maxOutputTokens",),
        ("enabled",),
        ("price",),
    ]
    assert len(await bank.books.models(enabled_only=False)) == 1


async def test_a_setting_that_is_not_named_stays_as_it_is(bank: Bank) -> None:
    admin = await bank.administrator()
    before = (await bank.books.models(enabled_only=True))[0]

    await bank.office.save_model(
        admin.session_id, ModelChange(id=MODEL.id, name="Tiny"), summary="renamed"
    )

    assert (await bank.books.models(enabled_only=True)) == [replace(before, name="Tiny")]


async def test_there_is_one_default_model(bank: Bank) -> None:
    admin = await bank.administrator()

    await bank.office.save_model(
        admin.session_id, replace(NEW_MODEL, is_default=True), summary="added"
    )

    models = await bank.books.models(enabled_only=True)
    assert [(model.id, model.is_default) for model in models] == [("large", True), ("small", False)]


async def test_the_default_model_cannot_be_disabled(bank: Bank) -> None:
    admin = await bank.administrator()

    with pytest.raises(InvalidInput, match="Make another one the default first"):
        await bank.office.save_model(
            admin.session_id, ModelChange(id=MODEL.id, is_enabled=False), summary="off"
        )


async def test_the_default_model_stays_it_until_another_one_is(bank: Bank) -> None:
    admin = await bank.administrator()
    no_default = ModelChange(id=MODEL.id, is_default=False)
    await bank.office.save_model(admin.session_id, NEW_MODEL, summary="added")

    with pytest.raises(InvalidInput, match="isDefault: One model has to be the default"):
        await bank.office.save_model(admin.session_id, no_default, summary="none")
    await bank.office.save_model(
        admin.session_id, ModelChange(id=NEW_MODEL.id, is_default=True), summary="another"
    )
    await bank.office.save_model(admin.session_id, no_default, summary="nothing changed")

    models = await bank.books.models(enabled_only=True)
    assert [(model.id, model.is_default) for model in models] == [("large", True), ("small", False)]


async def test_administrators_at_cross_purposes_leave_one_default(bank: Bank) -> None:
    admin = await bank.administrator()
    await bank.office.save_model(admin.session_id, NEW_MODEL, summary="added")
    changes = [
        ModelChange(id=id, is_default=is_default)
        for id in (MODEL.id, NEW_MODEL.id)
        for is_default in (True, False)
    ]

    outcomes = await asyncio.gather(
        *(
            bank.office.save_model(admin.session_id, change, summary="mine")
            for change in changes * 3
        ),
        return_exceptions=True,
    )

    models = await bank.books.models(enabled_only=True)
    assert sum(model.is_default for model in models) == 1
    assert {type(outcome) for outcome in outcomes} <= {type(None), InvalidInput}


async def test_limits_that_are_none_are_refused(bank: Bank) -> None:
    admin = await bank.administrator()

    with pytest.raises(InvalidInput):
        await bank.office.save_model(
            admin.session_id, ModelChange(id=MODEL.id, context_window=0), summary="none"
        )


async def test_an_answer_is_never_longer_than_the_context_window(bank: Bank) -> None:
    admin = await bank.administrator()
    before = await bank.books.models(enabled_only=False)
    narrower = ModelChange(id=MODEL.id, context_window=MODEL.answer_tokens_max - 1)
    longer = ModelChange(id=MODEL.id, answer_tokens_max=MODEL.context_window + 1)

    for change in (narrower, longer, replace(NEW_MODEL, context_window=3_999)):
        with pytest.raises(InvalidInput, match="maxOutputTokens: Must be at most the context"):
            await bank.office.save_model(admin.session_id, change, summary="impossible")

    assert await bank.books.models(enabled_only=False) == before


async def test_a_price_of_no_model_is_refused(bank: Bank) -> None:
    admin = await bank.administrator()

    with pytest.raises(NotFound):
        await bank.office.set_price(admin.session_id, ModelId("none"), RATES, summary="dear")


async def _recharge(
    bank: Bank, admin: Customer, customer: Customer, amount: int, once: Once
) -> Posted:
    return await bank.office.recharge(
        admin.session_id,
        customer.account_id,
        Microcredits(amount),
        expires_at=None,
        reason="a test",
        once=once,
    )


async def _adjust(bank: Bank, admin: Customer, customer: Customer, amount: int, key: str) -> Posted:
    return await bank.office.adjust(
        admin.session_id,
        customer.account_id,
        Microcredits(amount),
        reason="a test",
        once=Once.of("adjustCredits", key),
    )


async def _refund(
    bank: Bank, admin: Customer, charge: EntryId, amount: int | None, key: str
) -> Posted:
    return await bank.office.refund(
        admin.session_id,
        charge,
        Microcredits(amount) if amount is not None else None,
        reason="a test",
        once=Once.of("refundCharge", key, charge),
    )
