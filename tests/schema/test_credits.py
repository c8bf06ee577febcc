"""What administrators do to balances."""

import pytest

from domain.units import AccountId
from schema.ids import account_name, entry_name
from tests.schema.shop import ADA, EVE, Shop, answer_questions

POST = """
    __typename
    ... on PostCreditsSuccess {
      entry { kind amount totalAfter reason actor { email } account { email } }
      account { email balance { available } } balance { available total } replayed }
    ... on Problem { code httpStatus }
    ... on InvalidInput { issues { path message } }
    ... on InsufficientCredits { required available affordableOutputTokens }"""


RECHARGE = f"""mutation ($input: RechargeCreditsInput!) {{
    rechargeCredits(input: $input) {{ {POST} }} }}"""


ADJUST = f"mutation ($input: AdjustCreditsInput!) {{ adjustCredits(input: $input) {{ {POST} }} }}"


REFUND = f"mutation ($input: RefundChargeInput!) {{ refundCharge(input: $input) {{ {POST} }} }}"


ADAS = account_name(ADA.account_id)


async def test_an_administrator_adds_credits_once_for_a_key() -> None:
    shop = Shop()
    given = {"accountId": ADAS, "amount": "2.5", "reason": "a gift", "idempotencyKey": "k"}

    first = await shop.ask(RECHARGE, by=EVE, input=given)
    again = await shop.ask(RECHARGE, by=EVE, input=given)

    told = {
        "__typename": "PostCreditsSuccess",
        "entry": {
            "kind": "RECHARGE",
            "amount": "2.5",
            "totalAfter": "12.5",
            "reason": "a gift",
            "actor": {"email": "eve@example.test"},
            "account": {"email": "ada@example.test"},
        },
        "account": {"email": "ada@example.test", "balance": {"available": "12.5"}},
        "balance": {"available": "12.5", "total": "12.5"},
    }
    assert first == {"rechargeCredits": told | {"replayed": False}}
    assert again == {"rechargeCredits": told | {"replayed": True}}


async def test_a_second_change_in_one_request_shows_what_the_first_left() -> None:
    data = await Shop().ask(
        """mutation ($a: ID!) {
          one: rechargeCredits(
            input: { accountId: $a, amount: 1, reason: "r", idempotencyKey: "1" }
          ) { ...Left }
          two: rechargeCredits(
            input: { accountId: $a, amount: 1, reason: "r", idempotencyKey: "2" }
          ) { ...Left }
        }
        fragment Left on PostCreditsSuccess { account { balance { available } } }""",
        by=EVE,
        a=ADAS,
    )

    assert data == {
        "one": {"account": {"balance": {"available": "11"}}},
        "two": {"account": {"balance": {"available": "12"}}},
    }


async def test_the_same_key_with_other_input_is_a_conflict() -> None:
    shop = Shop()
    given = {"accountId": ADAS, "amount": "2.5", "reason": "a gift", "idempotencyKey": "k"}

    await shop.ask(RECHARGE, by=EVE, input=given)
    data = await shop.ask(RECHARGE, by=EVE, input=given | {"amount": "2.6"})

    assert data == {
        "rechargeCredits": {
            "__typename": "Conflict",
            "code": "IDEMPOTENCY_KEY_REUSED",
            "httpStatus": 409,
        }
    }


async def test_everything_wrong_with_a_recharge_is_told_at_once() -> None:
    data = await Shop().ask(
        RECHARGE,
        by=EVE,
        input={
            "accountId": ADAS,
            "amount": "0",
            "reason": " ",
            "expiresAt": "2026-01-31T12:00:00Z",
            "idempotencyKey": "x" * 129,
        },
    )

    assert data == {
        "rechargeCredits": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "httpStatus": 400,
            "issues": [
                {"path": ["amount"], "message": "Must be more than zero."},
                {"path": ["expiresAt"], "message": "Must be in the future."},
                {"path": ["reason"], "message": "Must not be empty."},
                {
                    "path": ["idempotencyKey"],
                    "message": "Must have 1 to 128 characters, such as a new UUID.",
                },
            ],
        }
    }


@pytest.mark.parametrize("name", ["nonsense", ADAS[:-1], account_name(AccountId(4))])
async def test_an_unknown_account_is_not_found(name: str) -> None:
    given = {"accountId": name, "amount": 1, "reason": "r", "idempotencyKey": "k"}

    for query, field in ((RECHARGE, "rechargeCredits"), (ADJUST, "adjustCredits")):
        data = await Shop().ask(query, by=EVE, input=given)
        assert data == {field: {"__typename": "NotFound", "code": "NOT_FOUND", "httpStatus": 404}}


async def test_a_balance_is_corrected_in_either_direction() -> None:
    shop = Shop()
    given = {"accountId": ADAS, "amount": "-0.5", "reason": "r", "idempotencyKey": "down"}
    query = """mutation ($input: AdjustCreditsInput!) { adjustCredits(input: $input) {
        ... on PostCreditsSuccess { entry { kind amount totalAfter } } } }"""

    down = await shop.ask(query, by=EVE, input=given)
    up = await shop.ask(query, by=EVE, input=given | {"amount": 2, "idempotencyKey": "up"})

    assert down == {
        "adjustCredits": {"entry": {"kind": "ADJUSTMENT", "amount": "-0.5", "totalAfter": "9.5"}}
    }
    assert up == {
        "adjustCredits": {"entry": {"kind": "ADJUSTMENT", "amount": "2", "totalAfter": "11.5"}}
    }


async def test_a_correction_never_takes_more_than_there_is() -> None:
    shop = Shop()
    given = {"accountId": ADAS, "amount": "-10.000001", "reason": "r", "idempotencyKey": "k"}

    data = await shop.ask(ADJUST, by=EVE, input=given)

    assert data == {
        "adjustCredits": {
            "__typename": "InsufficientCredits",
            "code": "INSUFFICIENT_CREDITS",
            "httpStatus": 402,
            "required": "10.000001",
            "available": "10",
            "affordableOutputTokens": None,
        }
    }


@pytest.mark.parametrize(("amount", "given_back"), [(None, "0.000001"), ("0.000001", "0.000001")])
async def test_a_charge_is_given_back(amount: str | None, given_back: str) -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, ADA, 1)
    (charge,) = (e for e in shop.books.kept_entries.values() if e.answer_id == answer_id)

    data = await shop.ask(
        "mutation ($input: RefundChargeInput!) { refundCharge(input: $input) {"
        " ... on PostCreditsSuccess { entry { kind amount } } } }",
        by=EVE,
        input={
            "entryId": entry_name(charge.id),
            "amount": amount,
            "reason": "r",
            "idempotencyKey": "k",
        },
    )

    assert data == {"refundCharge": {"entry": {"kind": "REFUND", "amount": given_back}}}


async def test_only_charges_are_given_back() -> None:
    shop = Shop()
    (grant,) = (e for e in shop.books.kept_entries.values() if e.id.purse == ADA.purse)

    for name in (entry_name(grant.id), "nonsense"):
        given = {"entryId": name, "reason": "r", "idempotencyKey": "k"}
        data = await shop.ask(REFUND, by=EVE, input=given)
        assert data == {
            "refundCharge": {"__typename": "NotFound", "code": "NOT_FOUND", "httpStatus": 404}
        }
