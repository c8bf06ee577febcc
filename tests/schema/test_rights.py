"""The permission matrix: what the contract prints is what each caller meets."""

import re
from dataclasses import replace

import pytest

from domain.identity import Viewer
from domain.reporting import AuditEntry
from domain.units import Microcredits
from schema.ids import account_name, answer_name
from tests.schema.office import NOON
from tests.schema.shop import (
    ADA,
    ADAS_ASKING_KEY,
    ADAS_READING_KEY,
    BOB,
    EVE,
    EVES_KEY,
    SCHEMA,
    SMALL,
    Shop,
    answer_questions,
    price_of,
)

FIELD = re.compile(r"\{ (\w+)")
NOBODY = None
CALLERS = {
    "nobody": NOBODY,
    "a user": ADA,
    "a key that reads": ADAS_READING_KEY,
    "a key that asks": ADAS_ASKING_KEY,
    "an administrator": EVE,
    "an administrator's key": EVES_KEY,
}
SESSIONS = {"a user", "an administrator"}
READS = {"a user", "a key that reads", "an administrator", "an administrator's key"}
ASKS = {"a user", "a key that asks", "an administrator", "an administrator's key"}
EVERYBODY = set(CALLERS)
SESSIONS = {"a user", "an administrator"}
ADMIN = {"an administrator"}

ROOTS = {
    "{ service { version } }": EVERYBODY,
    "{ viewer { scopes } }": EVERYBODY,
    "{ models { id } }": EVERYBODY,
    "{ rateLimit { cost } }": EVERYBODY,
    "{ balance { available } }": READS,
    "{ usage { nodes { id } } }": READS,
    '{ usageSummary(range: { from: "2026-01-01T00:00:00Z" }) { __typename } }': READS,
    "{ ledger { nodes { id } } }": READS,
    "{ holds { nodes { id } } }": READS,
    '{ answer(id: "x") { id } }': READS,
    "{ answers { nodes { id } } }": READS,
    '{ node(id: "x") { id } }': READS,
    "{ creditPacks { id } }": EVERYBODY,
    '{ payment(id: "x") { id } }': SESSIONS,
    "{ payments { nodes { id } } }": SESSIONS,
    "{ apiKeys { id } }": SESSIONS,
    "{ admin { __typename } }": ADMIN,
    "mutation { startDemoSession { __typename } }": EVERYBODY,
    'mutation { signUp(input: { email: "x" }) { __typename } }': EVERYBODY,
    'mutation { signIn(input: { email: "x", password: "y" }) { __typename } }': EVERYBODY,
    'mutation { requestMagicLink(input: { email: "x" }) { __typename } }': EVERYBODY,
    'mutation { redeemMagicLink(input: { token: "x" }) { __typename } }': EVERYBODY,
    'mutation { signInWithGoogle(input: { idToken: "x", nonce: "a nonce" }) { __typename } }': (
        EVERYBODY
    ),
    "mutation { refreshSession(input: {}) { __typename } }": EVERYBODY,
    "mutation { signOut(input: {}) { __typename } }": SESSIONS,
    'mutation { setPassword(input: { newPassword: "x" }) { __typename } }': SESSIONS,
    'mutation { suspendAccount(input: { accountId: "x", reason: "r" }) { __typename } }': ADMIN,
    'mutation { acknowledgeAlert(input: { alertId: "x" }) { __typename } }': ADMIN,
    'mutation { reinstateAccount(input: { accountId: "x", reason: "r" }) { __typename } }': ADMIN,
    'mutation { askAI(input: { messages: { content: "Hi" }, idempotencyKey: "k" })'
    " { __typename } }": ASKS,
    'mutation { startCheckout(input: { packId: "x", provider: STRIPE, idempotencyKey: "k" })'
    " { __typename } }": SESSIONS,
    "mutation { openBillingPortal(input: {}) { __typename } }": SESSIONS,
    'mutation { cancelAnswer(input: { answerId: "x" }) { __typename } }': ASKS,
    'mutation { createApiKey(input: { name: "x" }) { __typename } }': SESSIONS,
    'mutation { updateApiKey(input: { apiKeyId: "x" }) { __typename } }': SESSIONS,
    'mutation { revokeApiKey(input: { apiKeyId: "x" }) { __typename } }': SESSIONS,
    'mutation { fundApiKey(input: { apiKeyId: "x", amount: 1, idempotencyKey: "k" })'
    " { __typename } }": SESSIONS,
    'mutation { rechargeCredits(input: { accountId: "x", amount: 1, reason: "r",'
    ' idempotencyKey: "k" }) { __typename } }': ADMIN,
    'mutation { adjustCredits(input: { accountId: "x", amount: 1, reason: "r",'
    ' idempotencyKey: "k" }) { __typename } }': ADMIN,
    'mutation { refundCharge(input: { entryId: "x", reason: "r", idempotencyKey: "k" })'
    " { __typename } }": ADMIN,
    'mutation { saveModel(input: { id: "" }) { __typename } }': ADMIN,
    'mutation { setModelPrice(input: { modelId: "x", price: { inputPer1K: 1, outputPer1K: 1 } })'
    " { __typename } }": ADMIN,
}


