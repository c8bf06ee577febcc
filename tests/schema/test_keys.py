"""API keys as their owners see, change, fund and end them."""

from dataclasses import replace
from datetime import datetime

import pytest

from domain.budgets import BudgetPeriod, KeyBudget
from domain.errors import BudgetExceeded
from domain.identity import Scope
from domain.key_texts import prefix_of, read
from domain.units import ApiKeyId, KeyNumber, Microcredits
from schema.ids import key_name
from tests.schema.shop import ADA, ADAS_READING_KEY, BOB, Shop, answer_questions

FIRST = ApiKeyId(ADA.account_id, KeyNumber(1))
SECOND = ApiKeyId(ADA.account_id, KeyNumber(2))
CREDIT = 1_000_000

CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  __typename
  ... on CreateApiKeySuccess { secret apiKey {
    id name prefix status scopes funding requestsPerMinute expiresAt lastUsedAt
    budget { limit period used resetsAt } allowedModels { id } balance { available } } }
  ... on Problem { code message }
  ... on InvalidInput { issues { path message } } } }"""
UPDATE = """mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) {
  __typename
  ... on UpdateApiKeySuccess { apiKey {
    name status requestsPerMinute expiresAt budget { limit period } allowedModels { id } } }
  ... on Problem { code }
  ... on InvalidInput { issues { path } } } }"""
REVOKE = """mutation ($id: ID!) { revokeApiKey(input: { apiKeyId: $id }) {
  __typename
  ... on RevokeApiKeySuccess { returned balance { available } apiKey { status } }
  ... on Problem { code } } }"""
FUND = """mutation ($id: ID!, $amount: Credits!, $key: String! = "1") {
  fundApiKey(input: { apiKeyId: $id, amount: $amount, idempotencyKey: $key }) {
    __typename
    ... on FundApiKeySuccess { replayed balance { available }
      entry { kind amount apiKey { id } } apiKey { balance { available } } }
    ... on Problem { code }
    ... on InvalidInput { issues { path } } } }"""


async def create(shop: Shop, **given: object) -> dict[str, object]:
    data = await shop.ask(CREATE, input={"name": "a robot", **given})
    assert isinstance(data, dict)
    created = data["createApiKey"]
    assert isinstance(created, dict)
    return created


async def test_a_key_is_made_with_what_the_contract_promises_by_default() -> None:
    created = await create(Shop())

    secret, key = str(created["secret"]), created["apiKey"]
    presented = read(secret)
    assert presented is not None
    assert presented.key_id == FIRST
    assert key == {
        "id": key_name(FIRST),
        "name": "a robot",
        "prefix": secret[: len(prefix_of(FIRST, "abcd"))],
        "status": "ACTIVE",
        "scopes": ["READ", "ASK"],
        "funding": "ACCOUNT",
        "requestsPerMinute": None,
        "expiresAt": None,
        "lastUsedAt": None,
        "budget": None,
        "allowedModels": [],
        "balance": None,
    }


async def test_a_key_is_made_with_limits() -> None:
    created = await create(
        Shop(),
        scopes=["ASK"],
        budget={"limit": "5"},
        allowedModels=["small"],
        requestsPerMinute=10,
        expiresAt="2026-02-01T00:00:00Z",
    )

    key = created["apiKey"]
    assert isinstance(key, dict)
    assert key["scopes"] == ["ASK"]
    assert key["budget"] == {"limit": "5", "period": "MONTH", "used": "0", "resetsAt": None}
    assert key["allowedModels"] == [{"id": "small"}]
    assert (key["requestsPerMinute"], key["expiresAt"]) == (10, "2026-02-01T00:00:00Z")


async def test_everything_wrong_with_a_new_key_is_told_at_once() -> None:
    shop = Shop()

    created = await create(
        shop,
        name=" ",
        scopes=[],
        funding="OWN",
        budget={"limit": "0"},
        allowedModels=[],
        requestsPerMinute=0,
        expiresAt="2026-01-31T12:00:00Z",
    )

    issues = created["issues"]
    assert isinstance(issues, list)
    assert [issue["path"] for issue in issues] == [
        ["name"],
        ["scopes"],
        ["budget"],
        ["budget", "limit"],
        ["allowedModels"],
        ["requestsPerMinute"],
        ["expiresAt"],
    ]
    assert shop.books.kept_keys == {}
    assert shop.making.taken == []


async def test_a_key_for_an_unknown_model_is_not_made() -> None:
    created = await create(Shop(), allowedModels=["small", "unknown"])

    assert (created["__typename"], created["code"]) == ("NotFound", "NOT_FOUND")


async def test_models_are_named_once() -> None:
    created = await create(Shop(), allowedModels=["small", "small"])

    assert created["__typename"] == "InvalidInput"


async def test_too_many_keys_are_a_conflict_and_counted_by_account() -> None:
    shop = Shop()

    made = [await create(shop) for _ in range(4)]

    assert [each["__typename"] for each in made] == [*["CreateApiKeySuccess"] * 3, "Conflict"]
    assert shop.making.taken == [(str(ADA.account_id), 1)] * 4


async def test_keys_are_listed_newest_first_and_ones_own_only() -> None:
    shop = Shop()
    await create(shop)
    await create(shop)

    data = await shop.ask("{ apiKeys { id } viewer { account { apiKeys { id } } } }")
    others = await shop.ask("{ apiKeys { id } }", by=BOB)

    keys = [{"id": key_name(SECOND)}, {"id": key_name(FIRST)}]
    assert data == {"apiKeys": keys, "viewer": {"account": {"apiKeys": keys}}}
    assert others == {"apiKeys": []}


async def test_what_an_update_leaves_out_stays_and_null_clears() -> None:
    shop = Shop()
    await create(
        shop,
        budget={"limit": 5, "period": "DAY"},
        allowedModels=["small"],
        requestsPerMinute=10,
        expiresAt="2026-02-01T00:00:00Z",
    )
    key_id = key_name(FIRST)

    renamed = await shop.ask(UPDATE, input={"apiKeyId": key_id, "name": "b", "enabled": False})
    cleared = await shop.ask(
        UPDATE,
        input={
            "apiKeyId": key_id,
            "name": None,
            "enabled": None,
            "budget": None,
            "allowedModels": None,
            "requestsPerMinute": None,
            "expiresAt": None,
        },
    )

    kept = {
        "requestsPerMinute": 10,
        "expiresAt": "2026-02-01T00:00:00Z",
        "budget": {"limit": "5", "period": "DAY"},
        "allowedModels": [{"id": "small"}],
    }
    gone: dict[str, object] = {
        "requestsPerMinute": None,
        "expiresAt": None,
        "budget": None,
        "allowedModels": [],
    }
    named = {"name": "b", "status": "DISABLED"}
    success = {"__typename": "UpdateApiKeySuccess"}
    assert renamed == {"updateApiKey": success | {"apiKey": named | kept}}
    assert cleared == {"updateApiKey": success | {"apiKey": named | gone}}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, ["name"]),
        ({"budget": {"limit": "-1"}}, ["budget", "limit"]),
        ({"allowedModels": []}, ["allowedModels"]),
        ({"requestsPerMinute": -1}, ["requestsPerMinute"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
    ],
)
async def test_a_bad_update_says_where(change: dict[str, object], path: list[str]) -> None:
    shop = Shop()
    await create(shop)

    data = await shop.ask(UPDATE, input={"apiKeyId": key_name(FIRST), **change})

    assert data == {
        "updateApiKey": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "issues": [{"path": path}],
        }
    }


async def test_credits_are_moved_once_and_come_back_at_the_end() -> None:
    shop = Shop()
    await create(shop, funding="OWN")
    name = key_name(FIRST)

    funded = await shop.ask(FUND, id=name, amount="4")
    again = await shop.ask(FUND, id=name, amount="4")
    reused = await shop.ask(FUND, id=name, amount="5")
    too_much = await shop.ask(FUND, id=name, amount="7", key="2")
    revoked = await shop.ask(REVOKE, id=name)
    revoked_again = await shop.ask(REVOKE, id=name)
    late = await shop.ask(FUND, id=name, amount="1", key="3")
    switched_on = await shop.ask(UPDATE, input={"apiKeyId": name, "enabled": True})

    told = {
        "__typename": "FundApiKeySuccess",
        "replayed": False,
        "balance": {"available": "6"},
        "entry": {"kind": "TRANSFER", "amount": "-4", "apiKey": None},
        "apiKey": {"balance": {"available": "4"}},
    }
    assert funded == {"fundApiKey": told}
    assert again == {"fundApiKey": told | {"replayed": True}}
    assert reused == {"fundApiKey": {"__typename": "Conflict", "code": "IDEMPOTENCY_KEY_REUSED"}}
    assert too_much == {
        "fundApiKey": {"__typename": "InsufficientCredits", "code": "INSUFFICIENT_CREDITS"}
    }
    ended = {
        "__typename": "RevokeApiKeySuccess",
        "returned": "4",
        "balance": {"available": "10"},
        "apiKey": {"status": "REVOKED"},
    }
    assert revoked == {"revokeApiKey": ended}
    assert revoked_again == {"revokeApiKey": ended | {"returned": "0"}}
    assert late == {"fundApiKey": {"__typename": "Conflict", "code": "STATE_CONFLICT"}}
    assert switched_on == {"updateApiKey": {"__typename": "Conflict", "code": "STATE_CONFLICT"}}


async def test_a_bad_amount_says_so() -> None:
    shop = Shop()
    await create(shop, funding="OWN")

    data = await shop.ask(FUND, id=key_name(FIRST), amount="0", key="")

    assert data == {
        "fundApiKey": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "issues": [{"path": ["amount"]}, {"path": ["idempotencyKey"]}],
        }
    }


@pytest.mark.parametrize("name", [key_name(FIRST), "key_aaaaaaaaaaaaaaaaaaaa", "nonsense"])
async def test_somebody_elses_key_and_no_key_are_told_alike(name: str) -> None:
    shop = Shop()
    await create(shop, funding="OWN")

    updated = await shop.ask(UPDATE, by=BOB, input={"apiKeyId": name, "name": "mine"})
    revoked = await shop.ask(REVOKE, by=BOB, id=name)
    funded = await shop.ask(FUND, by=BOB, id=name, amount="1")
    found = await shop.ask("query ($id: ID!) { node(id: $id) { id } }", by=BOB, id=name)
    used = await shop.ask(
        "query ($id: ID!) { usage(filter: { apiKeyId: $id }) { nodes { id } }"
        " ledger(filter: { apiKeyId: $id }) { nodes { id } } }",
        by=BOB,
        id=name,
    )

    not_found = {"__typename": "NotFound", "code": "NOT_FOUND"}
    assert updated == {"updateApiKey": not_found}
    assert revoked == {"revokeApiKey": not_found}
    assert funded == {"fundApiKey": not_found}
    assert found == {"node": None}
    assert used == {"usage": {"nodes": []}, "ledger": {"nodes": []}}


async def test_a_key_is_found_by_its_id() -> None:
    shop = Shop()
    await create(shop)

    data = await shop.ask(
        "query ($id: ID!) { node(id: $id) { id ... on ApiKey { name } } }", id=key_name(FIRST)
    )

    assert data == {"node": {"id": key_name(FIRST), "name": "a robot"}}


async def test_a_viewer_says_which_key_it_is() -> None:
    shop = Shop()
    await create(shop)

    by_key = await shop.ask("{ viewer { scopes apiKey { name } } }", by=ADAS_READING_KEY)
    by_session = await shop.ask("{ viewer { apiKey { name } } }")

    assert by_key == {"viewer": {"scopes": ["READ"], "apiKey": {"name": "a robot"}}}
    assert by_session == {"viewer": {"apiKey": None}}


async def test_what_was_asked_with_a_key_names_it_and_is_filtered_by_it() -> None:
    shop = Shop()
    await create(shop)
    by_session, by_key = answer_questions(shop.books, ADA, 2)
    answer = shop.books.kept_answers[by_key]
    shop.books.kept_answers[by_key] = replace(answer, api_key_number=FIRST.number)
    usage_id = answer.usage_ids[0]
    record = shop.books.kept_records[usage_id]
    shop.books.kept_records[usage_id] = replace(record, api_key_number=FIRST.number)
    hold = shop.books.kept_holds[by_key.hold_id]
    shop.books.kept_holds[by_key.hold_id] = replace(hold, api_key_number=FIRST.number)

    data = await shop.ask(
        """query ($id: ID!) {
          answers { nodes { apiKey { name } } }
          holds { nodes { apiKey { name } } }
          usage(filter: { apiKeyId: $id }) { nodes { apiKey { id } answer { id } } }
          ledger(filter: { apiKeyId: $id }) { nodes { id } } }""",
        id=key_name(FIRST),
    )

    named = {"nodes": [{"apiKey": {"name": "a robot"}}, {"apiKey": None}]}
    assert by_session != by_key
    assert isinstance(data, dict)
    assert (data["answers"], data["holds"]) == (named, named)
    assert [node["apiKey"] for node in data["usage"]["nodes"]] == [{"id": key_name(FIRST)}]
    assert data["ledger"] == {"nodes": []}


async def test_an_exceeded_budget_is_told_with_how_far_it_has_come() -> None:
    shop = Shop()
    shop.asking.fails_with = BudgetExceeded(
        required=Microcredits(3 * CREDIT),
        budget=KeyBudget(
            limit=Microcredits(5 * CREDIT),
            period=BudgetPeriod.DAY,
            used=Microcredits(4 * CREDIT),
            resets_at=datetime.fromisoformat("2026-02-01T00:00:00+00:00"),
        ),
    )

    data = await shop.ask(
        """mutation { askAI(input: { messages: { content: "Hi" }, idempotencyKey: "k" }) {
          ... on BudgetExceeded { code httpStatus required
            budget { limit period used resetsAt } } } }""",
        by=replace(ADA, api_key_number=KeyNumber(1), scopes=frozenset({Scope.ASK})),
    )

    assert data == {
        "askAI": {
            "code": "BUDGET_EXCEEDED",
            "httpStatus": 402,
            "required": "3",
            "budget": {
                "limit": "5",
                "period": "DAY",
                "used": "4",
                "resetsAt": "2026-02-01T00:00:00Z",
            },
        }
    }
