"""The printed contract is the permission matrix: every root field, tried by everybody, over HTTP.

What a field asks for is read from its `@auth` in schema/api.graphql, and its arguments are made of
their types; so a new field is tried by itself, or fails here until somebody says how to call it.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from domain.identity import Role
from domain.units import AccountId
from persistence.operating import set_role
from tests.journeys.programs import make_robot
from tests.journeys.system import House, Person, open_house

CONTRACT: GraphQLSchema = build_schema(
    (Path(__file__).parents[2] / "schema" / "api.graphql").read_text(encoding="utf-8")
)
LITERALS = {
    "String": '"x"',
    "ID": '"x"',
    "Int": "1",
    "Float": "1",
    "Boolean": "false",
    "Credits": '"1"',
    "Decimal": '"1"',
    "Count": "1",
    "DateTime": '"2026-01-31T09:30:00Z"',
}
"""How a value of each scalar is written; a new scalar has to be added here."""

UNAUTHENTICATED, FORBIDDEN, SUSPENDED = "UNAUTHENTICATED", "FORBIDDEN", "ACCOUNT_SUSPENDED"


@dataclass(frozen=True, slots=True)
class Root:
    """A root field, what its `@auth` says, and a document that asks for it alone."""

    kind: str
    name: str
    requires: str
    scope: str | None
    document: str

    def refusal(self, caller: str) -> str | None:
        """Why a caller is refused, by the rules of the contract; None when it is not."""
        if caller == "a suspended user":
            return SUSPENDED
        if self.requires == "PUBLIC":
            return None
        if caller == "nobody":
            return UNAUTHENTICATED
        scopes = KEYS.get(caller)
        if scopes is not None and (self.scope not in scopes or self.requires == "ADMIN"):
            return FORBIDDEN
        if self.requires == "ADMIN" and caller != "an administrator":
            return FORBIDDEN
        return None


KEYS = {
    "a key that reads": {"READ"},
    "a key that asks": {"ASK"},
    "an administrator's key": {"READ", "ASK"},
}
SESSIONS = (
    "a user",
    "another user",
    "a suspended user",
    "an administrator",
    "a demoted administrator",
)


def literal(kind: GraphQLInputType) -> str:
    """A value of a type, as small as it may be."""
    match kind:
        case GraphQLNonNull(of_type=inner):
            return literal(inner)
        case GraphQLList(of_type=inner):
            return f"[{literal(inner)}]"
        case GraphQLEnumType(values=values):
            return str(next(iter(values)))
        case GraphQLInputObjectType(fields=fields):
            given = (
                f"{name}: {literal(field.type)}"
                for name, field in fields.items()
                if is_required_input_field(field)
            )
            return f"{{{', '.join(given)}}}"
        case _:
            return LITERALS[get_named_type(kind).name]


def document(kind: str, name: str, field: GraphQLField) -> str:
    given = [
        f"{argument_name}: {literal(argument.type)}"
        for argument_name, argument in field.args.items()
        if is_required_argument(argument)
    ]
    arguments = f"({', '.join(given)})" if given else ""
    selected = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    return f"{kind} {{ {name}{arguments}{selected} }}"


def roots() -> Iterator[Root]:
    kinds = {
        "query": CONTRACT.query_type,
        "mutation": CONTRACT.mutation_type,
        "subscription": CONTRACT.subscription_type,
    }
    for kind, root in kinds.items():
        for name, field in (root.fields if root else {}).items():
            assert field.ast_node is not None
            auth = next(each for each in field.ast_node.directives if each.name.value == "auth")
            said = {each.name.value: getattr(each.value, "value", "") for each in auth.arguments}
            yield Root(kind, name, said["requires"], said.get("scope"), document(kind, name, field))


ROOTS = tuple(roots())


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody who may call, each with a credential that is new for each call."""

    house: House
    accounts: dict[str, AccountId]
    keys: dict[str, Person]

    async def caller(self, name: str) -> Person:
        if name == "nobody":
            return self.house.stranger
        # A session of its own: some fields end the one they are called with.
        return self.keys.get(name) or await self.house.person(self.accounts[name])


