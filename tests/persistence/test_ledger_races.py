"""Many at once: every operation happens once, in some order that explains every answer."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

from asyncpg.pgproto import pgproto

from domain.answers import AnswerEnd, AnswerStatus, FinishReason
from domain.errors import (
    LedgerFault,
)
from domain.ledger import HoldEnded, HoldTaken, Once
from domain.units import KeyNumber, Microcredits, PurseId
from persistence.ledger import PostgresLedger
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import Bank
from tests.persistence.hammering import Told, hammer

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'tallystick-writer'
   AND wait_event_type = 'Lock'
"""

Answer = HoldTaken | HoldEnded


async def test_credits_for_ten_are_held_ten_times(bank: Bank) -> None:
    purse = (await bank.customer(10)).purse

    answers = await all_of(hold(bank.ledger, purse) for _ in range(200))

    assert outcomes(answers) == {"done": 10, "InsufficientCredits": 190}
    assert await verified(bank) == []


async def test_credits_for_ten_are_held_ten_times_by_several_servers(
    bank: Bank, deployment_secret: str
) -> None:
    purse = (await bank.customer(10)).purse

    async with ledgers(bank, deployment_secret, 4) as several:
        answers = await all_of(hold(ledger, purse) for _ in range(50) for ledger in several)

    assert outcomes(answers) == {"done": 10, "InsufficientCredits": 190}
    assert await verified(bank) == []


async def test_one_key_has_one_effect(bank: Bank, deployment_secret: str) -> None:
    purse = (await bank.customer(100)).purse

    async with ledgers(bank, deployment_secret, 2) as several:
        answers = await all_of(
            hold(ledger, purse, key="the same") for _ in range(25) for ledger in several
        )

    assert outcomes(answers) == {"done": 1, "replayed": 49}
    assert len({answer.hold_id for answer in answers if isinstance(answer, HoldTaken)}) == 1
    assert await held(bank, purse) == 1


async def test_one_key_for_different_things_has_the_effect_of_one(bank: Bank) -> None:
    purse = (await bank.customer(100)).purse

    answers = await all_of(
        hold(bank.ledger, purse, amount=amount, key="the same") for amount in range(1, 11)
    )

    assert outcomes(answers) == {"done": 1, "IdempotencyKeyReused": 9}
    assert await held(bank, purse) == 1


async def test_one_key_on_different_accounts_is_not_the_same_key(bank: Bank) -> None:
    purses = [(await bank.customer(1)).purse for _ in range(10)]

    answers = await all_of(hold(bank.ledger, purse, key="the same") for purse in purses)

    assert outcomes(answers) == {"done": 10}


async def test_a_hold_ends_once_however_many_end_it(bank: Bank, deployment_secret: str) -> None:
    purse = (await bank.customer(100)).purse
    holds = [await hold(bank.ledger, purse, amount=5, lasts_seconds=0) for _ in range(20)]

    async with ledgers(bank, deployment_secret, 3) as (first, second, third):
        answers = [
            await all_of(
                (
                    first.capture(taken.hold_id, Microcredits(3)),
                    second.release(taken.hold_id),
                    third.expire(taken.hold_id),
                )
            )
            for taken in holds
        ]

    charged = sum(
        answer.charged for three in answers for answer in three if isinstance(answer, HoldEnded)
    )
    assert [outcomes(three) for three in answers] == [{"done": 1, "StateConflict": 2}] * 20
    assert await total(bank, purse) == 100 - charged
    assert await verified(bank) == []


async def test_of_two_that_wait_to_end_a_hold_one_ends_it(
    bank: Bank, deployment_secret: str
) -> None:
    purse = (await bank.customer(100)).purse
    taken, _ = [await hold(bank.ledger, purse, amount=20) for _ in range(2)]

    async with ledgers(bank, deployment_secret, 2) as (first, second):
        async with bank.owner.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM tallystick.balances FOR UPDATE")
            ends = asyncio.gather(
                first.capture(taken.hold_id, Microcredits(3)),
                second.capture(taken.hold_id, Microcredits(4)),
                return_exceptions=True,
            )
            # Both have seen the hold open, and wait for the balance.
            for _ in range(1_000):
                if await bank.owner.fetchval(WAITING) == 2:
                    break
                await asyncio.sleep(0.01)
        told = await ends

    assert sorted(type(each).__name__ for each in told) == ["HoldEnded", "StateConflict"]
    assert await total(bank, purse) in {96, 97}
    assert await verified(bank) == []


async def test_a_capture_that_is_made_many_times_charges_once(bank: Bank) -> None:
    purse = (await bank.customer(100)).purse
    taken = await bank.ask(purse, 5)

    answers = await all_of(bank.ledger.capture(taken.hold_id, Microcredits(3)) for _ in range(20))

    assert outcomes(answers) == {"done": 1, "replayed": 19}
    assert await total(bank, purse) == 97


async def test_what_the_database_cannot_take_does_not_fail_its_neighbours(bank: Bank) -> None:
    purse = (await bank.customer(100)).purse
    taken = [await bank.ask(purse, 2) for _ in range(10)]
    texts = ["an answer"] * 9 + ["a text with a lone \0 in it"]

    answers = await all_of(
        bank.ledger.capture(each.hold_id, Microcredits(1), ended_with(text))
        for each, text in zip(taken, texts, strict=True)
    )

    assert outcomes(answers) == {"done": 9, "LedgerFault": 1}
    assert isinstance(answers[-1], LedgerFault)
    assert await total(bank, purse) == 91
    assert await held(bank, purse) == 2


