"""Stripe: what its events may bring about, and what no event ever does."""

import asyncio
import json
from dataclasses import replace
from time import time

import pytest
import structlog

from domain.errors import IdempotencyKeyReused, NotFound, Unavailable
from domain.money import Currency
from domain.paying import Wanted
from domain.payments import PaymentStatus
from tests.payments.fake_stripe import SECRET, signed
from tests.payments.store import PACK, PAYSTACK, STRIPE, Store, open_store, viewer_of
from tests.persistence.bank import open_bank

PAID = "checkout.session.completed"
AN_HOUR_AGO = "UPDATE tallystick.payments SET looked_at = now() - interval '1 hour'"
STATUS = "SELECT status FROM tallystick.accounts WHERE id = $1"
SUCCEEDED, REVERSED = PaymentStatus.SUCCEEDED, PaymentStatus.REVERSED
PENDING, FAILED, EXPIRED = PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.EXPIRED
NOTHING = (0, 0)
ALL = (1_100, 0)


async def test_a_checkout_asks_for_the_order_and_leads_back_to_the_app(store: Store) -> None:
    sale = await store.sale()

    session = store.stripe.sessions[sale.reference]
    assert (session["amount_total"], session["currency"]) == (500, "usd")
    assert session["customer_email"] == sale.customer.email
    assert str(session["success_url"]).startswith("https://app.test/account?payment=pay_")
    assert sale.payment.checkout_url == session["url"]
    assert store.stripe.headers[0]["idempotency-key"] == sale.payment.reference


async def test_a_paid_session_brings_its_credits_once(store: Store) -> None:
    sale = await store.sale()
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))

    answers = [await store.hears_stripe(event) for _ in range(3)]

    assert answers == [200, 200, 200]
    assert await sale.lines() == [("PURCHASE", 1_100)]
    payment = await sale.now()
    assert payment.receipt_url == f"https://receipts.test/{payment.charge_reference}"


async def test_a_message_that_was_dealt_with_is_not_asked_about_again(store: Store) -> None:
    sale = await store.sale()
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))
    await store.hears_stripe(event)
    asked = len(store.stripe.asked)

    await store.hears_stripe(event)

    assert len(store.stripe.asked) == asked


async def test_a_checkout_that_was_opened_is_told_again_and_is_no_other(store: Store) -> None:
    viewer = viewer_of(await store.bank.customer())
    wanted = Wanted(pack_id=PACK.id, provider=PAYSTACK, currency=Currency.KES)

    first = await store.paying.start(viewer, wanted, "a key")
    asked = len(store.paystack.transactions)
    again = await store.paying.start(viewer, wanted, "a key")

    assert (again.url, again.payment.id, again.replayed) == (first.url, first.payment.id, True)
    assert len(store.paystack.transactions) == asked
    with pytest.raises(IdempotencyKeyReused):
        await store.paying.start(viewer, replace(wanted, currency=Currency.USD), "a key")


async def test_a_payment_that_cannot_be_asked_about_keeps_no_other_waiting(store: Store) -> None:
    sales = [await store.sale() for _ in range(2)]
    for sale in sales:
        store.stripe.pay(sale.reference)
    await store.bank.owner.execute(AN_HOUR_AGO)
    store.stripe.fails = 3  # the SDK tries three times by itself

    assert await store.paying.poll() == 2

    assert sorted([await sale.balance() for sale in sales]) == [NOTHING, ALL]


async def test_where_it_is_wished_a_disputed_payment_suspends_its_account(
    database_url: str, deployment_secret: str
) -> None:
    async with (
        open_bank(database_url, deployment_secret) as bank,
        open_store(bank, suspends_while_disputed=True) as store,
    ):
        sale = await store.sale()
        await store.hears_stripe(store.stripe.event(PAID, store.stripe.pay(sale.reference)))

        dispute = store.stripe.dispute(sale.reference, 500)
        await store.hears_stripe(store.stripe.event("charge.dispute.created", dispute))

        status = await bank.owner.fetchval(STATUS, sale.customer.account_id)
        assert status == "SUSPENDED"