@pytest.fixture
async def crowd(database_url: str, deployment_secret: str) -> AsyncIterator[Crowd]:
    async with open_house(
        database_url,
        deployment_secret,
        asks_per_minute=1_000,
        points_per_minute=1_000_000,
        tries_per_minute=1_000,
        demo_sessions_per_minute=1_000,
    ) as house:
        accounts = {
            name: await house.account(f"{name.replace(' ', '-')}@example.test") for name in SESSIONS
        }
        for name in ("an administrator", "a demoted administrator"):
            await set_role(database_url, f"{name.replace(' ', '-')}@example.test", Role.ADMIN)
        await set_role(database_url, "a-demoted-administrator@example.test", Role.USER)
        await house.database.execute(
            "UPDATE tallystick.accounts SET status = 'SUSPENDED', suspension_reason = 'a test'"
            " WHERE id = $1",
            accounts["a suspended user"],
        )
        owners = {"an administrator's key": "an administrator"}
        keys = {}
        for name, scopes in KEYS.items():
            owner = await house.person(accounts[owners.get(name, "a user")])
            keys[name] = (await make_robot(house, owner, scopes=sorted(scopes))).person
        yield Crowd(house, accounts, keys)
        assert await house.differences() == []


async def codes(crowd: Crowd, caller: str, root: Root) -> tuple[int, list[str]]:
    """The status and the codes of whatever errors a call of a root field is answered with."""
    person = await crowd.caller(caller)
    accept = "text/event-stream" if root.kind == "subscription" else "application/json"
    headers = {"accept": accept}
    if person.token:
        headers["authorization"] = f"Bearer {person.token}"
    response = await person.http.post("/graphql", json={"query": root.document}, headers=headers)
    found = []
    for line in response.text.splitlines():
        if (text := line.removeprefix("data:").strip()).startswith("{"):
            body = orjson.loads(text)
            found += [str(error["extensions"]["code"]) for error in body.get("errors", [])]
    return response.status_code, found


async def test_everybody_gets_from_every_root_field_what_the_contract_says(crowd: Crowd) -> None:
    wrong = []
    for root in ROOTS:
        for caller in ("nobody", *SESSIONS, *KEYS):
            refusal = root.refusal(caller)
            if root.kind == "subscription" and refusal is None:
                continue  # it would go on; the tests of streams let it
            status, found = await codes(crowd, caller, root)
            expected = [] if refusal is None else [refusal]
            if found != expected:
                wrong.append(f"{caller}, {root.document}: {found}, not {expected} ({status})")

    assert wrong == []


def test_the_matrix_is_the_whole_contract() -> None:
    assert {root.kind for root in ROOTS} >= {"query", "mutation"}
    assert len(ROOTS) >= 35
    assert {root.requires for root in ROOTS} == {"PUBLIC", "USER", "ADMIN"}


async def test_what_is_somebody_elses_does_not_exist(crowd: Crowd) -> None:
    user, other = await crowd.caller("a user"), await crowd.caller("another user")
    asked = await user.ask("What is a ledger?", "one")
    made = await make_robot(crowd.house, user)
    seen = await user.send(
        "{ viewer { account { id } } ledger { nodes { id } } usage { nodes { id } } }"
    )
    answer, key = asked.text("askAI.answer.id"), made.key_id
    ids = [
        answer,
        key,
        seen.text("viewer.account.id"),
        seen.text("ledger.nodes.0.id"),
        seen.text("usage.nodes.0.id"),
    ]

    nodes = [await other.send("query($id: ID!) { node(id: $id) { id } }", id=each) for each in ids]
    read = await other.send("query($id: ID!) { answer(id: $id) { id } }", id=answer)
    changed = await other.send(
        """mutation($answer: ID!, $key: ID!) {
          cancelAnswer(input: {answerId: $answer}) { ...Code }
          updateApiKey(input: {apiKeyId: $key, enabled: false}) { ...Code }
          revokeApiKey(input: {apiKeyId: $key}) { ...Code }
          fundApiKey(input: {apiKeyId: $key, amount: "1", idempotencyKey: "x"}) { ...Code }
        }
        fragment Code on Problem { code }""",
        answer=answer,
        key=key,
    )

    assert [reply["node"] for reply in nodes] == [None] * len(ids)
    assert read["answer"] is None
    for field in ("cancelAnswer", "updateApiKey", "revokeApiKey", "fundApiKey"):
        assert changed[field] == {"code": "NOT_FOUND"}, field


async def test_a_demotion_holds_from_the_next_request_on(crowd: Crowd, database_url: str) -> None:
    administrator = await crowd.caller("an administrator")
    before = await administrator.send("{ admin { __typename } }")

    await set_role(database_url, "an-administrator@example.test", Role.USER)
    after = await administrator.send("{ admin { __typename } }")

    assert before.status == 200
    assert (after.status, after.codes) == (403, [FORBIDDEN])
