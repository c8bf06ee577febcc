"""What callers read about themselves and this deployment."""

from dataclasses import replace

from domain.answers import AnswerStatus
from domain.errors import ProviderFailure
from domain.units import LotId, Microcredits
from schema.ids import (
    account_name,
    answer_name,
    lot_name,
)
from tests.schema.office import MOMENT
from tests.schema.shop import ADA, RETIRED, Shop, answer_questions


async def test_anybody_may_see_what_is_offered() -> None:
    shop = Shop()

    data = await shop.ask(
        """{ service { version demoMode signUpOpen emailConfirmation signUpCredits signInMethods
                       paymentProviders maxMessages maxPayloadBytes } }""",
        by=None,
    )

    assert data == {
        "service": {
            "version": "1.2.3",
            "demoMode": True,
            "signUpOpen": True,
            "emailConfirmation": False,
            "signUpCredits": "1",
            "signInMethods": ["PASSWORD", "MAGIC_LINK"],
            "paymentProviders": [],
            "maxMessages": 100,
            "maxPayloadBytes": 32_768,
        }
    }


async def test_a_visitor_is_nobody() -> None:
    assert await Shop().ask("{ viewer { account { id } } }", by=None) == {"viewer": None}


async def test_a_caller_sees_itself() -> None:
    data = await Shop().ask(
        """{ viewer { scopes account { id email emailConfirmed displayName role status createdAt
             balance { available } ledger { nodes { kind } } usage { nodes { id } } } } }"""
    )

    assert data == {
        "viewer": {
            "scopes": ["READ", "ASK"],
            "account": {
                "id": account_name(ADA.account_id),
                "email": "ada@example.test",
                "emailConfirmed": True,
                "displayName": None,
                "role": "USER",
                "status": "ACTIVE",
                "createdAt": "2026-01-31T12:00:00Z",
                "balance": {"available": "10"},
                "ledger": {"nodes": [{"kind": "SIGN_UP_GRANT"}]},
                "usage": {"nodes": []},
            },
        }
    }


async def test_a_balance_says_what_it_consists_of() -> None:
    shop = Shop()
    balance = shop.books.kept_balances[ADA.purse]
    shop.books.kept_balances[ADA.purse] = balance._replace(held=Microcredits(2_500_000))

    data = await shop.ask(
        """{ balance { available held total owed updatedAt
             lots { id amount remaining expiresAt entry { kind amount } } } }"""
    )

    assert data == {
        "balance": {
            "available": "7.5",
            "held": "2.5",
            "total": "10",
            "owed": "0",
            "updatedAt": "2026-01-31T12:00:00Z",
            "lots": [
                {
                    "id": lot_name(LotId(ADA.purse, MOMENT)),
                    "amount": "10",
                    "remaining": "10",
                    "expiresAt": None,
                    "entry": {"kind": "SIGN_UP_GRANT", "amount": "10"},
                }
            ],
        }
    }


async def test_a_usage_record_tells_the_attempt() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, ADA, 1)

    data = await shop.ask(
        """{ usage { nodes { createdAt outcome attempt inputTokens cachedInputTokens outputTokens
             estimated charged latencyMs firstTokenMs problemCode model { id }
             price { id inputPer1K cachedInputPer1K outputPer1K perRequest effectiveFrom }
             answer { id text } } } }"""
    )

    assert data == {
        "usage": {
            "nodes": [
                {
                    "createdAt": "2026-01-31T12:00:01.000011Z",
                    "outcome": "SUCCEEDED",
                    "attempt": 1,
                    "inputTokens": 2**40,
                    "cachedInputTokens": 0,
                    "outputTokens": 7,
                    "estimated": False,
                    "charged": "0.000001",
                    "latencyMs": 120,
                    "firstTokenMs": 30,
                    "problemCode": None,
                    "model": {"id": "small"},
                    "price": {
                        "id": "price_aaaaaaaaaaaac",
                        "inputPer1K": "0.3",
                        "cachedInputPer1K": "0",
                        "outputPer1K": "0.6",
                        "perRequest": "0",
                        "effectiveFrom": "2026-01-31T12:00:00Z",
                    },
                    "answer": {"id": answer_name(answer_id), "text": "answer 1"},
                }
            ]
        }
    }


