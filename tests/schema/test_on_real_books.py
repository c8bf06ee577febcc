"""The API on the books in PostgreSQL: what it shows, and how many statements that takes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from graphql import GraphQLError
from sqlalchemy import event

from app.clock import SystemClock
from domain.identity import Role, Viewer
from domain.recharging import Recharging
from domain.summarizing import Summarizing
from resolvers.context import Context
from schema.ids import account_name
from tests.persistence.bank import Bank, Customer, open_bank
from tests.schema.shop import SCHEMA, Noon, Shop


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter where the books are read through the API."""

    bank: Bank

    async def tell(
        self, query: str, by: Customer, role: Role = Role.USER, **variables: object
    ) -> tuple[object, list[GraphQLError]]:
        viewer = Viewer(account_id=by.account_id, session_id=by.session_id, role=role)
        context = Shop().context(viewer)
        services = replace(
            context.services,
            books=self.bank.books,
            summarizing=Summarizing(self.bank.books, SystemClock()),
            recharging=Recharging(office=self.bank.office, clock=Noon()),
        )
        result = await SCHEMA.execute(
            query,
            variable_values=variables,
            context_value=Context(
                viewer=viewer, services=services, request_id="r-1", address="192.0.2.1"
            ),
        )
        return result.data, result.errors or []

    async def ask(
        self, query: str, by: Customer, role: Role = Role.USER, **variables: object
    ) -> object:
        data, errors = await self.tell(query, by, role, **variables)
        assert errors == []
        return data

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Every statement the books are asked meanwhile, apart from entering a session."""
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "set_config" not in statement:
                asked.append(statement)

        engines = [self.bank.books.engines.user, self.bank.books.engines.admin]
        for engine in engines:
            event.listen(engine.sync_engine, "before_cursor_execute", note)
        yield asked
        for engine in engines:
            event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def counter(database_url: str, deployment_secret: str) -> AsyncIterator[Counter]:
    async with open_bank(database_url, deployment_secret) as bank:
        yield Counter(bank)


USAGE = """{ usage(first: 100) { nodes {
    createdAt outcome attempt inputTokens cachedInputTokens outputTokens estimated charged
    latencyMs firstTokenMs problemCode
    model { id name vendor price { id } } price { inputPer1K effectiveFrom }
    answer { id status text model { id } attempts { id attempt } } } } }"""
LEDGER = """{ ledger(first: 100) { nodes { id kind amount totalAfter
    answer { text attempts { price { id } } } reverses { id } } } }"""
HOLDS = "{ holds(first: 100) { nodes { status amount captured answer { text model { id } } } } }"
ANSWERS = """{ answers(first: 100) { nodes { text finishReason charged problem { code }
    model { id } attempts { latencyMs } } } }"""
BALANCE = "{ balance { available held total owed updatedAt lots { remaining entry { kind } } } }"


@pytest.mark.parametrize("query", [USAGE, LEDGER, HOLDS, ANSWERS, BALANCE])
async def test_a_page_of_a_hundred_takes_as_many_statements_as_a_page_of_one(
    counter: Counter, query: str
) -> None:
    few, many = await counter.bank.customer(1_000_000), await counter.bank.customer(1_000_000)
    await counter.bank.answer(few.purse)
    await asyncio.gather(*(counter.bank.answer(many.purse) for _ in range(110)))

    with counter.statements() as for_one:
        await counter.ask(query, few)
    with counter.statements() as for_many:
        await counter.ask(query, many)

    assert len(for_many) == len(for_one) <= 6


async def test_a_page_of_everybody_takes_few_statements(counter: Counter) -> None:
    customers = [await counter.bank.customer(1_000_000) for _ in range(30)]
    await asyncio.gather(*(counter.bank.answer(each.purse) for each in customers))
    administrator = await counter.bank.administrator()

    with counter.statements() as asked:
        data = await counter.ask(
            """{ admin { accounts(first: 100) { nodes {
                 id email status balance { available lots { entry { kind } } } } } } }""",
            administrator,
            Role.ADMIN,
        )

    assert len(asked) < 10
    match data:
        case {"admin": {"accounts": {"nodes": list(nodes)}}}:
            assert len(nodes) == 31
        case _:
            pytest.fail(f"{data}")


async def test_what_was_asked_is_shown_as_it_was_booked(counter: Counter) -> None:
    customer = await counter.bank.customer(1_000_000)
    await counter.bank.answer(customer.purse, held=100, charged=40)

    data = await counter.ask(
        """{
          balance { available held total owed lots { amount remaining entry { kind } } }
          ledger { nodes { kind amount totalAfter answer { text } } }
          holds { nodes { status amount captured answer { status } } }
          answers { nodes { text charged held finishReason attempts { charged } } }
          usage { nodes { outcome charged inputTokens price { inputPer1K } answer { text } } }
          models { id isDefault price { inputPer1K } }
          viewer { account { email role balance { available } usage { nodes { attempt } } } }
        }""",
        customer,
    )

    assert data == {
        "balance": {
            "available": "0.99996",
            "held": "0",
            "total": "0.99996",
            "owed": "0",
            "lots": [{"amount": "1", "remaining": "0.99996", "entry": {"kind": "SIGN_UP_GRANT"}}],
        },
        "ledger": {
            "nodes": [
                {
                    "kind": "CHARGE",
                    "amount": "-0.00004",
                    "totalAfter": "0.99996",
                    "answer": {"text": "an answer"},
                },
                {"kind": "SIGN_UP_GRANT", "amount": "1", "totalAfter": "1", "answer": None},
            ]
        },
        "holds": {
            "nodes": [
                {
                    "status": "CAPTURED",
                    "amount": "0.0001",
                    "captured": "0.00004",
                    "answer": {"status": "SUCCEEDED"},
                }
            ]
        },
        "answers": {
            "nodes": [
                {
                    "text": "an answer",
                    "charged": "0.00004",
                    "held": "0",
                    "finishReason": "STOP",
                    "attempts": [{"charged": "0.00004"}],
                }
            ]
        },
        "usage": {
            "nodes": [
                {
                    "outcome": "SUCCEEDED",
                    "charged": "0.00004",
                    "inputTokens": 30,
                    "price": {"inputPer1K": "0.3"},
                    "answer": {"text": "an answer"},
                }
            ]
        },
        "models": [{"id": "small", "isDefault": True, "price": {"inputPer1K": "0.3"}}],
        "viewer": {
            "account": {
                "email": customer.email,
                "role": "USER",
                "balance": {"available": "0.99996"},
                "usage": {"nodes": [{"attempt": 1}]},
            }
        },
    }


async def test_pages_are_continued_by_their_cursors(counter: Counter) -> None:
    customer = await counter.bank.customer(1_000_000)
    for charged in (1, 2, 3):
        await counter.bank.answer(customer.purse, charged=charged)
    query = """query ($after: String) { answers(first: 2, after: $after) {
        nodes { charged } pageInfo { endCursor hasNextPage } } }"""

    first = await counter.ask(query, customer)
    match first:
        case {"answers": {"nodes": newest, "pageInfo": {"endCursor": cursor, "hasNextPage": True}}}:
            assert newest == [{"charged": "0.000003"}, {"charged": "0.000002"}]
        case _:
            pytest.fail(f"{first}")
    last = await counter.ask(query, customer, after=cursor)

    match last:
        case {"answers": {"nodes": oldest, "pageInfo": {"hasNextPage": False}}}:
            assert oldest == [{"charged": "0.000001"}]
        case _:
            pytest.fail(f"{last}")


async def test_a_recharge_is_booked_once_and_audited(counter: Counter) -> None:
    customer = await counter.bank.customer(1_000_000)
    administrator = await counter.bank.administrator()
    recharge = """mutation ($id: ID!) { rechargeCredits(input: {
        accountId: $id, amount: "2.5", reason: "a gift", expiresAt: "2099-01-01T00:00:00Z",
        idempotencyKey: "k" }) { ... on PostCreditsSuccess {
          entry { kind amount totalAfter reason actor { email } } replayed
          account { email } balance { available lots { remaining expiresAt } } } } }"""

    first = await counter.ask(
        recharge, administrator, Role.ADMIN, id=account_name(customer.account_id)
    )
    again = await counter.ask(
        recharge, administrator, Role.ADMIN, id=account_name(customer.account_id)
    )
    audit = await counter.ask(
        "{ admin { auditLog(first: 1) { nodes { action targetId actor { email } } } } }",
        administrator,
        Role.ADMIN,
    )

    told = {
        "entry": {
            "kind": "RECHARGE",
            "amount": "2.5",
            "totalAfter": "3.5",
            "reason": "a gift",
            "actor": {"email": administrator.email},
        },
        "account": {"email": customer.email},
        "balance": {
            "available": "3.5",
            "lots": [
                {"remaining": "2.5", "expiresAt": "2099-01-01T00:00:00Z"},
                {"remaining": "1", "expiresAt": None},
            ],
        },
    }
    assert first == {"rechargeCredits": told | {"replayed": False}}
    assert again == {"rechargeCredits": told | {"replayed": True}}
    assert audit == {
        "admin": {
            "auditLog": {
                "nodes": [
                    {
                        "action": "rechargeCredits",
                        "targetId": account_name(customer.account_id),
                        "actor": {"email": administrator.email},
                    }
                ]
            }
        }
    }


async def test_the_database_refuses_an_administrator_who_is_none(counter: Counter) -> None:
    customer = await counter.bank.customer(1_000_000)

    _, errors = await counter.tell(
        """mutation ($id: ID!) { rechargeCredits(input: {
             accountId: $id, amount: 1, reason: "r", idempotencyKey: "k" }) { __typename } }""",
        customer,
        Role.ADMIN,
        id=account_name(customer.account_id),
    )

    assert [getattr(error.original_error, "code", None) for error in errors] == ["FORBIDDEN"]


async def test_a_price_set_through_the_api_is_the_models_new_price(counter: Counter) -> None:
    administrator = await counter.bank.administrator()

    data = await counter.ask(
        """mutation {
          setModelPrice(input: { modelId: "small", price: { inputPer1K: 1, outputPer1K: 2 } }) {
            ... on SetModelPriceSuccess { model {
              price { inputPer1K outputPer1K } priceHistory { inputPer1K outputPer1K } } } }
          saveModel(input: { id: "small", enabled: false }) {
            ... on InvalidInput { issues { path } } ... on Conflict { code } }
          lacking: saveModel(input: { id: "new" }) { ... on InvalidInput { issues { path } } }
        }""",
        administrator,
        Role.ADMIN,
    )

    assert data == {
        "setModelPrice": {
            "model": {
                "price": {"inputPer1K": "1", "outputPer1K": "2"},
                "priceHistory": [{"inputPer1K": "0.3", "outputPer1K": "1.2"}],
            }
        },
        "saveModel": {"issues": [{"path": ["enabled"]}]},
        "lacking": {
            "issues": [
                {"path": ["name"]},
                {"path": ["vendor"]},
                {"path": ["upstreamName"]},
                {"path": ["contextWindow"]},
                {"path": ["maxOutputTokens"]},
                {"path": ["enabled"]},
                {"path": ["price"]},
            ]
        },
    }


@pytest.mark.parametrize(
    ("selection", "statements"),
    [
        ("totals { attempts charged }", 1),
        ("buckets { start totals { attempts } }", 1),
        ("totals { attempts } buckets { start } byModel { model { id } }", 3),
        ("totals { latencyMs { p50 } firstTokenMs { p95 } }", 2),
        ("byApiKey { totals { latencyMs { p50 } } }", 3),
    ],
)
async def test_only_the_breakdowns_asked_for_are_queried(
    counter: Counter, selection: str, statements: int
) -> None:
    customer = await counter.bank.customer(1_000_000)
    await counter.bank.answer(customer.purse)
    since = (SystemClock().now() - timedelta(days=1)).isoformat()

    with counter.statements() as asked:
        await counter.ask(
            f'{{ usageSummary(range: {{ from: "{since}" }}) {{ {selection} }} }}', customer
        )

    marks = [each for each in asked if "fold_mark" in each]
    assert len(asked) - len(marks) == statements
    assert len(marks) == (2 if "Ms" in selection else 1)
