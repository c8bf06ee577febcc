"""Asking, and how its failures are told as data."""

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
from domain.units import Microcredits, ModelId
from tests.schema.shop import Shop

ASK = """mutation ($input: AskAIInput!) { askAI(input: $input) {
    __typename
    ... on AskAISuccess {
      answer { status text charged held model { id } } balance { available } replayed }
    ... on Problem { code message httpStatus }
    ... on InvalidInput { issues { path message } }
    ... on InsufficientCredits { required available affordableOutputTokens }
    ... on RateLimited { retryAfterSeconds }
    ... on ProviderFailed { reason } } }"""


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


@pytest.mark.parametrize("wait", [-1, 121])
async def test_nobody_waits_longer_than_two_minutes(wait: int) -> None:
    data = await Shop().ask(
        "mutation ($input: AskAIInput!) { askAI(input: $input) {"
        " ... on InvalidInput { issues { path } } } }",
        input={"messages": {"content": "Hi"}, "waitSeconds": wait, "idempotencyKey": "k"},
    )

    assert data == {"askAI": {"issues": [{"path": ["waitSeconds"]}]}}


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
