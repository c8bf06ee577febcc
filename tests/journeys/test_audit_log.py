"""Whatever is done with an administrator's rights is in the audit log: by whom, to what, and why.

The changes are those that the printed contract keeps for administrators: a new one fails here until
somebody says how to make it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema

from adapters.price_book import read_price_book
from domain.identity import Role
from persistence import operating
from schema.ids import account_name
from tests.app.asking import Json
from tests.journeys.system import PRICE_BOOK, House, Person, open_house

CONTRACT: GraphQLSchema = build_schema(
    (Path(__file__).parents[2] / "schema" / "api.graphql").read_text(encoding="utf-8")
)
LOG = """
{ admin { auditLog(first: 100) {
  nodes { id at action targetId summary actor { email } }
} } }
"""
REASON = "because of ticket 4711"
ADMIN = "admin@audit.test"


@dataclass(frozen=True, slots=True)
class Change:
    """How a change is made, to what, and what of it has to be in the summary."""

    input: str
    target: str
    told: str = REASON
    refused: str = ""
    """An input with which it comes to nothing."""


CHANGES = {
    "rechargeCredits": Change(
        f'accountId: "{{account}}", amount: "5", reason: "{REASON}", idempotencyKey: "a"',
        "{account}",
        refused=f'accountId: "{{nobody}}", amount: "5", reason: "{REASON}", idempotencyKey: "x"',
    ),
    "adjustCredits": Change(
        f'accountId: "{{account}}", amount: "-2", reason: "{REASON}", idempotencyKey: "b"',
        "{account}",
        refused=(
            f'accountId: "{{account}}", amount: "-99999", reason: "{REASON}", idempotencyKey: "y"'
        ),
    ),
    "refundCharge": Change(
        f'entryId: "{{charge}}", reason: "{REASON}", idempotencyKey: "c"',
        "{account}",
        refused=f'entryId: "{{grant}}", reason: "{REASON}", idempotencyKey: "z"',
    ),
    "suspendAccount": Change(
        f'accountId: "{{account}}", reason: "{REASON}"',
        "{account}",
        refused=f'accountId: "{{nobody}}", reason: "{REASON}"',
    ),
    "reinstateAccount": Change(
        f'accountId: "{{account}}", reason: "{REASON}"',
        "{account}",
        refused=f'accountId: "{{nobody}}", reason: "{REASON}"',
    ),
    "saveModel": Change(
        'id: "deepseek-chat", name: "Renamed"',
        "deepseek-chat",
        "name: Renamed",
        refused='id: "unknown-model", name: "Renamed"',
    ),
    "setModelPrice": Change(
        'modelId: "deepseek-chat", price: {{inputPer1K: "7", outputPer1K: "9"}}',
        "deepseek-chat",
        "output_per_1k 9",
        refused='modelId: "unknown-model", price: {{inputPer1K: "7", outputPer1K: "9"}}',
    ),
    "acknowledgeAlert": Change(
        'alertId: "{alert}"',
        "{alert}",
        "acknowledged STUCK_HOLDS of holds",
        refused='alertId: "alert_aaaaaaaaaaabq"',
    ),
}


def administrative() -> list[str]:
    """Every change that the contract keeps for administrators."""
    found = []
    for name, field in (CONTRACT.mutation_type.fields if CONTRACT.mutation_type else {}).items():
        assert field.ast_node is not None
        for directive in field.ast_node.directives:
            given = {
                each.name.value: getattr(each.value, "value", "") for each in directive.arguments
            }
            if directive.name.value == "auth" and given["requires"] == "ADMIN":
                found.append(name)
    return found


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret) as house:
        yield house
        assert await house.differences() == []


async def administrator(house: House) -> Person:
    account_id = await house.account(ADMIN)
    await operating.set_role(house.deployment.url, ADMIN, Role.ADMIN)
    return await house.person(account_id)


async def entries(admin: Person) -> list[dict[str, Json]]:
    """The audit log, newest first."""
    nodes = (await admin.send(LOG))["admin.auditLog.nodes"]
    assert isinstance(nodes, list)
    return [node for node in nodes if isinstance(node, dict)]


async def scene(house: House) -> dict[str, str]:
    """Somebody whose answer was charged, and an alert."""
    person, account = await house.visitor()
    await person.ask("What is a ledger?", "one")
    lines = await person.send("{ ledger { nodes { id kind } } }")
    await house.database.execute(
        "SELECT tallystick.raise_alert('STUCK_HOLDS', 'WARNING', 'holds', 'Two are stuck.')"
    )
    return {
        "account": account,
        "nobody": "acct_aaaaaaaaabafa",
        "charge": lines.text("ledger.nodes.0.id"),
        "grant": lines.text("ledger.nodes.1.id"),
        "alert": "alert_aaaaaaaaaaaac",
    }


async def make(admin: Person, name: str, given: str) -> str:
    """What came of a change."""
    reply = await admin.send(f"mutation {{ {name}(input: {{{given}}}) {{ __typename }} }}")
    return reply.text(f"{name}.__typename")


def test_every_change_of_administrators_is_tried() -> None:
    assert sorted(CHANGES) == sorted(administrative())


async def test_every_change_of_administrators_is_in_the_audit_log(house: House) -> None:
    admin, known = await administrator(house), await scene(house)

    for name in administrative():
        change = CHANGES[name]
        if name == "reinstateAccount":
            await make(admin, "suspendAccount", CHANGES["suspendAccount"].input.format_map(known))
        before = await entries(admin)

        outcome = await make(admin, name, change.input.format_map(known))

        after = await entries(admin)
        assert outcome.endswith("Success"), (name, outcome)
        assert len(after) == len(before) + 1, name
        newest = after[0]
        assert newest["action"] == name
        assert newest["actor"] == {"email": ADMIN}, name
        assert newest["targetId"] == change.target.format_map(known), name
        assert change.told in str(newest["summary"]), name


async def test_what_came_to_nothing_is_not_in_the_audit_log(house: House) -> None:
    admin, known = await administrator(house), await scene(house)
    before = await entries(admin)

    for name, change in CHANGES.items():
        outcome = await make(admin, name, change.refused.format_map(known))
        assert not outcome.endswith("Success"), name

    assert await entries(admin) == before


async def test_what_was_replayed_or_changes_nothing_is_not_in_it_twice(house: House) -> None:
    admin, known = await administrator(house), await scene(house)
    again = ("rechargeCredits", "adjustCredits", "refundCharge", "suspendAccount")
    for name in (*again, "acknowledgeAlert"):
        await make(admin, name, CHANGES[name].input.format_map(known))
    before = await entries(admin)

    for name in (*again, "acknowledgeAlert"):
        assert (await make(admin, name, CHANGES[name].input.format_map(known))).endswith("Success")

    assert await entries(admin) == before


async def test_what_the_operator_does_from_a_shell_is_in_it_too(house: House) -> None:
    admin, known = await administrator(house), await scene(house)
    account_id = await house.account("new@audit.test")
    url = house.deployment.url

    await operating.set_role(url, "new@audit.test", Role.ADMIN)
    await operating.set_role(url, "new@audit.test", Role.USER)
    await house.database.execute(
        "UPDATE tallystick.models SET name = 'Else' WHERE id = 'deepseek-chat'"
    )
    await make(admin, "setModelPrice", CHANGES["setModelPrice"].input.format_map(known))
    await operating.load_models(url, read_price_book(PRICE_BOOK))

    newest = await entries(admin)
    told = [(entry["action"], entry["targetId"], entry["actor"]) for entry in newest[:4]]
    name = account_name(account_id)
    assert told == [
        ("loadModels", "deepseek-chat", None),
        ("setModelPrice", "deepseek-chat", {"email": ADMIN}),
        ("setRole", name, None),
        ("setRole", name, None),
    ]
    assert "ADMIN" in str(newest[3]["summary"])
    assert "USER" in str(newest[2]["summary"])
