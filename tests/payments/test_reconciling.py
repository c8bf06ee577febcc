"""The books next to the providers': what disagrees is told, and no credits move."""

from domain.payments import PaymentStatus
from domain.reconciling import Reconciliation, Reconciling
from tests.payments.store import PAYSTACK, STRIPE, Store, WallClock

PAID = "checkout.session.completed"


async def reconciled(store: Store) -> Reconciliation:
    return await Reconciling(
        books=store.bank.payments,
        processors=store.paying.processors,
        alerts=store.bank.payments,
        clock=WallClock(),
    ).reconcile(days=3)


async def test_books_that_agree_are_told_so(store: Store) -> None:
    fake, other = store.stripe, store.paystack
    for _ in range(2):
        sale = await store.sale(STRIPE)
        await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    await store.sale(STRIPE)
    refunded = await store.sale(STRIPE)
    await store.hears_stripe(fake.event(PAID, fake.pay(refunded.reference)))
    back = fake.refund(refunded.reference, 100)
    await store.hears_stripe(fake.event("refund.created", back))
    by_phone = await store.sale(PAYSTACK)
    await store.hears_paystack(other.message("charge.success", other.pay(by_phone.reference)))
    dispute = other.dispute(by_phone.reference, 100)
    await store.hears_paystack(other.message("charge.dispute.create", dispute))
    await store.sale(PAYSTACK)

    outcome = await reconciled(store)

    assert outcome.lines() == ["Compared 4 payments with STRIPE and PAYSTACK: all agree."]
    assert await store.alerts() == []


async def test_every_difference_is_told_and_raises_an_alert(store: Store) -> None:
    fake, other = store.stripe, store.paystack
    unheard = await store.sale(STRIPE)
    fake.pay(unheard.reference)
    refunded = await store.sale(STRIPE)
    await store.hears_stripe(fake.event(PAID, fake.pay(refunded.reference)))
    fake.refund(refunded.reference, 100)
    vanished = await store.sale(STRIPE)
    await store.hears_stripe(fake.event(PAID, fake.pay(vanished.reference)))
    del fake.sessions[vanished.reference]
    wrong = await store.sale(PAYSTACK)
    other.pay(wrong.reference, amount=1)
    foreign = await store.sale(PAYSTACK)
    other.pay(foreign.reference)
    other.transactions["ts-1-1"] = other.transactions.pop(foreign.reference) | {
        "reference": "ts-1-1"
    }

    outcome = await reconciled(store)

    assert {each.reference: each.told for each in outcome.mismatches} == {
        unheard.payment.reference: "PENDING here, but SUCCEEDED by what its provider says",
        refunded.payment.reference: "0 went back here, 100 there",
        vanished.payment.reference: "its provider does not know it",
        wrong.payment.reference: "KES 3650.00 were asked, KES 0.01 were paid",
        "ts-1-1": "it was paid, and is none of these books",
    }
    assert len(await store.alerts()) == 5
    assert await unheard.status() is PaymentStatus.PENDING
    assert await unheard.lines() == []


async def test_what_went_back_of_an_old_payment_is_compared_too(store: Store) -> None:
    fake = store.stripe
    sale = await store.sale(STRIPE)
    await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    fake.sessions[sale.reference]["created"] = 0
    fake.refund(sale.reference, 100)

    outcome = await reconciled(store)

    assert [each.told for each in outcome.mismatches] == ["0 went back here, 100 there"]


async def test_another_charge_for_a_payment_is_told(store: Store) -> None:
    fake = store.stripe
    sale = await store.sale(STRIPE)
    await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    first = (await sale.now()).charge_reference
    fake.sessions[sale.reference]["payment_intent"] = None
    fake.pay(sale.reference)

    outcome = await reconciled(store)

    assert [each.told for each in outcome.mismatches] == ["it was paid by another charge as well"]
    assert (await sale.now()).charge_reference == first