def test_every_root_field_is_in_the_matrix() -> None:
    roots = (SCHEMA._schema.query_type, SCHEMA._schema.mutation_type)  # noqa: SLF001
    fields = {name for kind in roots if kind for name in kind.fields}

    assert {FIELD.findall(query)[0] for query in ROOTS} == fields


@pytest.mark.parametrize("query", ROOTS)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_root_field_lets_in_whom_it_says(query: str, caller: str) -> None:
    told = await Shop().tell(query, by=CALLERS[caller])

    if caller in ROOTS[query]:
        assert told.errors == []
    else:
        assert told.codes == ["UNAUTHENTICATED" if caller == "nobody" else "FORBIDDEN"]


NESTED = [
    "usage { nodes { providerCost } }",
    "usage { nodes { account { id } } }",
    "ledger { nodes { account { id } } }",
    "ledger { nodes { actor { id } } }",
    "holds { nodes { account { id } } }",
    "answers { nodes { account { id } } }",
    "models { priceHistory { id } }",
    "viewer { account { suspensionReason } }",
]


@pytest.mark.parametrize("field", NESTED)
async def test_what_administrators_alone_may_see_is_null_to_a_user_and_the_rest_is_answered(
    field: str,
) -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)

    told = await shop.tell(f"{{ {field} balance {{ available }} }}")

    assert set(told.codes) == {"FORBIDDEN"}
    assert told.data is not None
    assert told.data["balance"] == {"available": "10"}
    assert all(value is not None for value in told.data.values())


@pytest.mark.parametrize("field", NESTED)
async def test_an_administrator_sees_it(field: str) -> None:
    shop = Shop()
    answer_questions(shop.books, EVE, 1)

    assert (await shop.tell(f"{{ {field} }}", by=EVE)).errors == []


async def test_what_an_administrator_sees_is_what_there_is() -> None:
    shop = Shop()
    answer_questions(shop.books, EVE, 1)
    shop.books.earlier_prices[SMALL.id] = [price_of(9, input_per_1k=1)]

    data = await shop.ask(
        """{ usage { nodes { providerCost account { email } } }
             models { priceHistory { inputPer1K } } }""",
        by=EVE,
    )

    assert data == {
        "usage": {
            "nodes": [{"providerCost": "0.000042", "account": {"email": "eve@example.test"}}]
        },
        "models": [{"priceHistory": [{"inputPer1K": "0.000001"}]}],
    }


@pytest.mark.parametrize("field", ["email", "emailConfirmed", "apiKeys { id }"])
@pytest.mark.parametrize("key", [ADAS_READING_KEY, EVES_KEY])
async def test_addresses_and_other_keys_are_not_for_api_keys(field: str, key: Viewer) -> None:
    told = await Shop().tell(f"{{ viewer {{ account {{ id {field} }} }} }}", by=key)

    assert told.codes == ["FORBIDDEN"]
    name = field.partition(" ")[0]
    assert told.data == {"viewer": {"account": {"id": account_name(key.account_id), name: None}}}


async def test_an_administrators_key_reads_as_its_account_and_no_further() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, BOB, 1)
    query = "query ($id: ID!) { node(id: $id) { id } }"

    data = await shop.ask(query, by=EVES_KEY, id=answer_name(answer_id))

    assert data == {"node": None}


ADMINISTRATION = """{ admin {
    accounts { nodes { email balance { available } } }
    ledger(filter: { kind: [CHARGE] }) { nodes { account { email } } }
    usage { nodes { account { email } providerCost } }
    holds { nodes { account { email } } }
    answers { nodes { account { email } text } }
    models { id enabled }
    auditLog { nodes { action } } } }"""


