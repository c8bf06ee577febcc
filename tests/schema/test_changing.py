"""What callers change, and how failures are told as data."""

import pytest

from domain.errors import (
    AccountSuspended,
    IdempotencyKeyReused,
    InsufficientCredits,
    NotFound,
    ProviderFailed,
    ProviderFailure,
    RateLimited,
    StateConflict,
    TallystickError,
    Unavailable,
)
from domain.questions import Message, MessageRole, Question
from domain.units import AccountId, Microcredits, ModelId
from schema.ids import account_name, entry_name
from tests.schema.shop import ADA, EVE, Shop, answer_questions

ASK = """mutation ($input: AskAIInput!) { askAI(input: $input) {
    __typename
    ... on AskAISuccess {
      answer { status text charged held model { id } } balance { available } replayed }
    ... on Problem { code message httpStatus }
    ... on InvalidInput { issues { path message } }
    ... on InsufficientCredits { required available affordableOutputTokens }
    ... on RateLimited { retryAfterSeconds }
    ... on ProviderFailed { reason } } }"""

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


async def test_a_question_is_answered_and_charged() -> None:
    shop = Shop()

    data = await shop.ask(ASK, input={"messages": {"content": "Hi"}, "idempotencyKey": "k"})

    assert data == {
        "askAI": {
            "__typename": "AskAISuccess",
            "answer": {
                "status": "SUCCEEDED",
                "text": "Hi",
                "charged": "1",
                "held": "0",
                "model": {"id": "small"},
            },
            "balance": {"available": "9"},
            "replayed": False,
        }
    }
    assert shop.asking.asked == [(Question(messages=(Message(MessageRole.USER, "Hi"),)), "k", 60)]


async def test_a_question_is_passed_on_as_it_was_asked() -> None:
    shop = Shop()
    messages = [
        {"role": "SYSTEM", "content": "Be brief."},
        {"role": "ASSISTANT", "content": "Yes?"},
        {"content": "Hi"},
    ]

    await shop.ask(
        ASK,
        input={
            "messages": messages,
            "model": "retired",
            "maxOutputTokens": 5,
            "temperature": 0.5,
            "waitSeconds": 0,
            "idempotencyKey": "k",
        },
    )

    question = Question(
        messages=(
            Message(MessageRole.SYSTEM, "Be brief."),
            Message(MessageRole.ASSISTANT, "Yes?"),
            Message(MessageRole.USER, "Hi"),
        ),
        model=ModelId("retired"),
        answer_tokens_max=5,
        temperature=0.5,
    )
    assert shop.asking.asked == [(question, "k", 0)]


async def test_everything_wrong_with_a_question_is_told_at_once_where_it_was_written() -> None:
    shop = Shop()

    data = await shop.ask(
        ASK,
        input={
            "messages": [{"content": "Hi"}, {"content": " "}],
            "maxOutputTokens": 0,
            "temperature": 3,
            "waitSeconds": 121,
            "idempotencyKey": "",
        },
    )

    key, wait = "Must have 1 to 128 characters, such as a new UUID.", "Must be from 0 to 120."
    assert data == {
        "askAI": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "httpStatus": 400,
            "message": "messages.1.content: Must not be empty. maxOutputTokens: Must be at least 1."
            f" temperature: Must be from 0 to 2. idempotencyKey: {key} waitSeconds: {wait}",
            "issues": [
                {"path": ["messages", "1", "content"], "message": "Must not be empty."},
                {"path": ["maxOutputTokens"], "message": "Must be at least 1."},
                {"path": ["temperature"], "message": "Must be from 0 to 2."},
                {"path": ["idempotencyKey"], "message": key},
                {"path": ["waitSeconds"], "message": wait},
            ],
        }
    }
    assert shop.asking.asked == []


