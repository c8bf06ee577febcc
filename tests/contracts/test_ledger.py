"""What every keeper of holds promises, kept on each way an operation can take to the database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.answers import (
    AnswerBeginning,
    AnswerEnd,
    AnswerStatus,
    AttemptEnd,
    FinishReason,
    UsageOutcome,
)
from domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    NotFound,
    ProblemCode,
    ProviderFailure,
    StateConflict,
)
from domain.keys import KeyFunding
from domain.ledger import Credit, Debit, EntryKind, HoldTaken, Once
from domain.units import (
    MICROCREDITS_MAX,
    AccountId,
    HoldId,
    KeyNumber,
    Microcredits,
    Moment,
    PriceId,
    PurseId,
)
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, MODEL, Bank, Customer, open_bank
from tests.persistence.company import Company, Way
from tests.persistence.programs import make_program

ONCE = Once.of("askAI", "the key", "the question")
ANOTHER = Once.of("askAI", "another key", "the question")
SET_BACK = """
UPDATE tallystick.balances SET moment = moment + 3600000000 WHERE account_id = $1 RETURNING moment
"""
"""What is known of a purse is an hour ahead of the clock from now on."""

BEGINNING = AnswerBeginning(model_id=MODEL.id, price_id=PriceId(1), answer_tokens_max=100)
FAULT = ProblemCode.PROVIDER_FAILED
FAILED_ATTEMPT = AttemptEnd(
    attempt=1,
    outcome=UsageOutcome.FAILED,
    input_tokens=7,
    cached_input_tokens=2,
    output_tokens=1,
    latency_ms=50,
    first_token_ms=5,
    problem_code=FAULT,
    provider_cost=17,
)
STOPPED_ATTEMPT = AttemptEnd(
    attempt=1,
    outcome=UsageOutcome.CANCELED,
    input_tokens=30,
    cached_input_tokens=10,
    output_tokens=20,
    is_estimated=True,
    latency_ms=700,
    first_token_ms=90,
    provider_cost=0,
)
STOPPED = AnswerEnd(
    status=AnswerStatus.CANCELED,
    text="half an answer",
    finish_reason=FinishReason.CANCELED,
    failure=None,
    attempts=(),
)
FIGURES = """
SELECT moment, key_number, api_key_number, price_id, model_id, attempt, outcome, input_tokens,
       cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms,
       problem_code, provider_cost
  FROM tallystick.usage_records WHERE account_id = $1 ORDER BY moment
"""
SUMMED_UP = """
SELECT api_key_number, attempts, succeeded, failed, canceled, input_tokens, cached_input_tokens,
       output_tokens, charged, latency_ms, first_token_ms, provider_cost
  FROM tallystick.usage_hours WHERE account_id = $1 ORDER BY api_key_number
