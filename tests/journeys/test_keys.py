"""Programs with API keys: what they may do, what they may spend, and how that ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest

from adapters.models.simulated import Gate, SimulatedProvider
from domain.identity import Role
from tests.app.asking import Reply
from tests.journeys.programs import CREATE, FUND, REVOKE, UPDATE, Robot, make_robot
from tests.journeys.system import House, Person, open_house

PLENTY = 1_000_000

ASK = """mutation ($content: String!, $key: String!, $model: String, $wait: Int! = 30) {
  askAI(input: { messages: { content: $content }, model: $model, maxOutputTokens: 100,
                 idempotencyKey: $key, waitSeconds: $wait }) {
    __typename
    ... on AskAISuccess { replayed answer { id charged held apiKey { id } } balance { available } }
    ... on BudgetExceeded { required budget { limit period used resetsAt } }
    ... on Problem { code message httpStatus } } }"""
LOOK = """query ($answer: ID!, $entry: ID!) {
  answer(id: $answer) { id }
  node(id: $entry) { id }
  answers { nodes { id } } usage { nodes { apiKey { id } } } holds { nodes { id } }
  ledger { nodes { kind amount } }
  viewer { scopes apiKey { id name lastUsedAt } account { displayName balance { available } } } }"""
KEY = """query ($id: ID!) { node(id: $id) { ... on ApiKey {
  status budget { used limit } balance { available held total } } } }"""


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(
        database_url, deployment_secret, asks_per_minute=PLENTY, points_per_minute=PLENTY
    ) as house:
        yield house
        assert await house.differences() == []


async def ask(person: Person, key: str, *, model: str | None = None, wait: int = 30) -> Reply:
    return await person.send(ASK, content="What is a ledger?", key=key, model=model, wait=wait)


async def test_a_key_asks_and_sees_what_it_asked(house: House) -> None:
    owner, _ = await house.visitor()
    robot = await make_robot(house, owner)
    other = await make_robot(house, owner)
    own = await ask(owner, "by a person")
    await ask(other.person, "by another key")

    asked = await ask(robot.person, "by a key")
    entries = await owner.send("{ ledger { nodes { id } } }")
    look = await robot.person.send(
        LOOK,
        answer=own.text("askAI.answer.id"),
        entry=entries.text("ledger.nodes.0.id"),
    )

    me = {"id": robot.key_id}
    assert asked["askAI.answer.apiKey"] == me
    assert look["answer"] is None
    assert look["answers.nodes"] == [{"id": asked.text("askAI.answer.id")}]
    assert look["usage.nodes"] == [{"apiKey": me}]
    assert look["ledger.nodes"] == [
        {"kind": "CHARGE", "amount": f"-{asked.text('askAI.answer.charged')}"}
    ]
    assert look["node.id"] == entries["ledger.nodes.0.id"]
    assert look["viewer.apiKey.id"] == robot.key_id
    assert look["viewer.account.balance"] == asked["askAI.balance"]
    assert look["viewer.scopes"] == ["READ", "ASK"]
    everything = await owner.send("{ usage { nodes { apiKey { id } } } }")
    assert everything["usage.nodes"] == [
        {"apiKey": me},
        {"apiKey": {"id": other.key_id}},
        {"apiKey": None},
    ]


SESSIONS_ONLY = [
    "{ apiKeys { id } }",
    "{ admin { __typename } }",
    "{ viewer { account { email } } }",
    "{ viewer { account { apiKeys { id } } } }",
    'mutation { createApiKey(input: { name: "mine" }) { __typename } }',
    "mutation { signOut(input: { everywhere: true }) { __typename } }",
    "{ __schema { types { name } } }",
]


@pytest.mark.parametrize("role", list(Role))
async def test_what_a_key_cannot_reach_is_forbidden(
    database_url: str, deployment_secret: str, role: Role
) -> None:
    async with open_house(database_url, deployment_secret, introspection=False) as house:
        robot = await make_robot(house, await house.demo_person(role))

        refused = {query: (await robot.person.send(query)).codes for query in SESSIONS_ONLY}

    assert refused == {query: ["FORBIDDEN"] for query in SESSIONS_ONLY}


async def test_scopes_are_what_a_key_may_do(house: House) -> None:
    owner, _ = await house.visitor()
    reader = await make_robot(house, owner, scopes=["READ"])
    asker = await make_robot(house, owner, scopes=["ASK"])

    reads = await reader.person.send("{ balance { available } }")
    does_not_ask = await ask(reader.person, "1")
    asks = await ask(asker.person, "2")
    does_not_read = await asker.person.send("{ balance { available } }")

    assert reads["balance.available"] == "1000"
    assert asks["askAI.__typename"] == "AskAISuccess"
    assert (does_not_ask.status, does_not_read.status) == (403, 403)


async def test_a_key_asks_the_models_it_may_and_as_often_as_it_may(house: House) -> None:
    owner, _ = await house.visitor()
    models = await owner.send("{ models { id } }")
    allowed, other = models.text("models.1.id"), models.text("models.0.id")
    robot = await make_robot(house, owner, allowedModels=[allowed], requestsPerMinute=2)

    asked = await ask(robot.person, "1", model=allowed)
    refused = await ask(robot.person, "2", model=other)
    by_default = await ask(robot.person, "3")
    again = await ask(robot.person, "4", model=allowed)
    too_often = await ask(robot.person, "5", model=allowed)

    assert asked["askAI.__typename"] == again["askAI.__typename"] == "AskAISuccess"
    assert refused["askAI.code"] == by_default["askAI.code"] == "NOT_FOUND"
    assert refused["askAI.message"] == "There is no such model that this API key may ask."
    assert too_often["askAI.code"] == "RATE_LIMITED"


async def test_an_idempotency_key_of_another_credential_is_in_use(house: House) -> None:
    owner, _ = await house.visitor()
    robot, other = await make_robot(house, owner), await make_robot(house, owner)
    first = await ask(robot.person, "the same")

    again = await ask(robot.person, "the same")
    by_another_key = await ask(other.person, "the same")
    by_its_owner = await ask(owner, "the same")

    assert again["askAI.replayed"] is True
    assert again["askAI.answer.id"] == first["askAI.answer.id"]
    assert by_another_key["askAI.code"] == "IDEMPOTENCY_KEY_REUSED"
    assert by_its_owner["askAI.code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_budget_that_is_spent_says_how_far_it_has_come(house: House) -> None:
    owner, _ = await house.visitor()
    robot = await make_robot(house, owner, budget={"limit": "0.000001", "period": "DAY"})

    refused = await ask(robot.person, "1")
    usage = await robot.person.send("{ usage { nodes { outcome problemCode charged } } }")

    assert refused["askAI.code"] == "BUDGET_EXCEEDED"
    assert refused["askAI.httpStatus"] == 402
    assert Decimal(refused.text("askAI.required")) > 0
    budget = refused["askAI.budget"]
    assert isinstance(budget, dict)
    assert str(budget.pop("resetsAt")).endswith("T00:00:00Z")
    assert budget == {"limit": "0.000001", "period": "DAY", "used": "0"}
    assert usage["usage.nodes"] == [
        {"outcome": "REFUSED", "problemCode": "BUDGET_EXCEEDED", "charged": "0"}
    ]


@pytest.mark.parametrize("funding", ["ACCOUNT", "OWN"])
async def test_of_two_hundred_calls_at_once_ten_are_paid_for_and_ten_reach_the_model(
    database_url: str, deployment_secret: str, funding: str
) -> None:
    provider = SimulatedProvider(gate=Gate(11))  # the eleventh will be a person's
    async with open_house(
        database_url,
        deployment_secret,
        provider=provider,
        asks_per_minute=PLENTY,
        points_per_minute=PLENTY,
    ) as house:
        owner, _ = await house.visitor()
        probe = await make_robot(house, owner, budget={"limit": "0.000001"})
        held = Decimal((await ask(probe.person, "a probe")).text("askAI.required"))
        paid_for = str(held * 10 + Decimal("0.000001"))
        terms = {"budget": {"limit": paid_for}} if funding == "ACCOUNT" else {}
        robot = await make_robot(house, owner, funding=funding, **terms)
        if funding == "OWN":
            await owner.send(FUND, id=robot.key_id, amount=paid_for, key="1")

        calls = [asyncio.create_task(ask(robot.person, str(n))) for n in range(200)]
        await _until_done(calls, 190)
        await ask(owner, "lets the ten go on")
        asked = await asyncio.gather(*calls)
        key = await owner.send(KEY, id=robot.key_id)
        differences = await house.differences()

    refusal = "BudgetExceeded" if funding == "ACCOUNT" else "InsufficientCredits"
    answered = [reply for reply in asked if reply["askAI.__typename"] == "AskAISuccess"]
    assert Counter(str(reply["askAI.__typename"]) for reply in asked) == {
        "AskAISuccess": 10,
        refusal: 190,
    }
    assert provider.calls_received == 10 + 1
    charged = sum(Decimal(reply.text("askAI.answer.charged")) for reply in answered)
    if funding == "ACCOUNT":
        assert Decimal(key.text("node.budget.used")) == charged
    else:
        assert Decimal(key.text("node.balance.total")) == Decimal(paid_for) - charged
    assert differences == []


async def test_credits_move_to_a_key_once_however_often_it_is_sent(house: House) -> None:
    owner, _ = await house.visitor()
    robot = await make_robot(house, owner, funding="OWN")

    sent = await asyncio.gather(
        *(owner.send(FUND, id=robot.key_id, amount="300", key="once") for _ in range(20))
    )
    changed = await owner.send(FUND, id=robot.key_id, amount="301", key="once")
    too_much = await asyncio.gather(
        *(owner.send(FUND, id=robot.key_id, amount="400", key=str(n)) for n in range(10))
    )

    assert sorted(reply["fundApiKey.replayed"] is True for reply in sent) == [
        False,
        *[True] * 19,
    ]
    assert changed["fundApiKey.code"] == "IDEMPOTENCY_KEY_REUSED"
    assert Counter(str(reply["fundApiKey.__typename"]) for reply in too_much) == {
        "FundApiKeySuccess": 1,
        "InsufficientCredits": 9,
    }
    assert (await owner.balance())["available"] == "300"
    assert (await robot.person.balance())["available"] == "700"


async def test_funding_and_revoking_race_and_no_credit_is_lost(house: House) -> None:
    owner, _ = await house.visitor()
    robots = [await make_robot(house, owner, funding="OWN") for _ in range(5)]

    await asyncio.gather(
        *(
            owner.send(FUND, id=robot.key_id, amount="10", key=f"{robot.key_id} {n}")
            for robot in robots
            for n in range(10)
        ),
        *(owner.send(REVOKE, id=robot.key_id) for robot in robots for _ in range(3)),
        *(ask(robot.person, f"{robot.key_id} {n}") for robot in robots for n in range(5)),
    )
    ended = [await owner.send(REVOKE, id=robot.key_id) for robot in robots]
    charged = await owner.send("{ answers(first: 100) { nodes { charged } } }")

    nodes = charged["answers.nodes"]
    assert isinstance(nodes, list)
    spent = sum(
        (Decimal(charged.text(f"answers.nodes.{n}.charged")) for n in range(len(nodes))),
        Decimal(0),
    )
    assert [reply["revokeApiKey.apiKey.status"] for reply in ended] == ["REVOKED"] * 5
    assert Decimal(str((await owner.balance())["total"])) == 1000 - spent


async def test_a_busy_key_is_revoked_at_once_and_its_credits_follow(house: House) -> None:
    owner, _ = await house.visitor()
    robot = await make_robot(house, owner, funding="OWN")
    await owner.send(FUND, id=robot.key_id, amount="500", key="1")
    content = "What is a ledger?\nsimulate: slow 1"
    asked = await robot.person.send(ASK, content=content, key="1", model=None, wait=0)
    held = Decimal(asked.text("askAI.answer.held"))

    revoked = await owner.send(REVOKE, id=robot.key_id)
    refused = await robot.person.send("{ balance { available } }")
    answer = asked.text("askAI.answer.id")
    await _until_empty(owner, robot)

    finished = await owner.send(
        "query ($id: ID!) { answer(id: $id) { status charged apiKey { status } } }", id=answer
    )
    charged = Decimal(finished.text("answer.charged"))
    assert Decimal(revoked.text("revokeApiKey.returned")) == 500 - held
    assert Decimal(revoked.text("revokeApiKey.apiKey.balance.held")) == held
    assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"])
    assert finished["answer.status"] == "SUCCEEDED"
    assert charged > 0
    assert Decimal(str((await owner.balance())["total"])) == 1000 - charged


async def test_a_key_is_used_by_name_only_by_whom_it_belongs_to(house: House) -> None:
    owner, _ = await house.visitor()
    mallory, _ = await house.visitor()
    robot = await make_robot(house, owner, funding="OWN")

    for sent in (
        await mallory.send(UPDATE, input={"apiKeyId": robot.key_id, "name": "mine"}),
        await mallory.send(REVOKE, id=robot.key_id),
        await mallory.send(FUND, id=robot.key_id, amount="1", key="1"),
    ):
        assert "NOT_FOUND" in str(sent.body)
    assert (await mallory.send(KEY, id=robot.key_id))["node"] is None
    assert (await robot.person.send("{ balance { available } }"))["balance.available"] == "0"


async def test_a_suspended_accounts_keys_are_told_so(house: House) -> None:
    owner, account_id = await house.visitor()
    admin = await house.demo_person(Role.ADMIN)
    robot = await make_robot(house, owner)
    await admin.send(
        "mutation ($id: ID!) { suspendAccount(input: { accountId: $id, reason: 'a test' })"
        " { __typename } }".replace("'", '"'),
        id=account_id,
    )

    refused = await robot.person.send("{ balance { available } }")

    assert (refused.status, refused.codes) == (403, ["ACCOUNT_SUSPENDED"])


async def test_the_secret_is_told_once(house: House) -> None:
    owner, _ = await house.visitor()
    made = await owner.send(CREATE, input={"name": "a robot"})
    secret = made.text("createApiKey.secret")

    listed = await owner.send("{ apiKeys { id name prefix status lastUsedAt } }")

    assert secret.startswith(listed.text("apiKeys.0.prefix"))
    assert secret not in str(listed.body)


async def _until_done(calls: Sequence[asyncio.Task[Reply]], number: int) -> None:
    """Wait until so many have their answer, while the others wait for the model."""
    async with asyncio.timeout(60):
        for finished in asyncio.as_completed(calls):
            await finished
            number -= 1
            if number == 0:
                return


async def _until_empty(owner: Person, robot: Robot) -> None:
    """Wait until a key's last answer has finished and a sweep has given the rest back."""
    for _ in range(600):
        if (await owner.send(KEY, id=robot.key_id))["node.balance.total"] == "0":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("its credits never came back")