async def test_what_asking_finds_wrong_is_told_in_the_same_words() -> None:
    data = await Shop().ask(
        ASK,
        input={"messages": {"content": "Hi"}, "maxOutputTokens": 0, "idempotencyKey": "k"},
    )

    assert data == {
        "askAI": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "httpStatus": 400,
            "message": "maxOutputTokens: Must be at least 1.",
            "issues": [{"path": ["maxOutputTokens"], "message": "Must be at least 1."}],
        }
    }


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            InsufficientCredits(
                required=Microcredits(1_500_000),
                available=Microcredits(300_000),
                affordable_answer_tokens=17,
            ),
            {
                "__typename": "InsufficientCredits",
                "code": "INSUFFICIENT_CREDITS",
                "httpStatus": 402,
                "required": "1.5",
                "available": "0.3",
                "affordableOutputTokens": 17,
            },
        ),
        (
            AccountSuspended(),
            {"__typename": "AccountSuspended", "code": "ACCOUNT_SUSPENDED", "httpStatus": 403},
        ),
        (NotFound("model"), {"__typename": "NotFound", "code": "NOT_FOUND", "httpStatus": 404}),
        (
            IdempotencyKeyReused(),
            {"__typename": "Conflict", "code": "IDEMPOTENCY_KEY_REUSED", "httpStatus": 409},
        ),
        (
            StateConflict("It has ended."),
            {"__typename": "Conflict", "code": "STATE_CONFLICT", "httpStatus": 409},
        ),
        (
            RateLimited(retry_after_seconds=9),
            {
                "__typename": "RateLimited",
                "code": "RATE_LIMITED",
                "httpStatus": 429,
                "retryAfterSeconds": 9,
            },
        ),
        (
            ProviderFailed(ProviderFailure.EMPTY),
            {
                "__typename": "ProviderFailed",
                "code": "PROVIDER_FAILED",
                "httpStatus": 502,
                "reason": "EMPTY",
            },
        ),
        (
            ProviderFailed(ProviderFailure.TIMEOUT),
            {
                "__typename": "ProviderFailed",
                "code": "PROVIDER_FAILED",
                "httpStatus": 504,
                "reason": "TIMEOUT",
            },
        ),
        (
            Unavailable("Not now."),
            {"__typename": "Unavailable", "code": "UNAVAILABLE", "httpStatus": 503},
        ),
    ],
)
async def test_an_expected_failure_is_told_as_data(
    error: TallystickError, told: dict[str, object]
) -> None:
    shop = Shop()
    shop.asking.fails_with = error

    data = await shop.ask(ASK, input={"messages": {"content": "Hi"}, "idempotencyKey": "k"})

    assert data == {"askAI": told | {"message": str(error)}}


async def test_a_fault_of_ours_is_an_error() -> None:
    shop = Shop()
    shop.asking.fails_with = TallystickError("never told")

    told = await shop.tell(ASK, input={"messages": {"content": "Hi"}, "idempotencyKey": "k"})

    assert told.data == {"askAI": None}
    assert [error.path for error in told.errors] == [["askAI"]]


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


SAVE_MODEL = """mutation ($input: SaveModelInput!) { saveModel(input: $input) {
    __typename
    ... on SaveModelSuccess { model { id name enabled price { inputPer1K cachedInputPer1K } } }
    ... on Problem { code }
    ... on InvalidInput { issues { path message } } } }"""
SET_PRICE = """mutation ($input: SetModelPriceInput!) { setModelPrice(input: $input) {
    __typename
    ... on SetModelPriceSuccess {
      model { price { inputPer1K cachedInputPer1K outputPer1K perRequest } } }
    ... on Problem { code }
    ... on InvalidInput { issues { path message } } } }"""


async def test_settings_left_out_stay_as_they_are() -> None:
    data = await Shop().ask(
        SAVE_MODEL, by=EVE, input={"id": "small", "name": "Smaller", "vendor": None}
    )

    assert data == {
        "saveModel": {
            "__typename": "SaveModelSuccess",
            "model": {
                "id": "small",
                "name": "Smaller",
                "enabled": True,
                "price": {"inputPer1K": "0.3", "cachedInputPer1K": "0"},
            },
        }
    }