async def test_twenty_deliveries_a_look_and_a_poll_at_once_bring_them_once(store: Store) -> None:
    sale = await store.sale()
    session = store.stripe.pay(sale.reference)
    same = store.stripe.event(PAID, session)
    await store.bank.owner.execute(
        "UPDATE tallystick.payments SET looked_at = now() - interval '1h'"
    )

    deliveries = [same] * 10 + [store.stripe.event(PAID, session) for _ in range(10)]

    answers, _, _ = await asyncio.gather(
        asyncio.gather(*map(store.hears_stripe, deliveries)),
        store.paying.look(sale.payment.id),
        store.paying.poll(),
    )

    assert set(answers) == {200}
    assert await sale.lines() == [("PURCHASE", 1_100)]


async def test_a_payment_that_nobody_told_of_is_found_by_looking(store: Store) -> None:
    sale = await store.sale()
    store.stripe.pay(sale.reference)

    await store.paying.look(sale.payment.id)

    assert await sale.balance() == ALL


async def test_a_payment_that_nobody_told_of_is_found_by_polling(store: Store) -> None:
    sale = await store.sale()
    store.stripe.pay(sale.reference)
    await store.bank.owner.execute(
        "UPDATE tallystick.payments SET looked_at = now() - interval '1h'"
    )

    assert await store.paying.poll() == 1
    assert await sale.balance() == ALL


async def test_money_that_takes_days_brings_credits_when_it_is_there(store: Store) -> None:
    sale = await store.sale()

    await store.hears_stripe(store.stripe.event(PAID, store.stripe.pay_later(sale.reference)))
    waiting = await sale.status()
    paid = store.stripe.pay(sale.reference)
    await store.hears_stripe(store.stripe.event("checkout.session.async_payment_succeeded", paid))

    assert waiting is PENDING
    assert await sale.balance() == ALL


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("checkout.session.async_payment_failed", FAILED),
        ("checkout.session.expired", EXPIRED),
    ],
)
async def test_money_that_does_not_come_brings_none(
    store: Store, kind: str, status: PaymentStatus
) -> None:
    sale = await store.sale()
    if status is FAILED:
        store.stripe.pay_later(sale.reference)
        session = store.stripe.fail(sale.reference)
    else:
        session = store.stripe.expire(sale.reference)

    assert await store.hears_stripe(store.stripe.event(kind, session)) == 200
    assert await sale.status() is status
    assert await sale.lines() == []


async def test_a_message_that_is_not_authentic_moves_nothing(store: Store) -> None:
    sale = await store.sale()
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))
    changed = event.replace(b"evt_", b"evt-")
    forged = {
        "unsigned": (event, {}),
        "by another secret": (event, signed(event, secret="whsec_of_others")),
        "of other bytes": (changed, signed(event)),
        "stale": (event, signed(event, at=time() - 301)),
        "of the future": (event, signed(event, at=time() + 301)),
        "without a time": (event, {"stripe-signature": "v1=00"}),
        "nonsense": (event, {"stripe-signature": "nonsense"}),
        "not JSON": (b"nonsense", signed(b"nonsense")),
        "not text": (b"\xff\xfe", {"stripe-signature": "t=1,v1=00"}),
    }

    answers = {name: await store.hears_stripe(*each) for name, each in forged.items()}

    assert answers == dict.fromkeys(forged, 400)
    assert await sale.lines() == []


async def test_while_a_secret_is_changed_both_are_believed(store: Store) -> None:
    sale = await store.sale()
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))
    by_both = {
        "stripe-signature": signed(event, secret="whsec_of_others")["stripe-signature"]
        + ","
        + signed(event)["stripe-signature"].split(",")[1]
    }

    assert await store.hears_stripe(event, signed(event, secret="whsec_of_before")) == 200
    assert await store.hears_stripe(event, by_both) == 200
    assert await sale.balance() == ALL


