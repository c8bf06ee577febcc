"""Paystack: what its messages may bring about, cards and M-Pesa, and what no message ever does."""

import asyncio
import json
from dataclasses import replace

import pytest

from domain.charging import ProcessorFailed
from domain.errors import InvalidInput, Unavailable
from domain.money import Currency
from domain.paying import Wanted
from domain.payments import PaymentStatus
from tests.payments.fake_paystack import signed
from tests.payments.store import PACK, PAYSTACK, STRIPE, Sale, Store, viewer_of

SUCCEEDED, REVERSED = PaymentStatus.SUCCEEDED, PaymentStatus.REVERSED
PENDING, FAILED = PaymentStatus.PENDING, PaymentStatus.FAILED
PAID = "charge.success"


async def paid(store: Store) -> Sale:
    """A sale in shillings that was paid."""
    sale = await store.sale(PAYSTACK)
    fake = store.paystack
    assert await store.hears_paystack(fake.message(PAID, fake.pay(sale.reference))) == 200
    return sale


async def test_a_checkout_asks_in_subunits_and_offers_mobile_money_in_shillings(
    store: Store,
) -> None:
    sale = await store.sale(PAYSTACK)
    await store.sale(PAYSTACK, Currency.USD)

    in_shillings, in_dollars = store.paystack.given
    assert (in_shillings["amount"], in_shillings["currency"]) == (365_000, "KES")
    assert in_shillings["channels"] == ["card", "mobile_money"]
    assert in_shillings["email"] == sale.customer.email
    assert str(in_shillings["callback_url"]).startswith("https://app.test/account?payment=pay_")
    assert (in_dollars["amount"], in_dollars["channels"]) == (500, ["card"])


async def test_a_charge_brings_its_credits_once_however_often_it_is_told(store: Store) -> None:
    sale = await store.sale(PAYSTACK)
    transaction = store.paystack.pay(sale.reference)
    same = store.paystack.message(PAID, transaction)
    others = [store.paystack.message(PAID, transaction, log=n) for n in range(10)]

    answers, _, _ = await asyncio.gather(
        asyncio.gather(*map(store.hears_paystack, [same] * 10 + others)),
        store.paying.look(sale.payment.id),
        store.paying.poll(),
    )

    assert set(answers) == {200}
    assert await sale.lines() == [("PURCHASE", 1_100)]
    assert (await sale.now()).charge_reference == str(transaction["id"])


async def test_who_comes_back_from_the_page_is_believed_as_far_as_paystack_says_so(
    store: Store,
) -> None:
    sale = await store.sale(PAYSTACK)

    await store.paying.look(sale.payment.id)
    before = await sale.status()
    store.paystack.pay(sale.reference)
    await store.bank.owner.execute("UPDATE tallystick.payments SET looked_at = NULL")
    await store.paying.look(sale.payment.id)

    assert before is PENDING
    assert await sale.status() is SUCCEEDED


async def test_a_message_that_is_not_authentic_moves_nothing(store: Store) -> None:
    sale = await store.sale(PAYSTACK)
    body = store.paystack.message(PAID, store.paystack.pay(sale.reference))
    respelled = json.dumps(json.loads(body), separators=(",", ":")).encode()
    forged = {
        "unsigned": (body, {}),
        "by another key": (body, signed(body, secret="sk_test_of_others")),
        "of other bytes": (respelled, signed(body)),
        "of the newer form": (body, {"x-paystack-signature": "t=1,v1=key:00"}),
        "not JSON": (b"nonsense", signed(b"nonsense")),
    }

    answers = {name: await store.hears_paystack(*each) for name, each in forged.items()}

    assert answers == dict.fromkeys(forged, 400)
    assert await sale.lines() == []


async def test_money_that_is_not_the_orders_moves_nothing(store: Store) -> None:
    fake = store.paystack
    too_little, whole_units, other = [await store.sale(PAYSTACK) for _ in range(3)]
    told = (
        fake.message(PAID, fake.pay(too_little.reference, amount=364_900)),
        fake.message(PAID, fake.pay(whole_units.reference, amount=3_650)),
        fake.message(PAID, fake.pay(other.reference, currency="NGN")),
    )

    answers = [await store.hears_paystack(body) for body in told]

    assert answers == [200] * 3
    for sale in (too_little, whole_units, other):
        assert (await sale.status(), await sale.lines()) == (FAILED, [])
    assert [kind for kind, _ in await store.alerts()] == ["PAYMENT_MISMATCH"] * 3


async def test_live_messages_and_those_of_other_payments_move_nothing(store: Store) -> None:
    sale, by_stripe = await store.sale(PAYSTACK), await store.sale(STRIPE)
    fake = store.paystack
    live = fake.message(PAID, fake.transactions[sale.reference], domain="live")
    foreign = fake.message(PAID, {"reference": by_stripe.payment.reference, "domain": "test"})
    stranger = fake.message(PAID, {"reference": "order-7", "domain": "test"})

    answers = [await store.hears_paystack(body) for body in (live, foreign, stranger)]

    assert answers == [200] * 3
    assert await sale.lines() == await by_stripe.lines() == []


@pytest.mark.parametrize("status", ["abandoned", "ongoing", "pending", "queued"])
async def test_an_unfinished_transaction_is_waited_for(store: Store, status: str) -> None:
    sale = await store.sale(PAYSTACK)
    claims = store.paystack.message(PAID, store.paystack.stand(sale.reference, status))

    assert await store.hears_paystack(claims) == 503
    assert await sale.status() is PENDING