async def test_a_new_model_comes_with_its_price() -> None:
    data = await Shop().ask(
        SAVE_MODEL,
        by=EVE,
        input={
            "id": "new",
            "name": "New",
            "vendor": "Ours",
            "upstreamName": "new",
            "contextWindow": 1_000,
            "maxOutputTokens": 100,
            "enabled": True,
            "price": {"inputPer1K": "0.3", "outputPer1K": 1},
        },
    )

    assert data == {
        "saveModel": {
            "__typename": "SaveModelSuccess",
            "model": {
                "id": "new",
                "name": "New",
                "enabled": True,
                "price": {"inputPer1K": "0.3", "cachedInputPer1K": "0.3"},
            },
        }
    }


async def test_everything_wrong_with_a_model_is_told_at_once() -> None:
    data = await Shop().ask(
        SAVE_MODEL,
        by=EVE,
        input={
            "id": "a model",
            "name": "",
            "upstreamName": "x" * 201,
            "contextWindow": 0,
            "maxOutputTokens": -1,
            "enabled": False,
            "isDefault": True,
            "price": {"inputPer1K": "-1", "outputPer1K": "1000000.000001"},
        },
    )

    rate = "Must be from 0 to 1000000 credits."
    assert data == {
        "saveModel": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "issues": [
                {
                    "path": ["id"],
                    "message": "Must be 1 to 128 letters, digits or . _ : / - and begin with one "
                    "of the first.",
                },
                {"path": ["name"], "message": "Must not be empty."},
                {"path": ["upstreamName"], "message": "At most 200 characters; these are 201."},
                {"path": ["contextWindow"], "message": "Must be at least 1."},
                {"path": ["maxOutputTokens"], "message": "Must be at least 1."},
                {"path": ["enabled"], "message": "The default model has to be enabled."},
                {"path": ["price", "inputPer1K"], "message": rate},
                {"path": ["price", "cachedInputPer1K"], "message": rate},
                {"path": ["price", "outputPer1K"], "message": rate},
            ],
        }
    }


async def test_a_price_is_replaced() -> None:
    shop = Shop()
    price = {"inputPer1K": "0.3", "cachedInputPer1K": "0.1", "outputPer1K": 2, "perRequest": "0.5"}

    data = await shop.ask(SET_PRICE, by=EVE, input={"modelId": "small", "price": price})

    assert data == {
        "setModelPrice": {
            "__typename": "SetModelPriceSuccess",
            "model": {"price": price | {"outputPer1K": "2"}},
        }
    }


@pytest.mark.parametrize("name", ["unknown", "", "\0", "x" * 1_000])
async def test_an_unknown_model_has_no_price(name: str) -> None:
    price = {"inputPer1K": 1, "outputPer1K": 1}

    data = await Shop().ask(SET_PRICE, by=EVE, input={"modelId": name, "price": price})

    assert data == {"setModelPrice": {"__typename": "NotFound", "code": "NOT_FOUND"}}


DEMO = """mutation { startDemoSession {
    __typename
    ... on SessionStarted {
      session { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
      account { id email role balance { available lots { entry { kind } } } } }
    ... on Problem { code } } }"""


@pytest.mark.parametrize("caller", [None, ADA])
async def test_a_started_session_sees_its_own_account_whoever_asked(caller: object) -> None:
    data = await Shop().ask(DEMO, by=None if caller is None else ADA)

    assert data == {
        "startDemoSession": {
            "__typename": "SessionStarted",
            "session": {
                "accessToken": "token of 4",
                "accessTokenExpiresAt": "2026-01-31T12:00:00Z",
                "refreshToken": "refresh",
                "refreshTokenExpiresAt": "2026-01-31T12:00:00Z",
            },
            "account": {
                "id": "acct_aaaaaaaaaaaai",
                "email": None,
                "role": "USER",
                "balance": {
                    "available": "10",
                    "lots": [{"entry": {"kind": "SIGN_UP_GRANT"}}],
                },
            },
        }
    }


async def test_starting_a_session_lends_its_rights_to_nothing_else_in_the_request() -> None:
    told = await Shop().tell(
        "mutation { startDemoSession { __typename }"
        ' askAI(input: { messages: { content: "Hi" }, idempotencyKey: "k" }) { __typename } }',
        by=None,
    )

    assert told.data == {"startDemoSession": {"__typename": "SessionStarted"}, "askAI": None}
    assert told.codes == ["UNAUTHENTICATED"]