async def test_money_that_is_not_the_orders_moves_nothing(store: Store) -> None:
    fake = store.stripe
    too_little, too_much, other = [await store.sale() for _ in range(3)]
    sessions = (
        fake.pay(too_little.reference, amount=499),
        fake.pay(too_much.reference, amount=50_000),
        fake.pay(other.reference, currency="kes"),
    )

    answers = [await store.hears_stripe(fake.event(PAID, session)) for session in sessions]

    assert answers == [200] * 3
    for sale in (too_little, too_much, other):
        assert (await sale.status(), await sale.lines()) == (FAILED, [])
    assert [kind for kind, _ in await store.alerts()] == ["PAYMENT_MISMATCH"] * 3


async def test_an_event_of_the_other_mode_moves_nothing(store: Store) -> None:
    sale = await store.sale()
    session = store.stripe.pay(sale.reference)

    assert await store.hears_stripe(store.stripe.event(PAID, session, livemode=True)) == 200
    assert await sale.lines() == []
    session["livemode"] = True
    assert await store.hears_stripe(store.stripe.event(PAID, session)) == 200
    assert await sale.lines() == []
    assert len(await store.alerts()) == 1


async def test_an_event_about_another_providers_payment_moves_nothing(store: Store) -> None:
    by_paystack = await store.sale(PAYSTACK)
    paid = await store.sale(STRIPE)
    session = store.stripe.pay(paid.reference)
    session |= {"client_reference_id": by_paystack.payment.reference, "metadata": {}}

    assert await store.hears_stripe(store.stripe.event(PAID, session)) == 200
    assert await by_paystack.lines() == []
    assert await paid.lines() == []


async def test_a_session_paid_under_another_payments_name_moves_nothing(store: Store) -> None:
    mine, other = await store.sale(), await store.sale()
    session = store.stripe.pay(mine.reference)
    named = {"tallystick_payment": other.payment.reference}
    session |= {"client_reference_id": other.payment.reference, "metadata": named}

    await store.hears_stripe(store.stripe.event(PAID, session))
    await store.paying.look(mine.payment.id)

    assert await mine.lines() == await other.lines() == []


async def test_what_is_not_our_business_is_acknowledged(store: Store) -> None:
    sale = await store.sale()
    event = json.loads(store.stripe.event(PAID, store.stripe.sessions[sale.reference]))
    others: list[dict[str, object]] = [
        {"type": "payment_intent.succeeded"},
        {"type": "invoice.paid"},
        {"account": "acct_connected"},
        {"id": None},
        {"data": "nonsense"},
        {"data": {"object": {"id": "cs_of_others", "client_reference_id": "order 7"}}},
        {"data": {"object": {"id": "cs_of_others", "client_reference_id": "ts-1-1"}}},
    ]

    answers = [await store.hears_stripe(json.dumps(event | each).encode()) for each in others]

    assert answers == [200] * len(others)
    assert await sale.status() is PENDING


async def test_refunds_are_followed_whatever_is_told_of_them(store: Store) -> None:
    sale = await store.sale()
    fake = store.stripe
    await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    seen = []

    first = fake.refund(sale.reference, 100)
    await store.hears_stripe(fake.event("charge.refunded", fake.charge(sale.reference)))
    seen.append(await sale.balance())
    second = fake.refund(sale.reference, 150, status="pending")
    await store.hears_stripe(fake.event("refund.created", second))
    seen.append(await sale.balance())
    await store.hears_stripe(fake.event("charge.refunded", fake.charge(sale.reference)))
    seen.append(await sale.balance())
    second["status"] = "failed"
    await store.hears_stripe(fake.event("refund.failed", second))
    seen.append(await sale.balance())
    fake.refund(sale.reference, 400)
    await store.hears_stripe(fake.event("refund.updated", first))
    seen.append(await sale.balance())

    assert seen == [(880, 0), (550, 0), (550, 0), (880, 0), (0, 0)]
    assert await sale.status() is REVERSED


