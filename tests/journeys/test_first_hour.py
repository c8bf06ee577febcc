"""What a newcomer does in the first hour, over HTTP: asks, pays, looks it up, is recharged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import pytest

from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.routes import Route
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import Gate, SimulatedProvider
from domain.identity import Role
from persistence.forgetting import PostgresTexts
from tests.journeys.system import House, open_house

LOOK = """
{
  usage { nodes {
    outcome attempt inputTokens outputTokens estimated charged problemCode
    model { id } price { inputPer1K outputPer1K } answer { id }
  } }
  ledger { nodes { kind amount totalAfter answer { id } } }
  holds { nodes { status } }
}
"""
RECHARGE = """
mutation($account: ID!, $key: String!) {
  rechargeCredits(
    input: {accountId: $account, amount: "250.5", reason: "thanks", idempotencyKey: $key}
  ) {
    __typename
    ... on PostCreditsSuccess {
      replayed entry { kind amount reason } balance { available } account { id }
    }
    ... on Problem { code message }
  }
}
"""


@pytest.fixture
async def house(database_url: str, deployment_secret: str) -> AsyncIterator[House]:
    async with open_house(database_url, deployment_secret) as house:
        yield house
        assert await house.differences() == []


async def test_a_question_is_charged_exactly_and_everything_tells_the_same(house: House) -> None:
    user, _ = await house.visitor()
    before = await user.balance()

    asked = await user.ask("What is a ledger?", "one")
    seen = await user.send(LOOK)

    usage = seen["usage.nodes.0"]
    assert isinstance(usage, dict)
    cost = (
        Decimal(str(usage["inputTokens"])) * Decimal("0.3")
        + Decimal(str(usage["outputTokens"])) * Decimal("0.45")
    ) / 1000
    charged = Decimal(asked.text("askAI.answer.charged"))
    assert before == {"available": "1000", "held": "0", "total": "1000", "owed": "0"}
    assert charged == cost.quantize(Decimal("0.000001"), rounding=ROUND_CEILING) > 0
    assert Decimal(asked.text("askAI.balance.available")) == 1000 - charged
    assert Decimal(str((await user.balance())["total"])) == 1000 - charged
    assert (usage["outcome"], usage["attempt"], usage["estimated"]) == ("SUCCEEDED", 1, False)
    assert usage["answer"] == {"id": asked["askAI.answer.id"]}
    assert Decimal(str(usage["charged"])) == charged
    assert seen["ledger.nodes.0.kind"] == "CHARGE"
    assert Decimal(seen.text("ledger.nodes.0.amount")) == -charged
    assert Decimal(seen.text("ledger.nodes.0.totalAfter")) == 1000 - charged
    assert seen["ledger.nodes.1.kind"] == "SIGN_UP_GRANT"
    assert seen["holds.nodes"] == [{"status": "CAPTURED"}]


async def test_the_same_question_sent_again_is_answered_again_and_charged_once(
    house: House,
) -> None:
    user, _ = await house.visitor()

    asked = await user.ask("What is a ledger?", "one")
    again = await user.ask("What is a ledger?", "one")
    other = await user.ask("What is a hold?", "one")

    assert (asked["askAI.replayed"], again["askAI.replayed"]) == (False, True)
    assert again["askAI.answer"] == asked["askAI.answer"]
    assert again["askAI.balance"] == asked["askAI.balance"]
    assert other["askAI.code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_failed_answer_is_free_and_says_why(house: House) -> None:
    user, _ = await house.visitor()

    asked = await user.ask("hello\nsimulate: empty", "one")
    seen = await user.send(LOOK)

    assert asked["askAI.__typename"] == "ProviderFailed"
    assert asked["askAI.httpStatus"] == 502
    assert (await user.balance())["available"] == "1000"
    assert seen["usage.nodes.0.outcome"] == "FAILED"
    assert seen["holds.nodes"] == [{"status": "RELEASED"}]


async def test_an_administrator_recharges_once_however_often_it_is_sent(house: House) -> None:
    user, account = await house.visitor()
    administrator = await house.demo_person(Role.ADMIN)

    first = await administrator.send(RECHARGE, account=account, key="may")
    second = await administrator.send(RECHARGE, account=account, key="may")

    assert first["rechargeCredits.entry"] == {
        "kind": "RECHARGE",
        "amount": "250.5",
        "reason": "thanks",
    }
    assert first["rechargeCredits.account.id"] == account
    assert (first["rechargeCredits.replayed"], second["rechargeCredits.replayed"]) == (False, True)
    assert (await user.balance())["available"] == "1250.5"


async def test_nobody_else_recharges(house: House) -> None:
    user, account = await house.visitor()

    as_user = await user.send(RECHARGE, account=account, key="may")
    as_nobody = await house.stranger.send(RECHARGE, account=account, key="may")

    assert (as_user.status, as_user.codes) == (403, ["FORBIDDEN"])
    assert (as_nobody.status, as_nobody.codes) == (401, ["UNAUTHENTICATED"])
    assert (await user.balance())["available"] == "1000"


async def test_nobody_sees_what_is_anothers(house: House) -> None:
    user, account = await house.visitor()
    other, _ = await house.visitor()
    asked = await user.ask("What is a ledger?", "one")

    seen = await other.send(
        "query($answer: ID!, $account: ID!) { answer(id: $answer) { id } node(id: $account) { id } "
        "usage { nodes { id } } ledger { nodes { kind } } }",
        answer=asked["askAI.answer.id"],
        account=account,
    )

    assert seen["answer"] is None
    assert seen["node"] is None
    assert seen["usage.nodes"] == []
    assert seen["ledger.nodes"] == [{"kind": "SIGN_UP_GRANT"}]


async def test_a_suspended_account_is_refused_from_its_next_request_on(house: House) -> None:
    user, _ = await house.visitor()
    await user.balance()

    await house.database.execute(
        "UPDATE tallystick.accounts SET status = 'SUSPENDED', suspension_reason = 'fraud'"
    )
    refused = await user.send("{ balance { available } }")

    assert (refused.status, refused.codes) == (403, ["ACCOUNT_SUSPENDED"])
    assert "fraud" not in str(refused.body)


async def test_a_token_ends_with_its_session(house: House) -> None:
    user, _ = await house.visitor()
    await user.balance()

    await house.database.execute("UPDATE tallystick.sessions SET ended_at = now()")
    refused = await user.send("{ balance { available } }")

    assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"])


async def test_of_200_questions_at_once_on_credits_for_10_exactly_10_are_asked(
    database_url: str, deployment_secret: str
) -> None:
    gated = SimulatedProvider(gate=Gate(10))
    async with open_house(
        database_url,
        deployment_secret,
        provider=gated,
        asks_per_minute=200,
        # "hello" may cost 141 x 0.3 + 2048 x 0.45 thousandths of a credit.
        sign_up_credits="9.6390",
    ) as house:
        user, _ = await house.visitor()

        asked = await asyncio.gather(*(user.ask("hello", str(number)) for number in range(200)))
        left = await user.balance()
        differences = await house.differences()

    kinds = [reply["askAI.__typename"] for reply in asked]
    charged = sum(
        Decimal(reply.text("askAI.answer.charged"))
        for reply in asked
        if reply["askAI.__typename"] == "AskAISuccess"
    )
    assert gated.calls_received == 10
    assert kinds.count("AskAISuccess") == 10
    assert kinds.count("InsufficientCredits") == 190
    assert Decimal(str(left["available"])) == Decimal("9.639") - charged
    assert left["held"] == "0"
    assert differences == []


async def test_fifty_questions_at_once_with_one_key_are_one_question(house: House) -> None:
    user, _ = await house.visitor()

    asked = await asyncio.gather(*(user.ask("hello", "same") for _ in range(50)))

    assert house.provider.calls_received == 1
    assert len({reply.text("askAI.answer.id") for reply in asked}) == 1
    assert [reply["askAI.replayed"] for reply in asked].count(False) == 1


async def test_demo_sessions_are_for_demo_mode(database_url: str, deployment_secret: str) -> None:
    async with open_house(database_url, deployment_secret, demo_mode=False) as house:
        refused = await house.stranger.send(
            "mutation { startDemoSession { ... on Problem { code message } } }"
        )
        facts = await house.stranger.send("{ service { demoMode } }")

    assert refused["startDemoSession.code"] == "UNAVAILABLE"
    assert facts["service.demoMode"] is False


async def test_demo_sessions_and_questions_are_limited(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(
        database_url, deployment_secret, demo_sessions_per_minute=1, asks_per_minute=1
    ) as house:
        user, _ = await house.visitor()
        second_session = await house.stranger.send(
            "mutation { startDemoSession { ... on RateLimited { code retryAfterSeconds } } }"
        )
        await user.ask("hello", "one")
        second_question = await user.ask("hello", "two")

    assert second_session["startDemoSession.code"] == "RATE_LIMITED"
    assert second_question["askAI.code"] == "RATE_LIMITED"


async def test_points_are_counted_and_run_out(database_url: str, deployment_secret: str) -> None:
    async with open_house(database_url, deployment_secret, points_per_minute=1_000) as house:
        user, _ = await house.visitor()
        told = await user.send("{ rateLimit { cost limit remaining } }")
        costly = "{ usage(first: 100) { nodes { id answer { id } model { id } } } }"
        replies = [await user.send(costly) for _ in range(5)]

    assert told["rateLimit.limit"] == 1_000
    assert replies[0].status == 200
    assert (replies[-1].status, replies[-1].codes) == (429, ["RATE_LIMITED"])


async def test_the_text_of_an_answer_is_forgotten_and_its_charge_is_not(house: House) -> None:
    user, _ = await house.visitor()
    asked = await user.ask("What is a ledger?", "one")
    query = "query($id: ID!) { answer(id: $id) { status text charged } }"
    texts = PostgresTexts(house.database)

    too_early = await texts.forget(datetime.now(UTC) - timedelta(hours=1))  # noqa: TID251
    kept = await user.send(query, id=asked["askAI.answer.id"])
    forgotten = await texts.forget(datetime.now(UTC) + timedelta(hours=1))  # noqa: TID251
    left = await user.send(query, id=asked["askAI.answer.id"])

    assert (too_early, forgotten) == (0, 1)
    assert kept["answer.text"] == asked["askAI.answer.text"]
    assert left["answer"] == {
        "status": "SUCCEEDED",
        "text": None,
        "charged": asked["askAI.answer.charged"],
    }


async def test_only_models_that_somebody_answers_for_are_offered(
    database_url: str, deployment_secret: str
) -> None:
    route = Route(
        name="one",
        base_url="http://localhost/v1",
        api_key="",
        models={"gpt-4o-mini": "gpt-4o-mini", "gpt-4.1-mini": "gpt-4.1-mini"},
    )
    routed = RoutedProvider((OpenAICompatible.in_process(route, SimulatedProvider()),))
    async with open_house(database_url, deployment_secret, routed=routed) as house:
        user, _ = await house.visitor()
        offered = await user.send("{ models { id } }")
        asked = await user.ask("hello", "one")
        other = await user.send(
            'mutation { askAI(input: {messages: {content: "hello"}, model: "deepseek-chat", '
            'idempotencyKey: "two"}) { ... on Problem { code } } }'
        )

    assert offered["models"] == [{"id": "gpt-4.1-mini"}, {"id": "gpt-4o-mini"}]
    assert asked["askAI.answer.status"] == "SUCCEEDED"
    assert other["askAI.code"] == "NOT_FOUND"
