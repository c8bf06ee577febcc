"""Buying credits in demo mode: the sandbox's page, and what comes of each thing done there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from adapters.models.loopback import serve
from app.reconciling import reconcile
from tests.journeys.system import House, Person, open_house
from tests.payments.fake_stripe import SECRET, FakeStripe, signed

START = """mutation ($key: String!, $provider: PaymentProvider! = STRIPE,
          $currency: Currency! = USD,
          $path: String = "/account?tab=credits") {
  startCheckout(input: { packId: "starter", provider: $provider, currency: $currency,
                         returnPath: $path, idempotencyKey: $key }) {
    __typename
    ... on StartCheckoutSuccess { url replayed payment { id status price { amount currency } } }
    ... on InvalidInput { issues { path message } }
    ... on Problem { code message } } }"""
PAYMENT = """query ($id: ID!) { payment(id: $id) { status credits entry { kind amount } } }"""


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret, sign_up_credits="0") as house:
        yield house
        assert await house.differences() == []


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody with a checkout page before them."""

    house: House
    person: Person
    url: str
    payment_id: str

    async def do(self, deed: str) -> str:
        """Press a button; returns the page that comes next."""
        response = await self.house.http.post(self.url, data={"deed": deed}, follow_redirects=True)
        assert response.status_code == 200
        return response.text

    async def status(self) -> object:
        return (await self.person.send(PAYMENT, id=self.payment_id))["payment.status"]

    async def balance(self) -> tuple[object, object]:
        found = await self.person.balance()
        return found["total"], found["owed"]


async def visit(house: House, key: str = "k", **given: str) -> Visit:
    person, _ = await house.visitor()
    started = await person.send(START, key=key, **given)
    return Visit(
        house,
        person,
        started.text("startCheckout.url"),
        started.text("startCheckout.payment.id"),
    )


async def test_a_newcomer_buys_credits(house: House) -> None:
    ada = await visit(house)

    page = await house.http.get(ada.url)
    paid = await ada.do("pay")

    assert "USD 5.00" in page.text
    assert "Go on in the app" in paid
    assert f"/account?tab=credits&amp;payment={ada.payment_id}" in paid
    assert await ada.status() == "SUCCEEDED"
    assert await ada.balance() == ("5000", "0")
    line = (await ada.person.send("{ ledger { nodes { kind amount payment { id } } } }"))[
        "ledger.nodes.0"
    ]
    assert line == {"kind": "PURCHASE", "amount": "5000", "payment": {"id": ada.payment_id}}


async def test_the_page_is_closed_to_everything_foreign(house: House) -> None:
    ada = await visit(house)

    page = await house.http.get(ada.url)

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count("http://") == page.text.count("http://tallystick.test")
    assert "https://" not in page.text


async def test_shillings_are_paid_later(house: House) -> None:
    ada = await visit(house, provider="PAYSTACK", currency="KES")

    waiting = await ada.do("pay-later")
    before = await ada.status()
    await ada.do("pay")

    assert "waiting for the money" in waiting
    assert before == "PENDING"
    assert await ada.status() == "SUCCEEDED"


async def test_a_declined_card_brings_nothing_and_may_be_tried_again(house: House) -> None:
    ada = await visit(house)

    await ada.do("decline")
    declined = (await ada.status(), await ada.balance())
    await ada.do("pay")

    assert declined == ("FAILED", ("0", "0"))
    assert (await ada.status(), await ada.balance()) == ("SUCCEEDED", ("5000", "0"))


async def test_what_goes_back_takes_its_credits_along(house: House) -> None:
    ada = await visit(house)
    await ada.do("pay")
    seen = []

    for deed in ("refund-part", "fail-refund", "refund-part", "dispute", "win", "dispute"):
        await ada.do(deed)
        seen.append((deed, await ada.status(), await ada.balance()))

    assert seen == [
        ("refund-part", "SUCCEEDED", ("3750", "0")),
        ("fail-refund", "SUCCEEDED", ("5000", "0")),
        ("refund-part", "SUCCEEDED", ("3750", "0")),
        ("dispute", "REVERSED", ("0", "0")),
        ("win", "SUCCEEDED", ("3750", "0")),
        ("dispute", "SUCCEEDED", ("3750", "0")),
    ]