DISPUTES = (
    ("charge.dispute.created", "needs_response", NOTHING),
    ("charge.dispute.funds_withdrawn", "under_review", NOTHING),
    ("charge.dispute.closed", "lost", NOTHING),
    ("charge.dispute.closed", "won", ALL),
    ("charge.dispute.funds_reinstated", "won", ALL),
    ("charge.dispute.created", "warning_needs_response", ALL),
    ("charge.dispute.updated", "warning_under_review", ALL),
    ("charge.dispute.closed", "warning_closed", ALL),
    ("charge.dispute.closed", "prevented", ALL),
    ("charge.dispute.updated", "a status of next year", NOTHING),
)


async def test_disputes_hold_the_credits_while_they_hold_the_money(store: Store) -> None:
    fake = store.stripe
    seen = []

    for kind, status, _ in DISPUTES:
        sale = await store.sale()
        await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
        answer = await store.hears_stripe(
            fake.event(kind, fake.dispute(sale.reference, 500, status))
        )
        seen.append((answer, await sale.balance()))

    assert seen == [(200, after) for _, _, after in DISPUTES]


async def test_a_refund_after_a_dispute_takes_nothing_twice(store: Store) -> None:
    sale = await store.sale()
    fake = store.stripe
    await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    dispute = fake.dispute(sale.reference, 500)
    await store.hears_stripe(fake.event("charge.dispute.created", dispute))
    await store.hears_stripe(fake.event("refund.created", fake.refund(sale.reference, 500)))
    both = await sale.balance()

    dispute["status"] = "won"
    await store.hears_stripe(fake.event("charge.dispute.closed", dispute))

    assert both == NOTHING
    assert await sale.balance() == NOTHING
    assert len(await sale.lines()) == 2


async def test_what_is_told_before_the_payment_itself_is_found_by_its_intent(store: Store) -> None:
    sale = await store.sale()
    fake = store.stripe
    paid = fake.event(PAID, fake.pay(sale.reference))
    refunded = fake.event("refund.created", fake.refund(sale.reference, 250))

    assert await store.hears_stripe(refunded) == 200
    assert await sale.balance() == (550, 0)
    assert await store.hears_stripe(paid) == 200
    assert await sale.balance() == (550, 0)


async def test_somebody_elses_refund_is_acknowledged(store: Store) -> None:
    refund = {"id": "re_x", "object": "refund", "payment_intent": "pi_of_others", "status": "x"}

    assert await store.hears_stripe(store.stripe.event("refund.created", refund)) == 200
    without = refund | {"payment_intent": None}
    assert await store.hears_stripe(store.stripe.event("refund.created", without)) == 200


async def test_an_early_warning_of_fraud_raises_an_alert_and_moves_nothing(store: Store) -> None:
    sale = await store.sale()
    fake = store.stripe
    await store.hears_stripe(fake.event(PAID, fake.pay(sale.reference)))
    about = {"id": "issfr_1", "payment_intent": (await sale.now()).charge_reference}

    await store.hears_stripe(fake.event("radar.early_fraud_warning.created", about))

    assert await sale.balance() == ALL
    assert [kind for kind, _ in await store.alerts()] == ["UNUSUAL_SPENDING"]


async def test_a_stripe_that_is_away_is_told_to_send_it_again(store: Store) -> None:
    sale = await store.sale()
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))
    store.stripe.fails = 3  # the SDK tries three times by itself

    with structlog.testing.capture_logs() as lines:
        away = await store.hears_stripe(event)

    [line] = [line for line in lines if line["event"] == "webhook postponed"]
    assert (line["provider"], line["type"]) == ("STRIPE", PAID)
    assert line["message_id"] == json.loads(event)["id"]
    assert "Stripe" in line["reason"]
    assert away == 503
    assert await store.hears_stripe(event) == 200
    assert await sale.lines() == [("PURCHASE", 1_100)]


async def test_an_event_that_comes_before_its_truth_has_to_come_again(store: Store) -> None:
    sale = await store.sale()
    session = dict(store.stripe.sessions[sale.reference]) | {"payment_status": "paid"}
    event = store.stripe.event(PAID, session)

    early = await store.hears_stripe(event)
    store.stripe.pay(sale.reference)

    assert early == 503
    assert await store.hears_stripe(event) == 200
    assert await sale.balance() == ALL


