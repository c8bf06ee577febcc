"""An answer that has finished is told once, and a balance is told to be low once it falls below."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from asyncpg.pgproto import pgproto
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.answers import AnswerEnd, AnswerStatus, FinishReason
from domain.errors import InsufficientCredits, StateConflict, TallystickError, Unavailable
from domain.keys import KeyFunding
from domain.ledger import Credit, Debit, EntryKind, Once
from domain.telling import EventType
from domain.units import KeyNumber, Microcredits, PurseId
from persistence.ledger import PostgresLedger
from persistence.operations import APPLY, END_HOLD, TAKE_HOLD, telling
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, GIVEN_UP, MODEL, Bank, Customer, open_bank
from tests.persistence.programs import make_program
from tests.telling.post import LOW, Post, endpoint, open_post

NOWHERE = endpoint("http://127.0.0.1:9/")
CANCELED = AnswerEnd(
    status=AnswerStatus.CANCELED,
    text="an ans",
    finish_reason=FinishReason.CANCELED,
    failure=None,
    attempts=ANSWERED.attempts,
)
ENDED = """
SELECT format('%s/%s/%s', account_id, key_number, moment) FROM tallystick.holds
 WHERE ended_moment IS NOT NULL AND model_id IS NOT NULL
"""
FELL = """
SELECT format('%s/%s', account_id, key_number) FROM tallystick.entries
 WHERE total_after < $1 AND total_after - amount >= $1
   AND NOT (kind = 'TRANSFER' AND key_number > 0)
"""
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'tallystick-writer'
"""


@pytest.fixture
async def bank(database_url: str, deployment_secret: str) -> AsyncIterator[Bank]:
    """A bank whose ledger tells what ends."""
    async with open_bank(database_url, deployment_secret, tells=True) as bank:
        yield bank
    report = await verify(database_url)
    assert report.is_clean, report.lines()


@pytest.fixture
async def post(bank: Bank) -> AsyncIterator[Post]:
    async with open_post(bank, NOWHERE) as post:
        yield post


async def told(post: Post, type_: EventType) -> list[dict[str, object]]:
    """The facts of events of a type, in their order."""
    return [json.loads(row["facts"]) for row in await post.events() if row["type"] == type_]


async def answers_told(post: Post) -> list[str]:
    facts = await told(post, EventType.ANSWER_FINISHED)
    return sorted("{account}/{key}/{moment}".format(**each) for each in facts)


async def answers_ended(bank: Bank) -> list[str]:
    return sorted(row[0] for row in await bank.owner.fetch(ENDED))


async def lows_told(post: Post) -> Counter[str]:
    facts = await told(post, EventType.BALANCE_LOW)
    return Counter("{account}/{key}".format(**each) for each in facts)


async def falls(bank: Bank) -> Counter[str]:
    """How often each purse fell below the threshold, as its entries say."""
    return Counter(row[0] for row in await bank.owner.fetch(FELL, LOW))


def another_ledger(bank: Bank) -> PostgresLedger:
    """Another process's, which does not know how large a hold is."""
    url = url_of(Login.WORKER, bank.url, secret=bank.secret)
    return PostgresLedger(url, runner=pgproto.UUID(uuid4().bytes), tells=True)


async def test_an_answer_is_told_with_what_it_cost(bank: Bank, post: Post) -> None:
    ada = await bank.customer(1_000)
    await bank.answer(ada.purse, charged=40)

    [facts] = await told(post, EventType.ANSWER_FINISHED)

    assert facts["account"] == ada.account_id
    assert (facts["status"], facts["charged"]) == ("SUCCEEDED", 40)
    assert (facts["model"], facts["finish"], facts["api_key"]) == (MODEL.id, "STOP", 0)
    assert str(ANSWERED.text) not in str(facts)


async def test_every_way_an_answer_ends_is_told(bank: Bank, post: Post) -> None:
    purse = (await bank.customer(10_000)).purse
    taken = [await bank.ask(purse) for _ in range(8)]

    await bank.ledger.capture(taken[0].hold_id, Microcredits(7), ANSWERED)
    await bank.ledger.release(taken[1].hold_id, GIVEN_UP)
    await bank.ledger.capture(taken[2].hold_id, Microcredits(3), CANCELED)
    async with another_ledger(bank) as other:
        await other.capture(taken[3].hold_id, Microcredits(5), ANSWERED)
        await other.release(taken[4].hold_id, GIVEN_UP)
        await other.release(taken[5].hold_id, GIVEN_UP)
    due = await bank.ask(purse, lasts_seconds=0)
    await bank.ledger.expire(due.hold_id, GIVEN_UP)
    await asyncio.gather(
        bank.ledger.capture(taken[6].hold_id, Microcredits(9), ANSWERED),
        bank.ledger.release(taken[7].hold_id, GIVEN_UP),
    )

    facts = await told(post, EventType.ANSWER_FINISHED)
    assert await answers_told(post) == await answers_ended(bank)
    assert Counter((each["status"], each["charged"]) for each in facts) == {
        ("SUCCEEDED", 7): 1,
        ("SUCCEEDED", 5): 1,
        ("SUCCEEDED", 9): 1,
        ("CANCELED", 3): 1,
        ("FAILED", 0): 5,
    }