async def test_the_ledger_is_read_newest_first_with_what_each_line_is_for() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)

    data = await shop.ask(
        "{ ledger { nodes { kind amount totalAfter reason answer { text } reverses { id } } } }"
    )

    assert data == {
        "ledger": {
            "nodes": [
                {
                    "kind": "CHARGE",
                    "amount": "-0.000001",
                    "totalAfter": "9.999999",
                    "reason": None,
                    "answer": {"text": "answer 1"},
                    "reverses": None,
                },
                {
                    "kind": "SIGN_UP_GRANT",
                    "amount": "10",
                    "totalAfter": "10",
                    "reason": None,
                    "answer": None,
                    "reverses": None,
                },
            ]
        }
    }


async def test_a_hold_shows_how_it_ended() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)

    data = await shop.ask(
        "{ holds { nodes { status amount captured createdAt expiresAt endedAt answer { text } } } }"
    )

    assert data == {
        "holds": {
            "nodes": [
                {
                    "status": "CAPTURED",
                    "amount": "0.000005",
                    "captured": "0.000001",
                    "createdAt": "2026-01-31T12:00:01Z",
                    "expiresAt": "2026-01-31T12:00:00Z",
                    "endedAt": "2026-01-31T12:00:00Z",
                    "answer": {"text": "answer 1"},
                }
            ]
        }
    }


async def test_an_answer_shows_its_attempts_and_its_model_even_when_that_is_retired() -> None:
    shop = Shop()
    _, retired = answer_questions(shop.books, ADA, 2)

    data = await shop.ask(
        """query ($id: ID!) { answer(id: $id) { status text finishReason charged held createdAt
             finishedAt problem { code } model { id enabled } attempts { attempt charged } } }""",
        id=answer_name(retired),
    )

    assert data == {
        "answer": {
            "status": "SUCCEEDED",
            "text": "answer 2",
            "finishReason": "STOP",
            "charged": "0.000001",
            "held": "0",
            "createdAt": "2026-01-31T12:00:02Z",
            "finishedAt": "2026-01-31T12:00:00Z",
            "problem": None,
            "model": {"id": RETIRED.id, "enabled": False},
            "attempts": [{"attempt": 1, "charged": "0.000001"}],
        }
    }


async def test_a_failed_answer_says_why() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, ADA, 1)
    answer = shop.books.kept_answers[answer_id]
    shop.books.kept_answers[answer_id] = replace(
        answer, status=AnswerStatus.FAILED, failure=ProviderFailure.TIMEOUT
    )

    data = await shop.ask(
        """{ answers { nodes { status
             problem { code message httpStatus ... on ProviderFailed { reason } } } } }"""
    )

    assert data == {
        "answers": {
            "nodes": [
                {
                    "status": "FAILED",
                    "problem": {
                        "code": "PROVIDER_FAILED",
                        "message": "The model did not answer in time. Nothing was charged.",
                        "httpStatus": 504,
                        "reason": "TIMEOUT",
                    },
                }
            ]
        }
    }


async def test_only_models_that_can_be_asked_are_listed() -> None:
    data = await Shop().ask(
        """{ models { id name vendor isDefault enabled contextWindow maxOutputTokens
             price { inputPer1K } } }""",
        by=None,
    )

    assert data == {
        "models": [
            {
                "id": "small",
                "name": "Small",
                "vendor": "Ours",
                "isDefault": True,
                "enabled": True,
                "contextWindow": 8_192,
                "maxOutputTokens": 1_000,
                "price": {"inputPer1K": "0.3"},
            }
        ]
    }


async def test_asking_for_the_rate_limit_alone_is_free() -> None:
    data = await Shop().ask("{ rateLimit { cost limit remaining resetAt } }", by=None)

    assert data == {
        "rateLimit": {
            "cost": 0,
            "limit": 10_000,
            "remaining": 10_000,
            "resetAt": "2026-01-31T12:00:00Z",
        }
    }