async def test_an_answer_that_got_lost_is_given_again_under_the_same_key(store: Store) -> None:
    customer = await store.bank.customer()
    wanted = Wanted(pack_id=PACK.id, provider=STRIPE, currency=Currency.USD)
    store.stripe.fails = 3
    with pytest.raises(Unavailable):
        await store.paying.start(viewer_of(customer), wanted, "k")

    first = await store.paying.start(viewer_of(customer), wanted, "k")
    again = await store.paying.start(viewer_of(customer), wanted, "k")

    assert (first.replayed, again.replayed) == (True, True)
    assert first.url == again.url
    assert len(store.stripe.sessions) == 1


async def test_a_buyer_who_changed_since_the_lost_answer_gets_a_page_of_their_own(
    store: Store,
) -> None:
    sale = await store.sale()
    viewer = viewer_of(sale.customer)
    wanted = Wanted(pack_id=PACK.id, provider=STRIPE, currency=Currency.USD)
    first = await store.paying.start(viewer, wanted, "k")
    await store.bank.owner.execute(
        "UPDATE tallystick.payments SET checkout_reference = NULL, checkout_url = NULL"
        " WHERE moment = $1",
        first.payment.id.moment,
    )
    await store.hears_stripe(store.stripe.event(PAID, store.stripe.pay(sale.reference)))

    again = await store.paying.start(viewer, wanted, "k")

    assert again.url != first.url
    session = store.stripe.sessions[str(again.payment.checkout_reference)]
    assert session["customer"] == store.stripe.sessions[sale.reference]["customer"]


async def test_a_session_that_stripe_does_not_know_brings_nothing(store: Store) -> None:
    sale = await store.sale()
    del store.stripe.sessions[sale.reference]

    await store.paying.catch_up(sale.payment.id)

    assert (await sale.status(), await sale.lines()) == (PENDING, [])


async def test_a_charge_that_pays_for_one_payment_pays_for_no_other(store: Store) -> None:
    mine, other = await store.sale(), await store.sale()
    fake = store.stripe
    await store.hears_stripe(fake.event(PAID, fake.pay(mine.reference)))
    fake.sessions[other.reference]["payment_intent"] = (await mine.now()).charge_reference

    answer = await store.hears_stripe(fake.event(PAID, fake.pay(other.reference)))

    assert await other.lines() == []
    assert answer == 503
    assert [kind for kind, _ in await store.alerts()] == ["PAYMENT_MISMATCH"]


async def test_a_page_that_asked_for_nothing_brings_nothing(store: Store) -> None:
    sale = await store.sale()
    session = store.stripe.pay(sale.reference, amount=0)
    session["payment_status"] = "no_payment_required"

    await store.hears_stripe(store.stripe.event(PAID, session))

    assert (await sale.status(), await sale.lines()) == (FAILED, [])


async def test_an_event_may_come_before_its_page_was_kept(store: Store) -> None:
    sale = await store.sale()
    await store.bank.owner.execute(
        "UPDATE tallystick.payments SET checkout_reference = NULL, checkout_url = NULL"
    )
    event = store.stripe.event(PAID, store.stripe.pay(sale.reference))

    assert await store.hears_stripe(event) == 200
    assert await sale.balance() == ALL


async def test_the_portal_is_of_the_customer_who_paid(store: Store) -> None:
    sale = await store.sale()
    viewer = viewer_of(sale.customer)
    with pytest.raises(NotFound):
        await store.paying.open_portal(viewer, None)
    await store.hears_stripe(store.stripe.event(PAID, store.stripe.pay(sale.reference)))

    url = await store.paying.open_portal(viewer, "/account")

    store.stripe.fails = 3
    with pytest.raises(Unavailable):
        await store.paying.open_portal(viewer, None)

    customer = store.stripe.sessions[sale.reference]["customer"]
    assert url == f"https://portal.test/{customer}?back=https://app.test/account"


async def test_no_secret_is_told_by_what_can_be_printed(store: Store) -> None:
    told = repr(store.paying)

    assert SECRET not in told
    assert "sk_test_of_the_tests" not in told