async def test_an_administrator_reads_everybodys_rows() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)
    answer_questions(shop.books, BOB, 1)

    data = await shop.ask(ADMINISTRATION, by=EVE)

    ada, bob = {"email": "ada@example.test"}, {"email": "bob@example.test"}
    balance = {"available": "10"}
    assert data == {
        "admin": {
            "accounts": {
                "nodes": [
                    {"email": "eve@example.test", "balance": balance},
                    bob | {"balance": balance},
                    ada | {"balance": balance},
                ]
            },
            "ledger": {"nodes": [{"account": bob}, {"account": ada}]},
            "usage": {
                "nodes": [
                    {"account": bob, "providerCost": "0.000042"},
                    {"account": ada, "providerCost": "0.000042"},
                ]
            },
            "holds": {"nodes": [{"account": bob}, {"account": ada}]},
            "answers": {
                "nodes": [
                    {"account": bob, "text": "answer 1"},
                    {"account": ada, "text": "answer 1"},
                ]
            },
            "models": [{"id": "small", "enabled": True}, {"id": "retired", "enabled": False}],
            "auditLog": {"nodes": []},
        }
    }


async def test_an_administrator_finds_one_account_and_all_below_it() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)
    account = shop.books.kept_accounts[ADA.account_id]
    shop.books.kept_accounts[ADA.account_id] = replace(account, suspension_reason="a dispute")

    data = await shop.ask(
        """query ($id: ID!) { admin {
          account(id: $id) { suspensionReason usage { nodes { attempt } }
            ledger(filter: { kind: [CHARGE] }) { nodes { amount } } }
          other: account(id: "nonsense") { id }
          unknown: account(id: "acct_aaaaaaaaabafa") { id } } }""",
        by=EVE,
        id=account_name(ADA.account_id),
    )

    assert data == {
        "admin": {
            "account": {
                "suspensionReason": "a dispute",
                "usage": {"nodes": [{"attempt": 1}]},
                "ledger": {"nodes": [{"amount": "-0.000001"}]},
            },
            "other": None,
            "unknown": None,
        }
    }


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ('search: "bob@"', ["bob@example.test"]),
        (f'search: "{account_name(BOB.account_id)}"', ["bob@example.test"]),
        ('search: "acct_aaaaaaaaabafa"', []),
        ("role: ADMIN", ["eve@example.test"]),
        ("status: SUSPENDED", []),
        ('search: ""', ["eve@example.test", "bob@example.test", "ada@example.test"]),
    ],
)
async def test_accounts_are_looked_for(wanted: str, found: list[str]) -> None:
    query = f"{{ admin {{ accounts(filter: {{ {wanted} }}) {{ nodes {{ email }} }} }} }}"

    data = await Shop().ask(query, by=EVE)

    assert data == {"admin": {"accounts": {"nodes": [{"email": email} for email in found]}}}


async def test_the_audit_log_names_who_did_what_to_whom() -> None:
    shop = Shop()
    shop.books.audit.append(
        AuditEntry(
            id=1,
            at=NOON,
            actor_id=None,
            action="setRole",
            target_id=str(EVE.account_id),
            summary="role is ADMIN now",
        )
    )
    await shop.ask(
        """mutation ($id: ID!) {
          rechargeCredits(input: {
            accountId: $id, amount: 1, reason: "a gift", idempotencyKey: "k"
          }) { __typename }
          saveModel(input: { id: "small", name: "Smaller" }) { __typename }
        }""",
        by=EVE,
        id=account_name(ADA.account_id),
    )

    data = await shop.ask(
        "{ admin { auditLog { nodes { id at actor { email } action targetId summary } } } }",
        by=EVE,
    )

    eve, noon = {"email": "eve@example.test"}, "2026-01-31T12:00:00Z"
    assert data == {
        "admin": {
            "auditLog": {
                "nodes": [
                    {
                        "id": "aud_aaaaaaaaaaaag",
                        "at": noon,
                        "actor": eve,
                        "action": "saveModel",
                        "targetId": "small",
                        "summary": "name: Smaller",
                    },
                    {
                        "id": "aud_aaaaaaaaaaaae",
                        "at": noon,
                        "actor": eve,
                        "action": "rechargeCredits",
                        "targetId": account_name(ADA.account_id),
                        "summary": "a gift",
                    },
                    {
                        "id": "aud_aaaaaaaaaaaac",
                        "at": noon,
                        "actor": None,
                        "action": "setRole",
                        "targetId": account_name(EVE.account_id),
                        "summary": "role is ADMIN now",
                    },
                ]
            }
        }
    }


async def test_a_right_that_ended_meanwhile_is_refused_by_the_books() -> None:
    shop = Shop()
    eve = shop.books.kept_accounts[EVE.account_id]
    shop.books.kept_accounts[EVE.account_id] = replace(eve, role=ADA.role)

    told = await shop.tell(
        'mutation ($id: ID!) { rechargeCredits(input: { accountId: $id, amount: 1, reason: "r",'
        ' idempotencyKey: "k" }) { __typename } }',
        by=EVE,
        id=account_name(ADA.account_id),
    )

    assert told.codes == ["FORBIDDEN"]
    assert shop.books.kept_balances[ADA.purse].total == Microcredits(10_000_000)