async def test_a_failed_transaction_fails_and_may_still_be_paid(store: Store) -> None:
    sale = await store.sale(PAYSTACK)
    store.paystack.stand(sale.reference, "failed")
    await store.paying.catch_up(sale.payment.id)
    failed = await sale.status()

    fake = store.paystack
    await store.hears_paystack(fake.message(PAID, fake.pay(sale.reference)))

    assert failed is FAILED
    assert await sale.balance() == (1_100, 0)


async def test_refunds_are_followed_in_every_form_they_are_told_in(store: Store) -> None:
    sale = await paid(store)
    fake = store.paystack
    refund = fake.refund(sale.reference, 36_500)
    seen = []

    for status in ("pending", "processing", "processed", "failed", "needs-attention"):
        refund["status"] = status
        assert await store.hears_paystack(fake.refund_message(refund)) == 200
        seen.append(await sale.balance())

    assert seen == [(990, 0), (990, 0), (990, 0), (1_100, 0), (990, 0)]


async def test_two_refunds_that_are_told_alike_are_two(store: Store) -> None:
    sale = await paid(store)
    fake = store.paystack

    for _ in range(2):
        refund = fake.refund(sale.reference, 36_500, status="processed")
        await store.hears_paystack(fake.refund_message(refund) + b" " * len(fake.refunds))

    assert await sale.balance() == (880, 0)


@pytest.mark.parametrize(
    ("resolution", "after"),
    [("merchant-accepted", (0, 0)), ("auto-accepted", (0, 0)), ("declined", (1_100, 0))],
)
async def test_a_dispute_holds_the_credits_until_it_is_declined(
    store: Store, resolution: str, after: tuple[int, int]
) -> None:
    sale = await paid(store)
    fake = store.paystack
    dispute = fake.dispute(sale.reference, None)

    await store.hears_paystack(fake.message("charge.dispute.create", dispute))
    during = await sale.balance()
    await store.hears_paystack(fake.message("charge.dispute.remind", dispute))
    fake.resolve(dispute, resolution)
    if resolution != "declined":
        fake.refund(sale.reference, 365_000, status="pending", dispute=dispute["id"])
    await store.hears_paystack(fake.message("charge.dispute.resolve", dispute))

    assert during == (0, 0)
    assert await sale.balance() == after


async def test_an_accepted_dispute_and_the_refund_it_leads_to_count_once(store: Store) -> None:
    sale = await paid(store)
    fake = store.paystack
    dispute = fake.resolve(fake.dispute(sale.reference, 36_500), "merchant-accepted")
    fake.refund(sale.reference, 36_500, status="processed", dispute=dispute["id"])

    await store.hears_paystack(fake.message("charge.dispute.resolve", dispute))

    assert await sale.balance() == (990, 0)


async def test_a_reversed_transaction_gives_everything_back(store: Store) -> None:
    sale = await paid(store)
    fake = store.paystack
    fake.refund(sale.reference, 36_500, status="processed")
    fake.stand(sale.reference, "reversed")

    await store.paying.catch_up(sale.payment.id)

    assert await sale.balance() == (0, 0)
    assert await sale.status() is REVERSED


async def test_a_reference_whose_page_nobody_saw_is_followed_by_the_next(store: Store) -> None:
    customer = await store.bank.customer()
    wanted = Wanted(pack_id=PACK.id, provider=PAYSTACK, currency=Currency.KES)
    first = await store.paying.start(viewer_of(customer), wanted, "k")
    await store.bank.owner.execute(
        "UPDATE tallystick.payments SET checkout_reference = NULL, checkout_url = NULL"
    )

    again = await store.paying.start(viewer_of(customer), wanted, "k")

    assert again.payment.checkout_reference == f"{first.payment.reference}.2"
    fake = store.paystack
    body = fake.message(PAID, fake.pay(f"{first.payment.reference}.2"))
    assert await store.hears_paystack(body) == 200
    assert await Sale(store, customer, again.payment).balance() == (1_100, 0)


async def test_a_paystack_that_is_away_is_told_to_send_it_again(store: Store) -> None:
    sale = await store.sale(PAYSTACK)
    fake = store.paystack
    body = fake.message(PAID, fake.pay(sale.reference))
    fake.fails = 1

    away = await store.hears_paystack(body)
    store.paystack.fails = 1
    with pytest.raises(Unavailable):
        await store.sale(PAYSTACK)

    assert away == 503
    assert await store.hears_paystack(body) == 200
    assert await sale.lines() == [("PURCHASE", 1_100)]


async def test_an_account_without_an_address_is_told_that_paystack_needs_one(store: Store) -> None:
    customer = await store.bank.customer()
    await store.bank.owner.execute(
        "DELETE FROM tallystick.account_contacts WHERE account_id = $1", customer.account_id
    )
    wanted = Wanted(pack_id=PACK.id, provider=PAYSTACK, currency=Currency.KES)

    with pytest.raises(InvalidInput, match="mail address"):
        await store.paying.start(viewer_of(customer), wanted, "k")


async def test_an_answer_about_another_transaction_is_not_taken(store: Store) -> None:
    sale = await store.sale(PAYSTACK)
    fake = store.paystack
    fake.transactions[sale.reference] |= {"reference": "ts-1-1"}

    with pytest.raises(ProcessorFailed):
        await store.paying.processors[PAYSTACK].standing(replace(sale.payment))