async def test_the_same_key_leads_to_the_same_page(house: House) -> None:
    person, _ = await house.visitor()

    replies = await asyncio.gather(*(person.send(START, key="once") for _ in range(5)))
    other = await person.send(START, key="once", path="/elsewhere")

    assert len({reply.text("startCheckout.url") for reply in replies}) == 1
    assert sorted(str(reply["startCheckout.replayed"]) for reply in replies) == [
        "False",
        *["True"] * 4,
    ]
    assert other["startCheckout.code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("path", ["//evil.test", "https://evil.test", "/\\evil.test", "/a\nb", ""])
async def test_a_checkout_leads_back_to_the_app_only(house: House, path: str) -> None:
    person, _ = await house.visitor()

    told = await person.send(START, key="k", path=path)

    assert told["startCheckout.issues.0.path"] == ["returnPath"]


async def test_what_cannot_be_bought_is_told(house: House) -> None:
    person, _ = await house.visitor()
    unknown = START.replace('"starter"', '"nothing"')

    assert (await person.send(unknown, key="a"))["startCheckout.code"] == "NOT_FOUND"
    wrong = await person.send(START, key="b", provider="STRIPE", currency="KES")
    assert wrong["startCheckout.issues.0"] == {
        "path": ["currency"],
        "message": "This pack can be bought by STRIPE in USD, PAYSTACK in KES.",
    }


async def test_the_sandbox_and_the_books_can_be_compared(house: House) -> None:
    ada = await visit(house)
    await ada.do("pay")
    await ada.do("refund-part")

    outcome = await asyncio.to_thread(reconcile, house.deployment.settings, days=1)

    assert outcome.lines() == ["Compared 1 payments with STRIPE and PAYSTACK: all agree."]


async def test_pages_are_for_those_who_know_them(house: House) -> None:
    ada = await visit(house)

    assert (await house.http.get(ada.url + "0")).status_code == 404
    assert (await house.http.get(ada.url + "%00")).status_code == 404
    assert (await house.http.post(ada.url + "0", data={"deed": "pay"})).status_code == 404
    assert (await house.http.post(ada.url, data={"deed": "steal"})).status_code == 400
    assert (await house.http.post(ada.url, content=b"x" * 2_000)).status_code == 413
    assert await ada.status() == "PENDING"


async def test_the_deployment_says_who_takes_payments(house: House) -> None:
    told = await house.stranger.send(
        "{ service { paymentProviders } creditPacks { id offers { provider } } }"
    )

    assert told["service.paymentProviders"] == ["STRIPE", "PAYSTACK"]
    assert told["creditPacks.0.id"] == "starter"


async def test_with_a_key_of_stripes_credits_are_bought_at_stripe(
    database_url: str, deployment_secret: str
) -> None:
    fake = FakeStripe()
    async with (
        serve(fake) as url,
        open_house(
            database_url,
            deployment_secret,
            stripe_secret_key="sk_test_x",
            stripe_webhook_secrets=SECRET,
            stripe_url=url.removesuffix("/v1"),
            app_url="https://app.test",
            sign_up_credits="0",
        ) as house,
    ):
        ada = await visit(house)
        (session,) = fake.sessions.values()
        event = fake.event("checkout.session.completed", fake.pay(str(session["id"])))
        hook = await house.http.post("/webhooks/stripe", content=event, headers=signed(event))
        service = await house.stranger.send("{ service { paymentProviders } }")
        sandbox = await house.http.get("/sandbox/checkout/sandbox")

        assert ada.url == session["url"]
        assert (
            session["success_url"]
            == f"https://app.test/account?tab=credits&payment={ada.payment_id}"
        )
        assert hook.status_code == 200
        assert (await ada.status(), await ada.balance()) == ("SUCCEEDED", ("5000", "0"))
        assert service["service.paymentProviders"] == ["STRIPE"]
        assert sandbox.status_code == 404
        assert await house.differences() == []


async def test_without_demo_mode_and_keys_nobody_takes_payments(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(
        database_url, deployment_secret, demo_mode=False, ai_api_key="a key"
    ) as house:
        told = await house.stranger.send("{ service { paymentProviders } creditPacks { id } }")
        hook = await house.http.post("/webhooks/stripe", content=b"{}")

    assert told["service.paymentProviders"] == []
    assert told["creditPacks"] == []
    assert hook.status_code == 400
