"""Every kind of problem, each provoked once, over HTTP.

INVALID_CREDENTIALS is in `test_signing_in.py`, BUDGET_EXCEEDED in `test_keys.py`.
"""

from collections.abc import AsyncIterator

import pytest

from domain.identity import Role
from tests.app.asking import DEMO, Reply
from tests.journeys.system import House, Person, open_house

ADJUST = """
mutation($account: ID!, $amount: Credits!) {
  adjustCredits(
    input: {accountId: $account, amount: $amount, reason: "a test", idempotencyKey: "adjust"}
  ) {
    __typename
    ... on InsufficientCredits { required available affordableOutputTokens }
    ... on Problem { code message httpStatus }
  }
}
"""
REFUND = """
mutation($entry: ID!, $amount: Credits, $key: String!) {
  refundCharge(
    input: {entryId: $entry, amount: $amount, reason: "a test", idempotencyKey: $key}
  ) {
    __typename
    ... on PostCreditsSuccess { entry { kind amount reverses { id } } }
    ... on Problem { code message httpStatus }
  }
}
"""
ASK_MODEL = """
mutation($content: String!, $model: String, $temperature: Float, $tokens: Int) {
  askAI(input: {
    messages: {content: $content}, model: $model, temperature: $temperature,
    maxOutputTokens: $tokens, idempotencyKey: "ask"
  }) {
    __typename
    ... on InvalidInput { issues { path message } }
    ... on InsufficientCredits { required available affordableOutputTokens }
    ... on RateLimited { retryAfterSeconds }
    ... on Problem { code message httpStatus }
  }
}
"""


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(
        database_url, deployment_secret, ai_timeout_seconds=1, asks_per_minute=5
    ) as house:
        yield house
        assert await house.differences() == []


def told(reply: Reply, field: str) -> tuple[object, object, object]:
    return reply[f"{field}.__typename"], reply[f"{field}.code"], reply[f"{field}.httpStatus"]


async def test_invalid_input_names_everything_that_is_wrong(house: House) -> None:
    user, _ = await house.visitor()

    asked = await user.send(ASK_MODEL, content=" ", temperature=3, tokens=0)

    assert told(asked, "askAI") == ("InvalidInput", "INVALID_INPUT", 400)
    issues = asked["askAI.issues"]
    assert isinstance(issues, list)
    assert [issue["path"] for issue in issues if isinstance(issue, dict)] == [
        ["messages", "0", "content"],
        ["maxOutputTokens"],
        ["temperature"],
    ]


async def test_insufficient_credits_say_how_much_is_missing(house: House) -> None:
    _, account = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)

    taken = await administrator.send(ADJUST, account=account, amount="-1000.5")

    assert told(taken, "adjustCredits") == ("InsufficientCredits", "INSUFFICIENT_CREDITS", 402)
    assert taken["adjustCredits.required"] == "1000.5"
    assert taken["adjustCredits.available"] == "1000"
    assert taken["adjustCredits.affordableOutputTokens"] is None


async def test_a_question_beyond_the_balance_says_how_long_an_answer_would_fit(
    house: House,
) -> None:
    user, account = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)
    await administrator.send(ADJUST, account=account, amount="-999.5")

    asked = await user.send(ASK_MODEL, content="hello", tokens=4000)

    assert told(asked, "askAI") == ("InsufficientCredits", "INSUFFICIENT_CREDITS", 402)
    affordable = asked["askAI.affordableOutputTokens"]
    assert isinstance(affordable, int)
    assert 0 < affordable < 4000
    again = await user.send(ASK_MODEL, content="hello", tokens=affordable)
    assert again["askAI.__typename"] == "AskAISuccess"


async def test_an_unknown_model_is_not_found(house: House) -> None:
    user, _ = await house.visitor()

    asked = await user.send(ASK_MODEL, content="hello", model="no-such-model")

    assert told(asked, "askAI") == ("NotFound", "NOT_FOUND", 404)


async def test_a_key_with_other_input_is_a_conflict(house: House) -> None:
    user, _ = await house.visitor()
    await user.ask("one", "key")

    asked = await user.ask("two", "key")

    assert told(asked, "askAI") == ("Conflict", "IDEMPOTENCY_KEY_REUSED", 409)


async def test_a_charge_is_given_back_at_most_once_in_total(house: House) -> None:
    user, _ = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)
    await user.ask("hello", "ask")
    entry = await charge_of(user)

    whole = await administrator.send(REFUND, entry=entry, amount=None, key="first")
    again = await administrator.send(REFUND, entry=entry, amount=None, key="second")

    assert whole["refundCharge.entry.kind"] == "REFUND"
    assert whole["refundCharge.entry.reverses.id"] == entry
    assert told(again, "refundCharge") == ("Conflict", "STATE_CONFLICT", 409)
    assert (await user.balance())["available"] == "1000"


async def test_too_many_questions_are_told_when_to_come_back(house: House) -> None:
    user, _ = await house.visitor()
    for number in range(5):
        await user.ask("hello", f"key {number}")
    # A question comes free every twelve seconds, which a slow machine may have taken for these.
    asked = await user.send(ASK_MODEL, content="hello")
    for _ in range(50):
        if asked["askAI.__typename"] != "AskAISuccess":
            break
        asked = await user.send(ASK_MODEL, content="hello")

    assert told(asked, "askAI") == ("RateLimited", "RATE_LIMITED", 429)
    seconds = asked["askAI.retryAfterSeconds"]
    assert isinstance(seconds, int)
    assert 1 <= seconds <= 60


@pytest.mark.parametrize(
    ("directive", "status"), [("500", 502), ("429", 502), ("empty", 502), ("timeout", 504)]
)
async def test_a_failed_provider_is_told_by_its_status(
    house: House, directive: str, status: int
) -> None:
    user, _ = await house.visitor()

    asked = await user.ask(f"hello\nsimulate: {directive}", "ask")

    assert told(asked, "askAI") == ("ProviderFailed", "PROVIDER_FAILED", status)
    assert "Nothing was charged" in asked.text("askAI.message")


async def test_what_is_not_offered_is_unavailable(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret, demo_mode=False) as house:
        started = await house.stranger.send(DEMO)

    assert started["startDemoSession.__typename"] == "Unavailable"
    assert started["startDemoSession.code"] == "UNAVAILABLE"


async def charge_of(person: Person) -> str:
    seen = await person.send("{ ledger(filter: {kind: [CHARGE]}) { nodes { id } } }")
    return seen.text("ledger.nodes.0.id")
