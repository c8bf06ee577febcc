"""What waits is taken once, by somebody who lives; what nobody will finish is let go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from domain.answers import AnswerBeginning, AnswerStatus
from domain.ledger import Once
from domain.running import Run
from domain.units import AnswerId, KeyNumber, Microcredits, PriceId
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.runners import PostgresRunners
from tests.domain.runs import run_of
from tests.persistence.bank import MODEL, Bank, Customer
from tests.persistence.programs import make_program

LASTS_FOR = """
SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM tallystick.holds WHERE moment = $1
"""
RUN_OUT = "UPDATE tallystick.holds SET expires_at = clock_timestamp() WHERE moment = $1"
KEPT = "SELECT moment FROM tallystick.waiting_questions ORDER BY moment"
PUT = "INSERT INTO tallystick.waiting_questions VALUES ($1, $2, 0, 'a question')"
LONG_AGO = "UPDATE tallystick.runners SET lease_until = clock_timestamp() - interval '1 second'"
OF_A_RUNNER = "UPDATE tallystick.holds SET runner = $2 WHERE moment = $1"
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Office:
    """Two processes on one database, and somebody whose questions they answer."""

    bank: Bank
    one: PostgresRunners
    other: PostgresRunners
    customer: Customer

    async def accepted(
        self,
        *,
        status: AnswerStatus = AnswerStatus.QUEUED,
        lasts_seconds: int = 60,
        key: KeyNumber | None = None,
    ) -> Run:
        """An answer that waits, or that a third process runs; its question is not kept yet."""
        beginning = AnswerBeginning(
            model_id=MODEL.id, price_id=PriceId(1), answer_tokens_max=77, status=status
        )
        if key is not None:
            beginning = replace(beginning, api_key_number=key)
        taken = await self.bank.ledger.hold(
            self.customer.purse,
            Microcredits(9),
            Once.of("askAI", str(uuid4())),
            lasts_seconds=lasts_seconds,
            beginning=beginning,
        )
        answer_id = AnswerId(taken.hold_id.purse, taken.hold_id.moment)
        return replace(run_of(1), answer_id=answer_id)

    async def waiting(self, *, lasts_seconds: int = 60, key: KeyNumber | None = None) -> Run:
        run = await self.accepted(lasts_seconds=lasts_seconds, key=key)
        await self.one.keep(run)
        return run

    async def claimed(self) -> Run:
        """An answer that the one process runs."""
        waiting = await self.waiting()
        [run] = await self.one.claim(1, lasts_seconds=SECONDS)
        assert run.answer_id == waiting.answer_id
        return run

    async def kept(self) -> list[int]:
        """The moments of the answers whose questions are kept."""
        return [row["moment"] for row in await self.bank.owner.fetch(KEPT)]

    async def lasts_for(self, run: Run) -> float:
        """How many seconds its hold still lives."""
        seconds = await self.bank.owner.fetchval(LASTS_FOR, run.answer_id.moment)
        return float(seconds)

    async def run_out(self, run: Run) -> None:
        await self.bank.owner.execute(RUN_OUT, run.answer_id.moment)

    async def end(self, run: Run) -> None:
        await self.bank.ledger.release(run.answer_id.hold_id)


@pytest.fixture
async def office(bank: Bank) -> AsyncIterator[Office]:
    url = url_of(Login.WORKER, bank.url, secret=bank.secret)
    async with pool_of(Login.WORKER, url, connections_max=4) as pool:
        one, other = PostgresRunners(pool, uuid4()), PostgresRunners(pool, uuid4())
        yield Office(bank, one, other, await bank.customer(1_000))


def names(runs: Sequence[Run]) -> list[AnswerId]:
    return [run.answer_id for run in runs]


async def test_who_waited_longest_is_taken_first_with_all_it_takes_to_run_it(
    office: Office,
) -> None:
    program = await make_program(office.bank, office.customer)
    waiting = [await office.waiting(key=program.id.number) for _ in range(3)]

    first = list(await office.one.claim(2, lasts_seconds=SECONDS))
    second = list(await office.other.claim(2, lasts_seconds=SECONDS))

    assert names(first + second) == names(waiting)
    assert len(first) == 2
    assert first[0].question.messages == waiting[0].question.messages
    assert (first[0].held, first[0].answer_tokens_max) == (9, 77)
    assert first[0].api_key_number == program.id.number
    assert first[0].model.price.id == 1
    assert await office.lasts_for(first[0]) > SECONDS - 60
    assert await office.kept() == []


async def test_claims_at_once_take_each_answer_once(office: Office) -> None:
    waiting = [await office.waiting() for _ in range(12)]

    claims = await asyncio.gather(
        *(runners.claim(3, lasts_seconds=SECONDS) for runners in (office.one, office.other) * 4)
    )

    taken = [run.answer_id for claim in claims for run in claim]
    assert len(taken) == len(set(taken))
    rest = await office.one.claim(12, lasts_seconds=SECONDS)
    assert sorted([*taken, *names(rest)]) == names(waiting)


async def test_what_is_over_ended_or_run_already_is_not_taken(office: Office) -> None:
    over = await office.waiting()
    await office.run_out(over)
    ended = await office.waiting()
    await office.end(ended)
    running = await office.accepted(status=AnswerStatus.RUNNING)
    await office.bank.owner.execute(PUT, office.customer.account_id, running.answer_id.moment)
    waiting = await office.waiting()

    claimed = list(await office.one.claim(9, lasts_seconds=SECONDS))

    assert names(claimed) == [waiting.answer_id]


@pytest.mark.parametrize("table", ["holds", "waiting_questions"])
async def test_what_somebody_works_on_is_passed_over(office: Office, table: str) -> None:
    waiting = [await office.waiting() for _ in range(2)]

    async with office.bank.owner.acquire() as busy, busy.transaction():
        await busy.execute(
            f"SELECT FROM tallystick.{table} WHERE moment = $1 FOR UPDATE",
            waiting[0].answer_id.moment,
        )
        claiming = office.one.claim(9, lasts_seconds=SECONDS)
        claimed = await asyncio.wait_for(claiming, 5)

    assert names(claimed) == [waiting[1].answer_id]


async def test_what_is_just_being_taken_is_neither_withdrawn_nor_kept_again(
    office: Office,
) -> None:
    waiting = await office.waiting()

    async with office.bank.owner.acquire() as taking:
        async with taking.transaction():
            await taking.execute("SELECT tallystick.claim_answers($1, 9, 60)", office.other.runner)
            withdrawing = asyncio.create_task(office.one.withdraw(waiting.answer_id))
            keeping = asyncio.create_task(office.one.keep(waiting))
            await asyncio.sleep(0.1)

        assert await withdrawing is False
        await keeping
    assert await office.kept() == []


async def test_a_question_is_kept_only_while_its_answer_waits(office: Office) -> None:
    running = await office.accepted(status=AnswerStatus.RUNNING)
    ended = await office.accepted()
    await office.end(ended)
    waiting = await office.accepted()

    for run in (running, ended, waiting, waiting):
        await office.one.keep(run)

    assert await office.kept() == [waiting.answer_id.moment]


async def test_who_runs_an_answer_can_hand_it_back_and_nobody_else(office: Office) -> None:
    run = await office.claimed()

    by_another = await office.other.hand_back(run, lasts_seconds=2 * SECONDS)
    by_itself = await office.one.hand_back(run, lasts_seconds=2 * SECONDS)
    once_more = await office.one.hand_back(run, lasts_seconds=2 * SECONDS)

    assert (by_another, by_itself, once_more) == (False, True, False)
    assert await office.lasts_for(run) > SECONDS
    [again] = await office.other.claim(9, lasts_seconds=SECONDS)
    assert again == run


async def test_what_ended_or_is_over_is_not_handed_back(office: Office) -> None:
    ended, over = await office.claimed(), await office.claimed()
    await office.end(ended)
    await office.run_out(over)

    handed_back = [await office.one.hand_back(run, lasts_seconds=60) for run in (ended, over)]

    assert handed_back == [False, False]
    assert await office.kept() == []


async def test_only_what_waits_is_withdrawn_and_nobody_takes_it_then(office: Office) -> None:
    running, ended, waiting = await office.claimed(), await office.waiting(), await office.waiting()
    await office.end(ended)

    withdrawn = [await office.other.withdraw(run.answer_id) for run in (running, ended, waiting)]

    assert withdrawn == [False, False, True]
    assert await office.kept() == [ended.answer_id.moment]


async def test_answers_of_a_runner_that_died_are_given_up_and_of_one_that_lives_are_not(
    office: Office,
) -> None:
    lost = await office.claimed()
    await office.one.renew(60)
    await office.bank.owner.execute(LONG_AGO)
    lives = await office.waiting()
    await office.other.renew(60)
    await office.other.claim(1, lasts_seconds=SECONDS)
    bare = await office.bank.ledger.hold(
        office.customer.purse, Microcredits(9), Once.of("hold", "1"), lasts_seconds=60
    )
    await office.bank.owner.execute(OF_A_RUNNER, bare.hold_id.moment, office.one.runner)

    assert await office.other.give_up_lost(15) == 1

    assert await office.lasts_for(lost) <= 0
    assert await office.lasts_for(lives) > SECONDS - 60
    assert await office.bank.owner.fetchval(LASTS_FOR, bare.hold_id.moment) > 0


async def test_who_gives_a_lease_up_is_found_dead_at_once(office: Office) -> None:
    run = await office.claimed()
    await office.one.renew(60)
    alive = await office.other.give_up_lost(15)
    await office.one.renew(60)

    await office.one.end()

    assert (alive, await office.other.give_up_lost(15)) == (0, 1)
    assert await office.lasts_for(run) <= 0


async def test_a_lease_that_is_renewed_is_held_on(office: Office) -> None:
    await office.claimed()
    await office.one.renew(0)
    await office.one.renew(60)

    assert await office.other.give_up_lost(15) == 0


async def test_of_answers_that_wait_those_are_given_up_whose_question_is_long_lost(
    office: Office,
) -> None:
    with_question = await office.waiting()
    lost = await office.accepted()

    too_early = await office.one.give_up_lost(60)
    given_up = await office.one.give_up_lost(0)

    assert (too_early, given_up) == (0, 1)
    assert await office.lasts_for(lost) <= 0
    assert await office.lasts_for(with_question) > 0
    assert await office.kept() == [with_question.answer_id.moment]


async def test_what_has_no_use_any_more_is_cleared_away(office: Office) -> None:
    running, over = await office.claimed(), await office.claimed()
    ended, waiting = await office.waiting(), await office.waiting()
    await office.bank.owner.execute(PUT, office.customer.account_id, running.answer_id.moment)
    for run in (running, over):
        await office.other.request(run.answer_id)
    for run in (over, ended):
        await office.end(run)

    await office.one.give_up_lost(60)

    assert await office.kept() == [waiting.answer_id.moment]
    assert await office.one.renew(60) == [running.answer_id]


async def test_who_runs_an_answer_hears_once_that_it_is_unwanted(office: Office) -> None:
    unwanted, ended, waiting = (
        await office.claimed(), await office.claimed(), await office.waiting(),
    )  # fmt: skip
    await office.end(ended)

    for run in (unwanted, unwanted, ended, waiting):
        await office.other.request(run.answer_id)

    heard = [await runners.renew(60) for runners in (office.other, office.one, office.one)]
    assert heard == [[], [unwanted.answer_id], []]
