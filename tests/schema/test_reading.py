"""What callers read: their own rows, whole pages, and objects by their id."""

from dataclasses import replace

import pytest

from domain.answers import AnswerStatus
from domain.errors import ProviderFailure
from domain.ledger import HoldStatus
from domain.units import AnswerId, LotId, Microcredits
from schema.ids import (
    account_name,
    answer_name,
    entry_name,
    hold_name,
    lot_name,
    usage_name,
)
from schema.pages import ANSWERS
from tests.schema.office import MOMENT
from tests.schema.shop import ADA, BOB, EVE, RETIRED, Shop, answer_questions


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
            "signUpOpen": False,
            "emailConfirmation": False,
            "signUpCredits": "1",
            "signInMethods": [],
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
    shop.books.kept_balances[ADA.purse] = replace(balance, held=Microcredits(2_500_000))

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


async def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 5)
    query = """query ($after: String) { answers(first: 2, after: $after) {
        edges { cursor node { text } } nodes { text }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    at = [ANSWERS.cursor((MOMENT + number * 1_000_000, 1, 0)) for number in range(6)]

    first = await shop.ask(query)
    last = await shop.ask(query, after=at[2])

    assert first == {
        "answers": {
            "edges": [
                {"cursor": at[5], "node": {"text": "answer 5"}},
                {"cursor": at[4], "node": {"text": "answer 4"}},
            ],
            "nodes": [{"text": "answer 5"}, {"text": "answer 4"}],
            "pageInfo": {
                "hasNextPage": True,
                "hasPreviousPage": False,
                "startCursor": at[5],
                "endCursor": at[4],
            },
        }
    }
    assert last == {
        "answers": {
            "edges": [{"cursor": at[1], "node": {"text": "answer 1"}}],
            "nodes": [{"text": "answer 1"}],
            "pageInfo": {
                "hasNextPage": False,
                "hasPreviousPage": True,
                "startCursor": at[1],
                "endCursor": at[1],
            },
        }
    }


@pytest.mark.parametrize(
    "query",
    [
        "{ usage(first: 0) { nodes { id } } }",
        "{ ledger(first: 101) { nodes { id } } }",
        '{ holds(after: "x") { nodes { id } } }',
        '{ answers(after: "\\u0000") { nodes { id } } }',
        '{ usage(filter: { model: "\\u0000" }) { nodes { id } } }',
    ],
)
async def test_a_page_that_cannot_be_is_a_bad_request(query: str) -> None:
    told = await Shop().tell(query)

    assert told.codes == ["BAD_REQUEST"]


async def test_lists_are_narrowed_down() -> None:
    shop = Shop()
    first, _ = answer_questions(shop.books, ADA, 2)
    hold = shop.books.kept_holds[first.hold_id]
    shop.books.kept_holds[first.hold_id] = replace(hold, status=HoldStatus.OPEN)

    data = await shop.ask(
        """{
          charges: ledger(filter: { kind: [CHARGE] }) { nodes { amount } }
          none: ledger(filter: { kind: [] }) { nodes { amount } }
          all: ledger(filter: null) { nodes { kind } }
          small: usage(filter: { model: "small", outcome: [SUCCEEDED] }) { nodes { attempt } }
          failed: usage(filter: { outcome: [FAILED] }) { nodes { attempt } }
          open: holds(status: OPEN) { nodes { status } }
          done: answers(status: [SUCCEEDED, FAILED]) { nodes { status } }
        }"""
    )

    assert data == {
        "charges": {"nodes": [{"amount": "-0.000001"}] * 2},
        "none": {"nodes": []},
        "all": {"nodes": [{"kind": "CHARGE"}, {"kind": "CHARGE"}, {"kind": "SIGN_UP_GRANT"}]},
        "small": {"nodes": [{"attempt": 1}]},
        "failed": {"nodes": []},
        "open": {"nodes": [{"status": "OPEN"}]},
        "done": {"nodes": [{"status": "SUCCEEDED"}] * 2},
    }


async def test_another_accounts_answer_does_not_exist() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, BOB, 1)
    query = "query ($id: ID!) { answer(id: $id) { text } }"

    for caller in (ADA, EVE):
        data = await shop.ask(query, by=caller, id=answer_name(answer_id))
        assert data == {"answer": None}


@pytest.mark.parametrize("name", ["", "ans_", "nonsense", "acct_aaaaaaaaaaaac", "x" * 60_000])
async def test_a_malformed_id_names_no_answer(name: str) -> None:
    data = await Shop().ask("query ($id: ID!) { answer(id: $id) { text } }", id=name)

    assert data == {"answer": None}


async def test_an_administrators_own_lists_are_its_own() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)

    data = await shop.ask(
        "{ usage { nodes { id } } answers { nodes { id } } ledger { nodes { kind } } }", by=EVE
    )

    assert data == {
        "usage": {"nodes": []},
        "answers": {"nodes": []},
        "ledger": {"nodes": [{"kind": "SIGN_UP_GRANT"}]},
    }


def names_of(answer_id: AnswerId, shop: Shop) -> dict[str, str]:
    """What belongs to an answer, by type."""
    (usage_id,) = shop.books.kept_answers[answer_id].usage_ids
    (charge_id,) = (
        entry.id for entry in shop.books.kept_entries.values() if entry.answer_id == answer_id
    )
    return {
        "Account": account_name(answer_id.purse.account_id),
        "Answer": answer_name(answer_id),
        "Hold": hold_name(answer_id.hold_id),
        "LedgerEntry": entry_name(charge_id),
        "UsageRecord": usage_name(usage_id),
    }


async def test_everything_with_a_global_id_is_found_by_it() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, ADA, 1)
    query = "query ($id: ID!) { node(id: $id) { __typename id } }"

    for kind, name in names_of(answer_id, shop).items():
        for caller in (ADA, EVE):
            data = await shop.ask(query, by=caller, id=name)
            assert data == {"node": {"__typename": kind, "id": name}}


async def test_what_is_another_accounts_is_not_found() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, BOB, 1)
    query = "query ($id: ID!) { node(id: $id) { id } }"

    for name in (*names_of(answer_id, shop).values(), "nonsense", "lot_aaaaaaaaaaaac"):
        assert await shop.ask(query, by=ADA, id=name) == {"node": None}


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