async def test_a_hold_that_is_for_no_answer_is_not_told(bank: Bank, post: Post) -> None:
    purse = (await bank.customer(1_000)).purse
    taken = await bank.ledger.hold(
        purse, Microcredits(10), Once.of("a test", "1"), lasts_seconds=60
    )
    await bank.ledger.capture(taken.hold_id, Microcredits(1))

    assert await post.types() == []


async def test_an_end_that_is_asked_for_again_is_told_once(bank: Bank, post: Post) -> None:
    purse = (await bank.customer(1_000)).purse
    taken = await bank.ask(purse)

    async def end(charged: int) -> bool:
        ended = await bank.ledger.capture(taken.hold_id, Microcredits(charged), ANSWERED)
        return ended.replayed

    await end(40)
    again = await asyncio.gather(*(end(40) for _ in range(5)))
    with pytest.raises(StateConflict):
        await end(41)

    assert again == [True] * 5
    assert len(await answers_told(post)) == 1


async def test_many_ends_at_once_are_each_told_once(bank: Bank, post: Post) -> None:
    customers = [await bank.customer(10_000) for _ in range(5)]
    taken = await asyncio.gather(
        *(bank.ask(customer.purse, 20) for _ in range(30) for customer in customers)
    )

    await asyncio.gather(
        *(bank.ledger.capture(each.hold_id, Microcredits(3), ANSWERED) for each in taken)
    )

    assert len(taken) == 150
    assert await answers_told(post) == await answers_ended(bank)


async def test_what_ended_is_told_though_connections_are_killed_meanwhile(
    bank: Bank, post: Post
) -> None:
    purses = [(await bank.customer(1_000)).purse for _ in range(3)]
    stopped = asyncio.Event()

    async def ask_and_end() -> None:
        for number in range(12):
            try:
                taken = await bank.ask(purses[number % 3], 40)
                await bank.ledger.capture(taken.hold_id, Microcredits(20), ANSWERED)
            except (InsufficientCredits, Unavailable):
                continue

    async def kill() -> None:
        while not stopped.is_set():
            await bank.owner.execute(KILL)
            await asyncio.sleep(0.3)

    killing = asyncio.create_task(kill())
    await asyncio.gather(*(ask_and_end() for _ in range(6)))
    stopped.set()
    await killing

    ended = await answers_ended(bank)
    assert len(ended) >= 20
    assert await answers_told(post) == ended
    assert await lows_told(post) == await falls(bank)


async def test_a_balance_is_low_once_until_it_has_risen(bank: Bank, post: Post) -> None:
    ada = await bank.customer(130)
    for _ in range(3):
        await bank.answer(ada.purse, held=20, charged=20)
    low = await told(post, EventType.BALANCE_LOW)
    await give(bank, ada.purse, 20)
    await bank.answer(ada.purse, held=20, charged=20)
    still = await told(post, EventType.BALANCE_LOW)
    await give(bank, ada.purse, 60)
    await bank.answer(ada.purse, held=60, charged=60)
    again = await told(post, EventType.BALANCE_LOW)

    assert low == still
    assert [each["total"] for each in again] == [90, 70]
    assert {each["threshold"] for each in again} == {LOW}


async def test_an_account_that_began_below_is_not_told(bank: Bank, post: Post) -> None:
    ada = await bank.customer(99)
    await bank.answer(ada.purse, held=20, charged=20)

    assert await told(post, EventType.BALANCE_LOW) == []


async def test_what_takes_a_balance_below_besides_answers_is_told(bank: Bank, post: Post) -> None:
    ada, bob = await bank.customer(0), await bank.customer(110)
    soon = datetime.now(UTC) + timedelta(milliseconds=30)  # noqa: TID251 - its time is over
    await give(bank, ada.purse, 110, expires_at=soon)
    await asyncio.sleep(0.05)
    await bank.owner.fetch("SELECT tallystick.settle_due_purses(10)")
    debit = Debit(kind=EntryKind.ADJUSTMENT, amount=Microcredits(20), reason="a test")
    await bank.postings.debit(bob.purse, debit, Once.of("a test", "2"))

    assert await lows_told(post) == {f"{ada.account_id}/0": 1, f"{bob.account_id}/0": 1}


async def test_a_key_with_credits_of_its_own_is_low_by_itself(bank: Bank, post: Post) -> None:
    ada = await bank.customer(1_000)
    key = (await make_program(bank, ada, funding=KeyFunding.OWN)).id
    await bank.postings.transfer(
        source=ada.purse, target=key.purse, amount=Microcredits(150), once=Once.of("a test", "1")
    )
    await bank.answer(key.purse, held=60, charged=60, key=key.number)
    spent = await told(post, EventType.BALANCE_LOW)
    await bank.postings.transfer(
        source=ada.purse, target=key.purse, amount=Microcredits(50), once=Once.of("a test", "2")
    )
    await bank.postings.transfer(
        source=key.purse, target=ada.purse, amount=Microcredits(140), once=Once.of("a test", "3")
    )
    moved = await told(post, EventType.BALANCE_LOW)

    assert [(each["key"], each["total"]) for each in spent] == [(key.number, 90)]
    assert moved == spent


