"""A key never spends more than its budget within a period, however many calls race for the rest."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from asyncpg.pgproto import pgproto

from domain.answers import AnswerBeginning, UsageOutcome
from domain.budgets import BudgetPeriod, BudgetTerms
from domain.errors import BudgetExceeded, InsufficientCredits, ProblemCode
from domain.keys import KeyChange, KeyFunding
from domain.ledger import HoldTaken, Once
from domain.reporting import PageRequest, UsageFilter
from domain.units import Microcredits, Moment, PriceId
from persistence.ledger import PostgresLedger
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, GIVEN_UP, MODEL, Bank, Customer
from tests.persistence.company import Company, Way
from tests.persistence.programs import Program, make_program

BUDGET = "SELECT held, charged FROM tallystick.key_budgets WHERE key_number = $1"
UNTIL_MIDNIGHT = """
UPDATE tallystick.balances b SET moment = k.period_end - 2
  FROM tallystick.key_budgets k WHERE k.account_id = b.account_id RETURNING k.period_end
"""
"""A hold that ends next ends in the period's last microsecond; its record is in the next one."""
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def moment_of(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


async def used(bank: Bank, program: Program) -> tuple[int, int]:
    """What a key's budget says is held and charged."""
    row = await bank.owner.fetchrow(BUDGET, program.id.number)
    assert row is not None
    return row["held"], row["charged"]


async def company(bank: Bank, way: Way) -> Company:
    return Company(bank, way, await bank.customer(1_000))


@pytest.mark.parametrize("way", Way)
async def test_a_hold_counts_and_its_end_gives_back_what_was_not_charged(
    bank: Bank, way: Way
) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100)
    others = await company(bank, way)

    first = await others.send(bank.ask(program.purse, 60, key=program.id.number))
    while_held = await used(bank, program)
    await others.send(bank.ledger.capture(first.hold_id, Microcredits(20), ANSWERED))
    after_charge = await used(bank, program)
    second = await others.send(bank.ask(program.purse, 80, key=program.id.number))
    await others.send(bank.ledger.release(second.hold_id, GIVEN_UP))

    assert (while_held, after_charge) == ((60, 0), (0, 20))
    assert await used(bank, program) == (0, 20)
    assert await _differences(bank) == []


@pytest.mark.parametrize("way", Way)
async def test_what_the_budget_does_not_cover_is_refused_and_recorded(bank: Bank, way: Way) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100)
    others = await company(bank, way)
    await others.send(bank.ask(program.purse, 60, key=program.id.number))

    with pytest.raises(BudgetExceeded) as refused:
        await others.send(bank.ask(program.purse, 41, key=program.id.number))
    await others.send(bank.ask(program.purse, 40, key=program.id.number))

    page = await bank.books.usage_page(program.reader, UsageFilter(), PageRequest())
    balances = await bank.books.balances(customer.reader, [customer.purse])
    assert refused.value.required == 41
    assert [(record.outcome, record.problem_code) for record in page.items] == [
        (UsageOutcome.REFUSED, ProblemCode.BUDGET_EXCEEDED)
    ]
    assert await used(bank, program) == (100, 0)
    assert balances[customer.purse].held == 100
    assert await _differences(bank) == []


@pytest.mark.parametrize("way", Way)
async def test_a_call_the_balance_does_not_cover_leaves_the_budget_alone(
    bank: Bank, way: Way
) -> None:
    customer = await bank.customer(50)
    program = await make_program(bank, customer, budget=100)
    others = await company(bank, way)

    with pytest.raises(InsufficientCredits):
        await others.send(bank.ask(program.purse, 60, key=program.id.number))

    assert await used(bank, program) == (0, 0)
    assert await _differences(bank) == []


