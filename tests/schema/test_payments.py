"""Packs and payments, as callers see them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.units import AccountId, Moment, PaymentId, PurseId
from schema.ids import account_name, payment_name, payment_named
from tests.schema.shop import ADA, BOB, EVE, Shop, Told

START = """mutation ($provider: PaymentProvider! = STRIPE, $currency: Currency! = USD) {
  startCheckout(input: { packId: "starter", provider: $provider, currency: $currency,
                         returnPath: "/account", idempotencyKey: "k" }) {
    ... on StartCheckoutSuccess { url replayed payment { id status } }
    ... on Problem { code message } } }"""
PAYMENT = """query ($id: ID!) { payment(id: $id) {
  id status provider price { amount currency } credits createdAt paidAt receiptUrl
  pack { id name credits validDays } entry { kind amount payment { id } } } }"""


FOLLOW = "subscription ($id: ID!) { paymentUpdated(id: $id) { status entry { kind } } }"


async def started(shop: Shop) -> str:
    match await shop.ask(START):
        case {"startCheckout": {"payment": {"id": str(name)}}}:
            return name
        case other:
            pytest.fail(f"{other}")


async def test_everybody_sees_what_can_be_bought() -> None:
    data = await Shop().ask(
        "{ creditPacks { id name credits validDays"
        " offers { provider price { amount currency } } } }",
        by=None,
    )

    assert data == {
        "creditPacks": [
            {
                "id": "starter",
                "name": "Starter",
                "credits": "105",
                "validDays": 30,
                "offers": [
                    {"provider": "STRIPE", "price": {"amount": "5", "currency": "USD"}},
                    {"provider": "PAYSTACK", "price": {"amount": "650", "currency": "KES"}},
                    {"provider": "PAYSTACK", "price": {"amount": "5", "currency": "USD"}},
                ],
            }
        ]
    }


async def test_a_checkout_begins_with_a_page_to_go_to() -> None:
    data = await Shop().ask(START, provider="PAYSTACK", currency="KES")

    match data:
        case {"startCheckout": {"url": url, "replayed": False, "payment": {"status": status}}}:
            assert (url, status) == ("https://pay.test/k", "PENDING")
        case _:
            pytest.fail(f"{data}")


async def test_a_pending_payment_is_looked_after_when_it_is_asked_for() -> None:
    shop = Shop()
    name = await started(shop)

    first = await shop.ask(PAYMENT, id=name)
    await shop.ask(PAYMENT, id=name)

    assert first == {
        "payment": {
            "id": name,
            "status": "SUCCEEDED",
            "provider": "STRIPE",
            "price": {"amount": "5", "currency": "USD"},
            "credits": "105",
            "createdAt": "2026-01-31T12:00:00.000001Z",
            "paidAt": "2026-01-31T12:00:00Z",
            "receiptUrl": None,
            "pack": {"id": "starter", "name": "Starter", "credits": "105", "validDays": 30},
            "entry": {"kind": "PURCHASE", "amount": "105", "payment": {"id": name}},
        }
    }
    assert len(shop.selling.looks) == 1


async def told(stream: AsyncIterator[Told]) -> list[object]:
    return [each.data or each.codes async for each in stream]


async def test_a_payment_is_followed_until_it_is_not_pending_any_more() -> None:
    shop = Shop()
    name = await started(shop)
    payment_id = payment_named(name)
    assert payment_id is not None
    kept = shop.books.kept_payments

    following = asyncio.create_task(told(shop.stream(FOLLOW, id=name)))
    await asyncio.sleep(0.05)
    kept[payment_id] = replace(kept[payment_id], revision=1, receipt_url="https://receipts.test")
    await asyncio.sleep(0.05)
    await shop.selling.look(payment_id)

    assert await asyncio.wait_for(following, 5) == [
        {"paymentUpdated": {"status": "PENDING", "entry": None}},
        {"paymentUpdated": {"status": "SUCCEEDED", "entry": {"kind": "PURCHASE"}}},
    ]


async def test_a_payment_that_is_final_is_told_once() -> None:
    shop = Shop()
    name = await started(shop)
    await shop.ask(PAYMENT, id=name)

    assert await told(shop.stream(FOLLOW, id=name)) == [
        {"paymentUpdated": {"status": "SUCCEEDED", "entry": {"kind": "PURCHASE"}}}
    ]


async def test_nobody_follows_somebody_elses_payment() -> None:
    shop = Shop()
    name = await started(shop)

    assert await told(shop.stream(FOLLOW, by=BOB, id=name)) == [["NOT_FOUND"]]
    assert await told(shop.stream(FOLLOW, id="pay_nonsense")) == [["NOT_FOUND"]]


async def test_somebody_elses_payment_is_not_there() -> None:
    shop = Shop()
    name = await started(shop)

    assert await shop.ask(PAYMENT, by=BOB, id=name) == {"payment": None}
    assert await shop.ask(PAYMENT, by=EVE, id=name) == {"payment": None}
    assert await shop.ask(PAYMENT, id="pay_nonsense") == {"payment": None}
    assert shop.selling.looks == []


async def test_payments_are_listed_where_they_are_looked_for() -> None:
    shop = Shop()
    name = await started(shop)

    data = await shop.ask(
        """query ($id: ID!) { payments { nodes { id } pageInfo { hasNextPage } edges { cursor } }
             viewer { account { payments { nodes { id } } } }
             node(id: $id) { id ... on Payment { status } } }""",
        id=name,
    )

    match data:
        case {"payments": {"nodes": own}, "viewer": {"account": {"payments": {"nodes": same}}}}:
            assert own == same == [{"id": name}]
        case _:
            pytest.fail(f"{data}")


async def test_an_administrator_sees_everybodys_payments_and_their_numbers() -> None:
    shop = Shop()
    name = await started(shop)

    data = await shop.ask(
        """{ admin { payments(status: [PENDING]) {
                 nodes { id providerReference account { id } } }
               failed: payments(status: [FAILED]) { nodes { id } } } }""",
        by=EVE,
    )

    node = {
        "id": name,
        "providerReference": "pi_secret",
        "account": {"id": account_name(ADA.account_id)},
    }
    assert data == {"admin": {"payments": {"nodes": [node]}, "failed": {"nodes": []}}}


async def test_the_number_at_the_provider_is_not_for_its_owner() -> None:
    shop = Shop()
    await started(shop)

    told = await shop.tell("{ payments { nodes { status providerReference } } }")

    assert told.codes == ["FORBIDDEN"]
    assert told.data == {"payments": {"nodes": [{"status": "PENDING", "providerReference": None}]}}


async def test_the_portal_opens_after_the_first_payment() -> None:
    shop = Shop()
    query = """mutation ($path: String) { openBillingPortal(input: { returnPath: $path }) {
        ... on OpenBillingPortalSuccess { url } ... on Problem { code } } }"""

    before = await shop.ask(query)
    await started(shop)

    assert before == {"openBillingPortal": {"code": "NOT_FOUND"}}
    assert await shop.ask(query) == {"openBillingPortal": {"url": "https://portal.test/1"}}
    assert await shop.ask(query, path="/nowhere") == {"openBillingPortal": {"code": "UNAVAILABLE"}}


def test_a_payment_is_named_one_way_only() -> None:
    payment_id = PaymentId(PurseId(AccountId(7)), Moment(9))

    assert payment_named(payment_name(payment_id)) == payment_id
    assert payment_named(account_name(AccountId(7))) is None