async def test_processes_that_spend_at_the_same_time_tell_of_a_low_balance_once(
    bank: Bank, post: Post
) -> None:
    ada = await bank.customer(200)
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(another_ledger(bank)) for _ in range(3)]
        taken = [await bank.ask(ada.purse, 10) for _ in range(20)]
        await asyncio.gather(
            *(
                ledgers[number % 3].capture(each.hold_id, Microcredits(10), ANSWERED)
                for number, each in enumerate(taken)
            )
        )

    assert await lows_told(post) == await falls(bank) == {f"{ada.account_id}/0": 1}


async def test_what_nobody_wants_of_ends_is_not_written(bank: Bank) -> None:
    only = endpoint("http://127.0.0.1:9/", "crm", EventType.BALANCE_LOW)
    async with open_post(bank, only) as post:
        ada = await bank.customer(110)
        await bank.answer(ada.purse, held=20, charged=20)

        assert await post.types() == ["balance.low"]


async def test_without_endpoints_the_ledger_calls_what_it_always_called(
    database_url: str, deployment_secret: str
) -> None:
    async with open_bank(database_url, deployment_secret) as bank, open_post(bank, NOWHERE) as post:
        await bank.answer((await bank.customer(1_000)).purse)

        assert await post.types() == []
    assert telling(TAKE_HOLD) == TAKE_HOLD
    assert "apply_and_tell(" in telling(APPLY)
    assert END_HOLD.removeprefix("SELECT ") in telling(END_HOLD)


async def give(
    bank: Bank, purse: PurseId, amount: int, *, expires_at: datetime | None = None
) -> None:
    credit = Credit(
        kind=EntryKind.RECHARGE,
        amount=Microcredits(amount),
        is_paid=False,
        expires_at=expires_at,
        reason="a test",
    )
    await bank.postings.grant(purse, credit, Once.of("a test", str(uuid4())))


class World:
    """A bank, the loop it lives on, and its post; nothing to print in full."""

    def __init__(self, runner: asyncio.Runner, bank: Bank, post: Post) -> None:
        self.runner = runner
        self.bank = bank
        self.post = post


@pytest.fixture
def world(database_url: str, deployment_secret: str) -> Iterator[World]:
    """One for all examples; each has a customer of its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_world() -> World:
            bank = await stack.enter_async_context(
                open_bank(database_url, deployment_secret, tells=True)
            )
            post = await stack.enter_async_context(open_post(bank, NOWHERE))
            return World(runner, bank, post)

        yield runner.run(open_world())
        runner.run(stack.aclose())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answers"), st.lists(st.integers(0, 60), min_size=1, max_size=4)),
        st.tuples(st.just("give"), st.integers(1, 120).map(lambda amount: [amount])),
        st.tuples(st.just("take"), st.integers(1, 120).map(lambda amount: [amount])),
        st.tuples(st.just("move"), st.integers(1, 120).map(lambda amount: [amount])),
        st.tuples(st.just("back"), st.integers(1, 120).map(lambda amount: [amount])),
        st.tuples(st.just("lapse"), st.integers(1, 120).map(lambda amount: [amount])),
    ),
    min_size=1,
    max_size=10,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_credits=st.integers(0, 250), steps=STEPS)
def test_a_low_balance_is_told_as_often_as_it_fell_below(
    world: World, given_credits: int, steps: list[tuple[str, list[int]]]
) -> None:
    world.runner.run(_live(world.bank, given_credits, steps))

    async def compare() -> tuple[Counter[str], Counter[str]]:
        return await lows_told(world.post), await falls(world.bank)

    lows, fell = world.runner.run(compare())
    assert lows == fell


async def _live(bank: Bank, given_credits: int, steps: Sequence[tuple[str, list[int]]]) -> None:
    ada: Customer = await bank.customer(given_credits)
    key = await bank.postings.open(ada.account_id, KeyNumber(1))
    for step, amounts in steps:
        amount, once = Microcredits(amounts[0]), Once.of("a test", str(uuid4()))
        try:
            match step:
                case "answers":
                    await asyncio.gather(
                        *(bank.answer(ada.purse, held=60, charged=each) for each in amounts),
                        return_exceptions=True,
                    )
                case "give":
                    await give(bank, ada.purse, amount)
                case "take":
                    taken = Debit(kind=EntryKind.ADJUSTMENT, amount=amount, reason="a test")
                    await bank.postings.debit(ada.purse, taken, once)
                case "move":
                    await bank.postings.transfer(
                        source=ada.purse, target=key, amount=amount, once=once
                    )
                case "back":
                    await bank.postings.transfer(
                        source=key, target=ada.purse, amount=amount, once=once
                    )
                case _:
                    past = datetime(2026, 1, 1, tzinfo=UTC)
                    await give(bank, ada.purse, amount, expires_at=past)
        except (TallystickError, asyncpg.PostgresError):
            continue