@pytest.mark.parametrize("way", Way)
async def test_a_repeated_call_finds_its_hold_though_the_budget_is_spent(
    bank: Bank, way: Way
) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=60)
    others = await company(bank, way)
    once = Once.of("askAI", "again")

    first = await others.send(_hold(bank.ledger, program, 60, once))
    again = await others.send(_hold(bank.ledger, program, 60, once))

    assert (again.hold_id, again.replayed) == (first.hold_id, True)
    assert await used(bank, program) == (60, 0)


async def test_an_expired_hold_gives_its_budget_back(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=60)
    taken = await bank.ask(program.purse, 60, lasts_seconds=0, key=program.id.number)

    await bank.ledger.expire(taken.hold_id)

    assert await used(bank, program) == (0, 0)


async def test_keys_without_a_budget_and_people_spend_what_there_is(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    limited = await make_program(bank, customer, budget=1)
    free = await make_program(bank, customer)

    await asyncio.gather(
        *(bank.answer(free.purse, 10, 1, key=free.id.number) for _ in range(20)),
        *(bank.answer(customer.purse, 10, 1) for _ in range(20)),
    )

    assert await used(bank, limited) == (0, 0)
    assert await _differences(bank) == []


@pytest.mark.parametrize("funding", KeyFunding)
async def test_of_two_hundred_calls_at_once_only_those_go_through_that_are_paid_for(
    bank: Bank, funding: KeyFunding
) -> None:
    customer = await bank.customer(100_000)
    is_own = funding is KeyFunding.OWN
    program = await make_program(bank, customer, funding=funding, budget=None if is_own else 1_009)
    if is_own:
        await _fund(bank, customer, program, 1_009)
    ledgers = [bank.ledger, await _another_process(bank)]

    outcomes = await asyncio.gather(
        *(_hold(ledgers[number % 2], program, 100) for number in range(200)),
        return_exceptions=True,
    )
    await ledgers[1].__aexit__(None, None, None)

    refusal = InsufficientCredits if is_own else BudgetExceeded
    assert Counter(type(outcome) for outcome in outcomes) == {HoldTaken: 10, refusal: 190}
    assert await _differences(bank) == []


async def test_a_budget_that_is_set_counts_what_was_used_before(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer)
    await bank.answer(program.purse, 100, 40, key=program.id.number)
    await bank.answer(customer.purse, 100, 30)
    await bank.ask(program.purse, 25, key=program.id.number)

    for period in BudgetPeriod:
        await _set_budget(bank, customer, program, 70, period)

        assert await used(bank, program) == (25, 40)
        with pytest.raises(BudgetExceeded):
            await bank.ask(program.purse, 6, key=program.id.number)
    await bank.ask(program.purse, 5, key=program.id.number)
    await _set_budget(bank, customer, program, 10, BudgetPeriod.DAY)
    with pytest.raises(BudgetExceeded):
        await bank.ask(program.purse, 1, key=program.id.number)
    await bank.key_ring.update(customer.session_id, program.id.number, KeyChange(budget=None))
    await bank.ask(program.purse, 500, key=program.id.number)
    assert await _differences(bank) == []


async def test_a_budget_that_is_set_counts_this_period_only(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=None)
    await bank.answer(program.purse, 100, 40, key=program.id.number)
    await bank.owner.execute("UPDATE tallystick.usage_hours SET hour = hour - interval '40 days'")
    await bank.answer(program.purse, 100, 7, key=program.id.number)

    counted = []
    for period in (BudgetPeriod.MONTH, BudgetPeriod.LIFETIME):
        await _set_budget(bank, customer, program, 500, period)
        counted.append(await used(bank, program))

    assert counted == [(0, 7), (0, 47)]


async def test_budgets_are_right_whatever_races_with_whatever(bank: Bank) -> None:
    customer = await bank.customer(100_000)
    programs = [await make_program(bank, customer, budget=2_000) for _ in range(3)]
    ledgers = [bank.ledger, await _another_process(bank)]
    chance = random.Random(7)  # noqa: S311 - a test that can be repeated

    async def call(number: int) -> None:
        program, ledger = chance.choice(programs), ledgers[number % 2]
        try:
            taken = await _hold(ledger, program, chance.randint(1, 200))
        except BudgetExceeded:
            return
        match chance.randint(0, 3):
            case 0:
                await ledger.release(taken.hold_id, GIVEN_UP)
            case 1:
                await ledger.capture(taken.hold_id, Microcredits(0))
            case 2:
                pass
            case _:
                cost = chance.randint(1, taken.amount)
                await ledger.capture(taken.hold_id, Microcredits(cost), ANSWERED)

    async def change() -> None:
        terms = (chance.randint(500, 3_000), chance.choice(list(BudgetPeriod)))
        await _set_budget(bank, customer, chance.choice(programs), *terms)

    await asyncio.gather(*(call(number) for number in range(400)), *(change() for _ in range(20)))
    await ledgers[1].__aexit__(None, None, None)

    assert await _differences(bank) == []


BEGINNINGS = {
    BudgetPeriod.DAY: datetime(2026, 2, 28, tzinfo=UTC),
    BudgetPeriod.WEEK: datetime(2026, 2, 23, tzinfo=UTC),
    BudgetPeriod.MONTH: datetime(2026, 2, 1, tzinfo=UTC),
}
"""Of the periods that hold the last microsecond of a February that ends on a Saturday."""

ENDS = {
    BudgetPeriod.DAY: datetime(2026, 3, 1, tzinfo=UTC),
    BudgetPeriod.WEEK: datetime(2026, 3, 2, tzinfo=UTC),
    BudgetPeriod.MONTH: datetime(2026, 3, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("period", BEGINNINGS)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
async def test_a_period_begins_and_ends_at_midnight_utc(
    bank: Bank, period: BudgetPeriod, zone: str
) -> None:
    last = moment_of(MIDNIGHT) - 1

    async with bank.owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('timezone', $1, true)", zone)
        row = await connection.fetchrow(
            "SELECT tallystick.budget_period_start($1, $2) AS start,"
            " tallystick.budget_period_end($1, $2) AS end",
            period,
            last,
        )

    assert row is not None
    assert row["start"] == moment_of(BEGINNINGS[period])
    assert row["end"] == moment_of(ENDS[period])


@pytest.mark.parametrize("period", BEGINNINGS)
async def test_a_period_rolls_over_at_its_last_microsecond_and_holds_roll_along(
    bank: Bank, period: BudgetPeriod
) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100, period=period)
    start, end = moment_of(BEGINNINGS[period]), moment_of(ENDS[period])
    await _be_at(bank, program, held=30, charged=60, start=start, end=end)

    too_much = await _take(bank, program, 11, end - 1)
    fits = await _take(bank, program, 10, end - 1)
    over_in_the_next = await _take(bank, program, 61, end)
    anew = await _take(bank, program, 60, end)

    assert (too_much, fits, over_in_the_next, anew) == (False, True, False, True)
    assert await used(bank, program) == (100, 0)


async def test_a_charge_counts_in_the_period_in_which_it_is_made(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100, period=BudgetPeriod.DAY)
    start, end = moment_of(BEGINNINGS[BudgetPeriod.DAY]), moment_of(ENDS[BudgetPeriod.DAY])
    await _be_at(bank, program, held=90, charged=10, start=start, end=end)

    await _return(bank, program, held=[30], charged=[20], moments=[end - 1])
    before = await used(bank, program)
    await _return(
        bank, program, held=[20, 20, 20], charged=[1, 2, 4], moments=[end - 1, end, end + 1]
    )

    assert before == (60, 30)
    assert await used(bank, program) == (0, 6)


@pytest.mark.parametrize("way", Way)
async def test_a_charge_counts_in_the_period_in_which_its_record_is_written(
    bank: Bank, way: Way
) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100, period=BudgetPeriod.DAY)
    others = await company(bank, way)
    taken = await others.send(bank.ask(program.purse, 60, key=program.id.number))
    midnight = await bank.owner.fetchval(UNTIL_MIDNIGHT)

    ended = await others.send(bank.ledger.capture(taken.hold_id, Microcredits(20), ANSWERED))
    await others.send(bank.ask(program.purse, 80, key=program.id.number))

    assert ended.ended_at == midnight - 1
    assert await used(bank, program) == (80, 20)
    assert await _differences(bank) == []


async def test_periods_in_which_nothing_happened_are_passed_over(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100, period=BudgetPeriod.WEEK)
    start, end = moment_of(BEGINNINGS[BudgetPeriod.WEEK]), moment_of(ENDS[BudgetPeriod.WEEK])
    await _be_at(bank, program, held=0, charged=100, start=start, end=end)
    later = moment_of(ENDS[BudgetPeriod.WEEK] + 50 * DAY)

    assert await _take(bank, program, 100, later)

    row = await bank.owner.fetchrow("SELECT * FROM tallystick.key_budgets")
    assert row is not None
    assert (row["period_start"], row["period_end"]) == (
        moment_of(ENDS[BudgetPeriod.WEEK] + 49 * DAY),
        moment_of(ENDS[BudgetPeriod.WEEK] + 56 * DAY),
    )


async def test_a_lifetime_never_ends(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=100, period=BudgetPeriod.LIFETIME)
    await bank.answer(program.purse, 100, 70, key=program.id.number)

    assert not await _take(bank, program, 31, Moment(2**62))
    assert await _take(bank, program, 30, Moment(2**62))


async def _hold(
    ledger: PostgresLedger, program: Program, amount: int, once: Once | None = None
) -> HoldTaken:
    return await ledger.hold(
        program.purse,
        Microcredits(amount),
        once or Once.of("askAI", str(uuid4())),
        lasts_seconds=60,
        beginning=AnswerBeginning(
            model_id=MODEL.id,
            price_id=PriceId(1),
            answer_tokens_max=10,
            api_key_number=program.id.number,
        ),
    )


async def _another_process(bank: Bank) -> PostgresLedger:
    """A second writer, as another process has."""
    url = url_of(Login.WORKER, bank.url, secret=bank.secret)
    return PostgresLedger(url, runner=pgproto.UUID(UUID(int=2).bytes))


async def _fund(bank: Bank, customer: Customer, program: Program, amount: int) -> None:
    once = Once.of("fundApiKey", str(uuid4()))
    await bank.key_ring.fund(customer.session_id, program.id, Microcredits(amount), once)


async def _set_budget(
    bank: Bank, customer: Customer, program: Program, limit: int, period: BudgetPeriod
) -> None:
    change = KeyChange(budget=BudgetTerms(Microcredits(limit), period))
    await bank.key_ring.update(customer.session_id, program.id.number, change)


async def _be_at(
    bank: Bank, program: Program, *, held: int, charged: int, start: int, end: int
) -> None:
    """Put a budget into another time."""
    await bank.owner.execute(
        "UPDATE tallystick.key_budgets SET held = $2, charged = $3, period_start = $4,"
        " period_end = $5 WHERE key_number = $1",
        program.id.number,
        held,
        charged,
        start,
        end,
    )


async def _take(bank: Bank, program: Program, amount: int, moment: int) -> bool:
    taken: bool = await bank.owner.fetchval(
        "SELECT tallystick.take_budgets($1, $2, $3, $4)",
        [program.id.account_id],
        [program.id.number],
        [amount],
        [moment],
    )
    return taken


async def _return(
    bank: Bank, program: Program, *, held: list[int], charged: list[int], moments: list[int]
) -> None:
    await bank.owner.execute(
        "SELECT tallystick.return_budgets($1, $2, $3, $4, $5)",
        [program.id.account_id] * len(held),
        [program.id.number] * len(held),
        held,
        charged,
        moments,
    )


async def _differences(bank: Bank) -> list[str]:
    report = await verify(bank.url)
    return [] if report.is_clean else list(report.lines())