async def test_a_full_queue_refuses_at_once(bank: Bank, deployment_secret: str) -> None:
    purse = (await bank.customer(100)).purse
    url = url_of(Login.WORKER, bank.url, secret=deployment_secret)

    async with PostgresLedger(
        url, runner=pgproto.UUID(uuid4().bytes), lanes=1, waiting_max=5
    ) as ledger:
        callers = [asyncio.ensure_future(hold(ledger, purse)) for _ in range(50)]
        await asyncio.sleep(0)
        refused_at_once = sum(caller.done() for caller in callers)
        answers = await all_of(callers)

    seen = outcomes(answers)
    assert refused_at_once == seen["RateLimited"] >= 40
    assert seen["done"] == await held(bank, purse) == 50 - refused_at_once


async def test_what_a_caller_who_left_had_asked_for_is_done(bank: Bank) -> None:
    purse = (await bank.customer(100)).purse
    callers = [asyncio.ensure_future(hold(bank.ledger, purse, key=f"{n}")) for n in range(20)]
    await asyncio.sleep(0)

    for caller in callers[::2]:
        caller.cancel()
    await all_of(caller for caller in callers[1::2])
    again = await all_of(hold(bank.ledger, purse, key=f"{n}") for n in range(20))

    assert outcomes(again) == {"replayed": 20}
    assert await held(bank, purse) == 20


async def test_several_processes_take_and_end_holds_of_the_same_purses(
    bank: Bank, deployment_secret: str
) -> None:
    purses = await shared_purses(bank)
    url = url_of(Login.WORKER, bank.url, secret=deployment_secret)
    words = [url, *(f"{purse.account_id}/{purse.key_number}" for purse in purses)]

    async with ledgers(bank, deployment_secret, 2) as (first, second), asyncio.timeout(60):
        told = await asyncio.gather(
            hammer(first, purses, seed=1),
            hammer(second, purses, seed=2),
            hammered_by_a_process(*words, "3"),
            hammered_by_a_process(*words, "4"),
        )

    answers = [answer for answers in told for answer in answers]
    assert len(answers) > 1_000
    assert {answer.outcome for answer in answers} == {"held", "ended", "InsufficientCredits"}
    for purse in purses:
        await one_order_explains(bank, purse, answers)
    assert await verified(bank) == []


async def shared_purses(bank: Bank) -> list[PurseId]:
    """Rich and poor ones, and a key's next to its account's own."""
    customers = [await bank.customer(given) for given in (40, 200, 100_000)]
    own = [customer.purse for customer in customers]
    key_purse = await bank.postings.open(customers[2].account_id, KeyNumber(1))
    await bank.postings.transfer(
        source=own[2], target=key_purse, amount=Microcredits(50_000), once=Once.of("t", "1")
    )
    return [*own, key_purse]


async def hammered_by_a_process(*words: str) -> list[Told]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.persistence.hammering", *words, cwd=ROOT, stdout=PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return [Told.parse(line) for line in told.decode().splitlines()]


async def one_order_explains(bank: Bank, purse: PurseId, answers: Sequence[Told]) -> None:
    """Replay what happened to a purse by moment: every answer told the balance of its moment."""
    opened = await bank.owner.fetchval(
        "SELECT sum(amount) FROM tallystick.entries"
        " WHERE account_id = $1 AND key_number = $2 AND kind <> 'CHARGE'",
        purse.account_id,
        purse.key_number,
    )
    happened = sorted(
        (answer for answer in answers if answer.purse == purse and answer.moment),
        key=lambda answer: answer.moment,
    )
    total_now, held_now = int(opened), 0
    assert happened
    assert all(one.moment < next_one.moment for one, next_one in pairwise(happened))
    for answer in happened:
        total_now += answer.total_change
        held_now += answer.held_change
        assert (answer.total, answer.held) == (total_now, held_now), answer
    assert (await total(bank, purse), await held(bank, purse)) == (total_now, held_now)


async def hold(
    ledger: PostgresLedger,
    purse: PurseId,
    *,
    amount: int = 1,
    key: str | None = None,
    lasts_seconds: int = 60,
) -> HoldTaken:
    once = Once.of("askAI", key or str(uuid4()), amount)
    return await ledger.hold(purse, Microcredits(amount), once, lasts_seconds=lasts_seconds)


async def all_of(operations: Iterable[Awaitable[Answer]]) -> list[Answer | BaseException]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*operations, return_exceptions=True)


def outcomes(answers: Iterable[Answer | BaseException]) -> Counter[str]:
    return Counter(
        type(answer).__name__
        if isinstance(answer, BaseException)
        else "replayed"
        if answer.replayed
        else "done"
        for answer in answers
    )


@asynccontextmanager
async def ledgers(bank: Bank, secret: str, number: int) -> AsyncIterator[list[PostgresLedger]]:
    """As many writers as there would be with several servers."""
    url = url_of(Login.WORKER, bank.url, secret=secret)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(PostgresLedger(url, runner=pgproto.UUID(uuid4().bytes)))
            for _ in range(number)
        ]


async def total(bank: Bank, purse: PurseId) -> int:
    return await balance(bank, purse, "total")


async def held(bank: Bank, purse: PurseId) -> int:
    return await balance(bank, purse, "held")


async def balance(bank: Bank, purse: PurseId, column: str) -> int:
    row = await bank.owner.fetchrow(
        "SELECT total, held FROM tallystick.balances WHERE account_id = $1 AND key_number = $2",
        purse.account_id,
        purse.key_number,
    )
    assert row is not None
    value: int = row[column]
    return value


async def verified(bank: Bank) -> Sequence[str]:
    report = await verify(bank.url)
    return [] if report.is_clean else report.lines()


def ended_with(text: str) -> AnswerEnd:
    return AnswerEnd(
        status=AnswerStatus.SUCCEEDED,
        text=text,
        finish_reason=FinishReason.STOP,
        failure=None,
        attempts=(),
    )