"""


@pytest.fixture
async def bank(database_url: str, deployment_secret: str) -> AsyncIterator[Bank]:
    """A bank whose books are found right in the end, whatever the test did."""
    async with open_bank(database_url, deployment_secret) as bank:
        yield bank
        report = await verify(database_url)
        assert report.is_clean, report.lines()


@pytest.fixture(params=Way)
async def company(request: pytest.FixtureRequest, bank: Bank) -> Company:
    """Each test runs on every way."""
    neighbour = await bank.customer(1_000)
    return Company(bank, Way(request.param), neighbour)


@pytest.fixture
async def customer(bank: Bank) -> Customer:
    """Somebody with a hundred micro-credits."""
    return await bank.customer(100)


async def _hold(
    bank: Bank, company: Company, customer: Customer, amount: int, once: Once = ONCE
) -> HoldTaken:
    return await company.send(
        bank.ledger.hold(customer.purse, Microcredits(amount), once, lasts_seconds=60)
    )


async def _due_hold(bank: Bank, customer: Customer, amount: int) -> HoldTaken:
    return await bank.ledger.hold(customer.purse, Microcredits(amount), ONCE, lasts_seconds=0)


async def _numbers(bank: Bank, customer: Customer) -> tuple[int, int, int]:
    """Total, held and owed, as the database has them."""
    row = await bank.owner.fetchrow(
        "SELECT total, held, owed FROM tallystick.balances"
        " WHERE account_id = $1 AND key_number = 0",
        customer.account_id,
    )
    assert row is not None
    return row["total"], row["held"], row["owed"]


async def test_a_hold_sets_credits_aside(bank: Bank, company: Company, customer: Customer) -> None:
    taken = await _hold(bank, company, customer, 60)

    assert (taken.amount, taken.replayed) == (60, False)
    assert (taken.balance.total, taken.balance.held, taken.balance.available) == (100, 60, 40)
    assert taken.balance.changed_at == taken.hold_id.moment
    assert await _numbers(bank, customer) == (100, 60, 0)


async def test_a_capture_charges_the_cost_and_gives_the_rest_back(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await _hold(bank, company, customer, 60)

    ended = await company.send(bank.ledger.capture(taken.hold_id, Microcredits(45)))

    assert (ended.charged, ended.replayed) == (45, False)
    assert (ended.balance.total, ended.balance.held, ended.balance.available) == (55, 0, 55)
    assert ended.ended_at > taken.hold_id.moment
    assert await _numbers(bank, customer) == (55, 0, 0)


async def test_a_capture_never_charges_more_than_was_held(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await _hold(bank, company, customer, 60)

    ended = await company.send(bank.ledger.capture(taken.hold_id, Microcredits(61)))

    assert (ended.charged, ended.balance.total, ended.balance.held) == (60, 40, 0)


async def test_a_free_answer_is_captured_without_an_entry(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await _hold(bank, company, customer, 60)

    ended = await company.send(bank.ledger.capture(taken.hold_id, Microcredits(0)))

    assert (ended.charged, ended.balance.total, ended.balance.held) == (0, 100, 0)
    entries = await bank.owner.fetchval(
        "SELECT count(*) FROM tallystick.entries WHERE account_id = $1", customer.account_id
    )
    assert entries == 1


async def test_a_release_gives_everything_back(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await _hold(bank, company, customer, 60)

    ended = await company.send(bank.ledger.release(taken.hold_id))

    assert (ended.charged, ended.balance.total, ended.balance.held) == (0, 100, 0)


async def test_only_a_hold_whose_time_is_over_expires(
    bank: Bank, company: Company, customer: Customer
) -> None:
    lasting = await _hold(bank, company, customer, 60, ANOTHER)
    due = await _due_hold(bank, customer, 30)

    with pytest.raises(StateConflict):
        await company.send(bank.ledger.expire(lasting.hold_id))
    ended = await company.send(bank.ledger.expire(due.hold_id))

    assert (ended.charged, ended.balance.held) == (0, 60)


async def test_a_hold_that_is_due_can_still_be_captured(
    bank: Bank, company: Company, customer: Customer
) -> None:
    due = await _due_hold(bank, customer, 30)

    ended = await company.send(bank.ledger.capture(due.hold_id, Microcredits(20)))

    assert (ended.charged, ended.balance.total, ended.balance.held) == (20, 80, 0)


async def test_ending_a_hold_the_same_way_again_tells_the_first_end(
    bank: Bank, company: Company, customer: Customer
) -> None:
    captured = await _hold(bank, company, customer, 60)
    released = await _hold(bank, company, customer, 10, ANOTHER)
    first_capture = await company.send(bank.ledger.capture(captured.hold_id, Microcredits(45)))
    first_release = await company.send(bank.ledger.release(released.hold_id))

    capture = await company.send(bank.ledger.capture(captured.hold_id, Microcredits(45)))
    release = await company.send(bank.ledger.release(released.hold_id))

    assert (capture.replayed, capture.charged) == (True, 45)
    assert capture.ended_at == first_capture.ended_at
    assert (release.replayed, release.charged) == (True, 0)
    assert release.ended_at == first_release.ended_at
    assert await _numbers(bank, customer) == (55, 0, 0)


async def test_a_hold_that_ended_does_not_end_another_way(
    bank: Bank, company: Company, customer: Customer
) -> None:
    captured = await _hold(bank, company, customer, 60)
    await company.send(bank.ledger.capture(captured.hold_id, Microcredits(45)))

    with pytest.raises(StateConflict):
        await company.send(bank.ledger.capture(captured.hold_id, Microcredits(44)))
    with pytest.raises(StateConflict):
        await company.send(bank.ledger.release(captured.hold_id))
    with pytest.raises(StateConflict):
        await company.send(bank.ledger.expire(captured.hold_id))
    assert await _numbers(bank, customer) == (55, 0, 0)


async def test_a_hold_that_expired_charges_nothing_any_more(
    bank: Bank, company: Company, customer: Customer
) -> None:
    due = await _due_hold(bank, customer, 30)
    await bank.ledger.expire(due.hold_id)

    with pytest.raises(StateConflict):
        await company.send(bank.ledger.capture(due.hold_id, Microcredits(20)))
    assert await _numbers(bank, customer) == (100, 0, 0)


async def test_what_was_never_held_does_not_end(
    bank: Bank, company: Company, customer: Customer
) -> None:
    never_held = HoldId(customer.purse, Moment(7))

    with pytest.raises(StateConflict):
        await company.send(bank.ledger.capture(never_held, Microcredits(1)))
    with pytest.raises(StateConflict):
        await company.send(bank.ledger.release(never_held))


async def test_a_hold_ends_only_under_its_own_purse(
    bank: Bank, company: Company, customer: Customer
) -> None:
    await bank.postings.open(customer.account_id, KeyNumber(1))
    taken = await _hold(bank, company, customer, 60)

    with pytest.raises(StateConflict):
        await company.send(bank.ledger.release(HoldId(customer.key_purse, taken.hold_id.moment)))
    assert await _numbers(bank, customer) == (100, 60, 0)


async def test_the_same_key_leads_to_the_first_hold(
    bank: Bank, company: Company, customer: Customer
) -> None:
    first = await _hold(bank, company, customer, 60)

    second = await _hold(bank, company, customer, 60)

    assert (second.hold_id, second.amount, second.replayed) == (first.hold_id, 60, True)
    assert await _numbers(bank, customer) == (100, 60, 0)


async def test_the_same_key_with_other_input_is_refused(
    bank: Bank, company: Company, customer: Customer
) -> None:
    await _hold(bank, company, customer, 10)

    with pytest.raises(IdempotencyKeyReused):
        await _hold(bank, company, customer, 10, Once.of("askAI", "the key", "another question"))
    assert await _numbers(bank, customer) == (100, 10, 0)


async def test_a_repeated_hold_is_told_when_no_credits_are_left_for_another(
    bank: Bank, company: Company, customer: Customer
) -> None:
    first = await _hold(bank, company, customer, 60)
    await _hold(bank, company, customer, 40, ANOTHER)

    again = await _hold(bank, company, customer, 60)

    assert (again.hold_id, again.replayed) == (first.hold_id, True)


async def test_a_key_is_one_for_all_purses_of_an_account(
    bank: Bank, company: Company, customer: Customer
) -> None:
    await bank.postings.open(customer.account_id, KeyNumber(1))
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(50))
    await bank.postings.grant(customer.key_purse, credit, Once.of("grant", "key"))
    await _hold(bank, company, customer, 10)

    with pytest.raises(IdempotencyKeyReused):
        await company.send(
            bank.ledger.hold(customer.key_purse, Microcredits(10), ONCE, lasts_seconds=60)
        )


async def test_other_accounts_have_keys_of_their_own(
    bank: Bank, company: Company, customer: Customer
) -> None:
    other = await bank.customer(100)
    await _hold(bank, company, customer, 10)

    taken = await _hold(bank, company, other, 20)

    assert (taken.amount, taken.replayed) == (20, False)


async def test_more_than_is_available_is_refused(
    bank: Bank, company: Company, customer: Customer
) -> None:
    await _hold(bank, company, customer, 60)

    with pytest.raises(InsufficientCredits) as refusal:
        await _hold(bank, company, customer, 41, ANOTHER)

    assert (refusal.value.required, refusal.value.available) == (41, 40)
    assert await _numbers(bank, customer) == (100, 60, 0)


async def test_a_refused_key_may_be_tried_again(
    bank: Bank, company: Company, customer: Customer
) -> None:
    with pytest.raises(InsufficientCredits):
        await _hold(bank, company, customer, 101)
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(1))
    await bank.postings.grant(customer.purse, credit, Once.of("grant", "key"))

    taken = await _hold(bank, company, customer, 101)

    assert (taken.amount, taken.replayed) == (101, False)


async def test_the_largest_amount_is_just_too_much(
    bank: Bank, company: Company, customer: Customer
) -> None:
    with pytest.raises(InsufficientCredits) as refusal:
        await _hold(bank, company, customer, MICROCREDITS_MAX)

    assert refusal.value.required == MICROCREDITS_MAX


async def test_nobody_holds_from_a_purse_that_does_not_exist(bank: Bank, company: Company) -> None:
    nobody = PurseId(AccountId(5))

    with pytest.raises(NotFound):
        await company.send(bank.ledger.hold(nobody, Microcredits(1), ONCE, lasts_seconds=60))


async def test_credits_that_lapsed_are_not_held(
    bank: Bank, company: Company, customer: Customer
) -> None:
    await bank.owner.execute(
        "WITH lapsed AS (UPDATE tallystick.lots SET expires_at = now() WHERE account_id = $1)"
        " UPDATE tallystick.balances SET next_expiry = now() WHERE account_id = $1",
        customer.account_id,
    )

    with pytest.raises(InsufficientCredits) as refusal:
        await _hold(bank, company, customer, 1)

    assert refusal.value.available == 0
    assert await _numbers(bank, customer) == (0, 0, 0)


async def test_what_is_owed_is_repaid_before_anything_is_held(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await _hold(bank, company, customer, 60)
    taking_back = Debit(kind=EntryKind.CHARGEBACK, amount=Microcredits(50), may_owe=True)
    await bank.postings.debit(customer.purse, taking_back, Once.of("debit", "key"))
    await company.send(bank.ledger.release(taken.hold_id))

    with pytest.raises(InsufficientCredits) as refusal:
        await _hold(bank, company, customer, 51, ANOTHER)

    assert refusal.value.available == 50
    assert await _numbers(bank, customer) == (50, 0, 0)


async def test_an_answer_is_kept_with_its_attempts_when_its_hold_ends(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await company.send(
        bank.ledger.hold(
            customer.purse, Microcredits(60), ONCE, lasts_seconds=60, beginning=BEGINNING
        )
    )
    failed = AttemptEnd(
        attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
    )
    delivered = AttemptEnd(
        attempt=2, outcome=UsageOutcome.SUCCEEDED, input_tokens=3, output_tokens=5, latency_ms=70
    )
    end = AnswerEnd(
        status=AnswerStatus.SUCCEEDED,
        text="an answer",
        finish_reason=None,
        failure=None,
        attempts=(failed, delivered),
    )

    ended = await company.send(bank.ledger.capture(taken.hold_id, Microcredits(45), end))

    records = await bank.owner.fetch(
        "SELECT moment, outcome, charged FROM tallystick.usage_records"
        " WHERE account_id = $1 ORDER BY moment",
        customer.account_id,
    )
    assert [tuple(record) for record in records] == [
        (ended.ended_at + 1, "FAILED", 0),
        (ended.ended_at + 2, "SUCCEEDED", 45),
    ]
    answer = await bank.owner.fetchrow(
        "SELECT status, text, charged FROM tallystick.answers WHERE account_id = $1",
        customer.account_id,
    )
    assert answer is not None
    assert tuple(answer) == ("SUCCEEDED", "an answer", 45)


async def test_every_figure_of_every_attempt_is_kept_once_however_often_its_end_is_told(
    bank: Bank, company: Company, customer: Customer
) -> None:
    own = await make_program(bank, customer, funding=KeyFunding.OWN)
    shared = await make_program(bank, customer)
    await bank.key_ring.fund(
        customer.session_id, own.id, Microcredits(50), Once.of("fundApiKey", "1")
    )
    ended = []
    for number, (program, cost, end) in enumerate(
        (
            (own, 11, replace(STOPPED, attempts=(STOPPED_ATTEMPT,))),
            (
                own,
                11,
                replace(STOPPED, attempts=(FAILED_ATTEMPT, replace(STOPPED_ATTEMPT, attempt=2))),
            ),
            (shared, 9, ANSWERED),
            (shared, 9, ANSWERED),
        )
    ):
        beginning = replace(BEGINNING, api_key_number=program.id.number)
        once = Once.of("askAI", f"key {number}")
        taken = await company.send(
            bank.ledger.hold(
                program.purse, Microcredits(9), once, lasts_seconds=60, beginning=beginning
            )
        )
        ended += [
            await company.send(bank.ledger.capture(taken.hold_id, Microcredits(cost), end))
            for _ in range(2)
        ]

    assert [each.replayed for each in ended] == [False, True] * 4
    kept = await bank.owner.fetch(FIGURES, customer.account_id)
    moments = [
        row["moment"] - each.ended_at for row, each in zip(kept[2:], ended[2::2], strict=True)
    ]
    assert [kept[0]["moment"] - ended[0].ended_at, *moments] == [1, 2, 1, 1]
    assert [tuple(row)[1:] for row in kept] == [
        (1, 1, 1, "small", 1, "CANCELED", 30, 10, 20, True, 9, 700, 90, None, 0),
        (1, 1, 1, "small", 1, "FAILED", 7, 2, 1, False, 0, 50, 5, FAULT, 17),
        (1, 1, 1, "small", 2, "CANCELED", 30, 10, 20, True, 9, 700, 90, None, 0),
        *[(0, 2, 1, "small", 1, "SUCCEEDED", 30, 10, 20, False, 9, 700, 90, None, 17)] * 2,
    ]
    hours = await bank.owner.fetch(SUMMED_UP, customer.account_id)
    assert [tuple(hour) for hour in hours] == [
        (1, 3, 0, 1, 2, 67, 22, 41, 18, 0, 0, 17),
        (2, 2, 2, 0, 0, 60, 20, 40, 18, 1_400, 180, 34),
    ]
    texts = await bank.owner.fetch(
        "SELECT key_number, text FROM tallystick.answer_texts ORDER BY moment"
    )
    assert [tuple(row) for row in texts] == [(1, "half an answer")] * 2 + [(0, "an answer")] * 2


async def test_an_answer_that_waits_is_nobodys_and_one_that_runs_is_somebodys(
    bank: Bank, company: Company, customer: Customer
) -> None:
    waiting = replace(BEGINNING, status=AnswerStatus.QUEUED)

    for once, beginning in ((ONCE, waiting), (ANOTHER, BEGINNING)):
        await company.send(
            bank.ledger.hold(
                customer.purse, Microcredits(10), once, lasts_seconds=60, beginning=beginning
            )
        )

    rows = await bank.owner.fetch(
        "SELECT status, runner IS NULL FROM tallystick.answers WHERE account_id = $1"
        " ORDER BY moment",
        customer.account_id,
    )
    assert [tuple(row) for row in rows] == [("QUEUED", True), ("RUNNING", False)]


async def test_an_answer_that_failed_says_why_and_is_free(
    bank: Bank, company: Company, customer: Customer
) -> None:
    taken = await company.send(
        bank.ledger.hold(
            customer.purse, Microcredits(60), ONCE, lasts_seconds=60, beginning=BEGINNING
        )
    )
    end = AnswerEnd(
        status=AnswerStatus.FAILED,
        text=None,
        finish_reason=None,
        failure=ProviderFailure.TIMEOUT,
        attempts=(
            AttemptEnd(
                attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
            ),
        ),
    )

    await company.send(bank.ledger.release(taken.hold_id, end))

    answer = await bank.owner.fetchrow(
        "SELECT status, failure, text, charged FROM tallystick.answers WHERE account_id = $1",
        customer.account_id,
    )
    assert answer is not None
    assert tuple(answer) == ("FAILED", "TIMEOUT", None, 0)


async def test_a_question_turned_away_is_recorded(
    bank: Bank, company: Company, customer: Customer
) -> None:
    with pytest.raises(InsufficientCredits):
        await company.send(
            bank.ledger.hold(
                customer.purse, Microcredits(101), ONCE, lasts_seconds=60, beginning=BEGINNING
            )
        )

    refused = await bank.owner.fetchrow(
        "SELECT outcome, charged, problem_code FROM tallystick.usage_records WHERE account_id = $1",
        customer.account_id,
    )
    assert refused is not None
    assert tuple(refused) == ("REFUSED", 0, "INSUFFICIENT_CREDITS")


async def test_moments_of_a_purse_only_grow(
    bank: Bank, company: Company, customer: Customer
) -> None:
    first = await _hold(bank, company, customer, 10)
    second = await _hold(bank, company, customer, 10, ANOTHER)
    ended = await company.send(bank.ledger.capture(first.hold_id, Microcredits(5)))

    assert first.hold_id.moment < second.hold_id.moment < ended.ended_at


async def test_moments_only_grow_though_the_clock_is_set_back(
    bank: Bank, company: Company, customer: Customer
) -> None:
    first = await _hold(bank, company, customer, 10)
    last = await bank.owner.fetchval(SET_BACK, customer.account_id)

    second = await _hold(bank, company, customer, 10, ANOTHER)
    captured = await company.send(bank.ledger.capture(first.hold_id, Microcredits(5)))
    released = await company.send(bank.ledger.release(second.hold_id))
    credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(1))
    granted = await bank.postings.grant(customer.purse, credit, ONCE)

    assert (
        last
        < second.hold_id.moment
        < captured.ended_at
        < released.ended_at
        < granted.entry_id.moment
    )


async def test_operations_at_the_same_time_are_told_apart(bank: Bank, customer: Customer) -> None:
    taken = await asyncio.gather(
        *(
            bank.ledger.hold(
                customer.purse, Microcredits(1), Once.of("askAI", f"key {n}"), lasts_seconds=60
            )
            for n in range(100)
        )
    )

    assert len({each.hold_id for each in taken}) == 100
    assert sorted(each.balance.held for each in taken) == list(range(1, 101))
