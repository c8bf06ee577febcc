"""A batch answers every operation as the model does, one after the other."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
import uvloop
from asyncpg import SerializationError
from asyncpg.pgproto.pgproto import UUID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.answers import AnswerEnd, AnswerStatus, AttemptEnd, UsageOutcome
from domain.errors import (
    InsufficientCredits,
    LedgerFault,
    Problem,
    ProblemCode,
    ProviderFailure,
)
from domain.keys import KeyFunding
from domain.ledger import Credit, EntryKind, HoldEnded, HoldTaken, Once
from domain.units import HoldId, KeyNumber, Microcredits, Moment, PriceId, PurseId
from persistence.operations import APPLY, Batch, Ending, Kind
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, Bank, Customer, open_bank
from tests.persistence.company import hold
from tests.persistence.ledger_model import Account, Told
from tests.persistence.programs import make_program

SETTINGS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
GIVEN = 20
ANOTHER_PRICE = """
INSERT INTO tallystick.model_prices (
  model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request)
VALUES ('small', 1, 1, 1, 1) RETURNING id
"""
PRICES = "SELECT account_id, price_id FROM tallystick.usage_records"
STATUSES = ("CAPTURED", "CAPTURED", "RELEASED", "EXPIRED")


@dataclass(frozen=True, slots=True)
class Take:
    """A hold of one of two accounts; few keys, so that they are used again."""

    account: int
    number: int
    key: str
    given: str
    amount: int
    is_due: bool

    @property
    def twin(self) -> tuple[int, str, str]:
        return self.account, "key", self.key


@dataclass(frozen=True, slots=True)
class End:
    """The end of what a key may have held by then."""

    account: int
    key: str
    status: str
    cost: int

    @property
    def twin(self) -> tuple[int, str, str]:
        return self.account, "hold", self.key


KEYS = st.sampled_from([f"key {number}" for number in range(8)])
TAKES = st.builds(
    Take,
    account=st.integers(0, 1),
    number=st.integers(0, 2),
    key=KEYS,
    given=st.sampled_from(["this", "this", "this", "that"]),
    amount=st.integers(1, 9),
    is_due=st.booleans(),
)
ENDS = st.builds(
    End,
    account=st.integers(0, 1),
    key=KEYS,
    status=st.sampled_from(STATUSES),
    cost=st.integers(0, 10),
)
BATCHES = st.lists(st.lists(TAKES | ENDS, min_size=1, max_size=12), min_size=1, max_size=8)


@dataclass(slots=True)
class Pair:
    """The two accounts of an example, in the database and in the model."""

    bank: Bank
    somebody: Customer
    customers: tuple[Customer, Customer]
    models: tuple[Account, Account]
    hold_ids: dict[tuple[int, str], HoldId] = field(default_factory=dict)

    async def send(self, batch: Sequence[Take | End]) -> list[Told]:
        """Hand all of it in at once, behind somebody who is served already: so it is one batch."""
        first = asyncio.ensure_future(hold(self.bank.ledger, self.somebody, 1))
        told = await asyncio.gather(*(self._send(operation) for operation in batch))
        await first
        return told

    async def _send(self, operation: Take | End) -> Told:
        ledger = self.bank.ledger
        name = (operation.account, operation.key)
        try:
            answer: HoldTaken | HoldEnded
            if isinstance(operation, Take):
                answer = await ledger.hold(
                    self._purse(operation),
                    Microcredits(operation.amount),
                    Once.of("hold", operation.key, operation.given),
                    lasts_seconds=0 if operation.is_due else 3_600,
                )
                self.hold_ids[name] = answer.hold_id
            else:
                hold_id = self.hold_ids[name]
                match operation.status:
                    case "CAPTURED":
                        answer = await ledger.capture(hold_id, Microcredits(operation.cost))
                    case "RELEASED":
                        answer = await ledger.release(hold_id)
                    case _:
                        answer = await ledger.expire(hold_id)
        except InsufficientCredits as refusal:
            return Told("InsufficientCredits", refusal.required, refusal.available)
        except Problem as problem:
            return Told(type(problem).__name__)
        balance = answer.balance
        amount = answer.amount if isinstance(answer, HoldTaken) else answer.charged
        outcome = "replayed" if answer.replayed else "done"
        return Told(outcome, amount, balance.total, balance.held, balance.owed)

    def _purse(self, operation: Take | End) -> PurseId:
        if isinstance(operation, End):
            return self.hold_ids[operation.account, operation.key].purse
        account_id = self.customers[operation.account].account_id
        return PurseId(account_id, KeyNumber(operation.number))

    def expected(self, batch: Sequence[Take | End]) -> list[Told]:
        """Purse by purse, ends before holds; what repeats a key or a hold comes later."""
        told: dict[int, Told] = {}
        queues: dict[PurseId, list[int]] = {}
        for place, operation in enumerate(batch):
            queues.setdefault(self._purse(operation), []).append(place)
        for part in _parts(batch, [place for queue in queues.values() for place in queue]):
            for place in sorted(part, key=lambda place: isinstance(batch[place], Take)):
                told[place] = self._expected(batch[place])
        return [told[place] for place in range(len(batch))]

    def _expected(self, operation: Take | End) -> Told:
        model = self.models[operation.account]
        if isinstance(operation, End):
            cost = operation.cost if operation.status == "CAPTURED" else 0
            return model.end(operation.key, operation.status, cost)
        return model.hold(
            operation.number,
            operation.amount,
            operation.key,
            operation.given,
            is_due=operation.is_due,
        )

    def possible(self, batch: Iterable[Take | End]) -> list[Take | End]:
        """Without the ends of what was never held: nobody could name it."""
        return [
            operation
            for operation in batch
            if isinstance(operation, Take) or (operation.account, operation.key) in self.hold_ids
        ]


def _parts(batch: Sequence[Take | End], places: Iterable[int]) -> Iterable[list[int]]:
    """The places of what is there for the first time, then for the second, and so on."""
    seen: dict[tuple[int, str, str], int] = {}
    parts: dict[int, list[int]] = {}
    for place in places:
        twin = batch[place].twin
        turn = seen.get(twin, 0)
        seen[twin] = turn + 1
        parts.setdefault(turn, []).append(place)
    return parts.values()


async def _open_pair(bank: Bank) -> Pair:
    customers = (await bank.customer(GIVEN), await bank.customer(GIVEN))
    models = (Account(), Account())
    for customer, model in zip(customers, models, strict=True):
        await bank.postings.open(customer.account_id, KeyNumber(1))
        credit = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(GIVEN))
        await bank.postings.grant(customer.key_purse, credit, Once.of("grant", "key"))
        model.purses[1] = type(model.purses[0])()
        for number in (0, 1):
            once = ("grant", f"key {number}")
            model.grant(number, GIVEN, once, "credits", is_paid=False, day=None)
    return Pair(bank, await bank.customer(GIVEN), customers, models)


def test_batches_answer_as_the_model_does(database_url: str, deployment_secret: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def run(batches: list[list[Take | End]], bank: Bank) -> None:
            pair = await _open_pair(bank)
            for batch in batches:
                possible = pair.possible(batch)

                told = await pair.send(possible)

                assert told == pair.expected(possible)

        @SETTINGS
        @given(batches=BATCHES)
        def examples(batches: list[list[Take | End]]) -> None:
            runner.run(run(batches, bank))

        opening = open_bank(database_url, deployment_secret)
        bank = runner.run(opening.__aenter__())
        try:
            examples()
            report = runner.run(verify(database_url))
        finally:
            runner.run(opening.__aexit__(None, None, None))
        assert report.is_clean, report.lines()


async def test_sums_beyond_sixty_four_bits_are_refused_one_by_one(bank: Bank) -> None:
    customer = await bank.customer(10)
    keys = (Once.of("hold", f"key {number}") for number in count())

    told = await asyncio.gather(
        *(
            bank.ledger.hold(customer.purse, Microcredits(amount), next(keys), lasts_seconds=60)
            for amount in (2**62, 2**62, 2**62, 4)
        ),
        return_exceptions=True,
    )

    assert [isinstance(each, InsufficientCredits) for each in told] == [True, True, True, False]


async def test_a_cost_beyond_all_holds_charges_the_holds(bank: Bank) -> None:
    customer = await bank.customer(10)
    taken = [
        await bank.ledger.hold(
            customer.purse, Microcredits(3), Once.of("hold", f"key {number}"), lasts_seconds=60
        )
        for number in range(3)
    ]

    ended = await asyncio.gather(
        *(bank.ledger.capture(each.hold_id, Microcredits(2**62)) for each in taken)
    )

    assert [each.charged for each in ended] == [3, 3, 3]
    assert min(each.balance.total for each in ended) == 1


async def test_a_batch_larger_than_one_call_is_applied_in_several(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    never_held = HoldId(customer.purse, Moment(1))

    told = await asyncio.gather(
        *(
            bank.ledger.hold(
                customer.purse, Microcredits(1), Once.of("hold", f"key {n}"), lasts_seconds=60
            )
            for n in range(700)
        ),
        bank.ledger.release(never_held),
        return_exceptions=True,
    )

    assert sum(isinstance(each, HoldTaken) for each in told) == 700
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_one_operation_out_of_many_that_postgresql_cannot_take_fails_alone(
    bank: Bank,
) -> None:
    customer = await bank.customer(100)
    taken = [
        await bank.ledger.hold(
            customer.purse, Microcredits(2), Once.of("hold", f"key {number}"), lasts_seconds=60
        )
        for number in range(4)
    ]
    neighbours = [
        bank.ledger.hold(customer.purse, Microcredits(1), _once("good"), lasts_seconds=60),
        bank.ledger.capture(taken[0].hold_id, Microcredits(1)),
    ]
    poison = [
        bank.ledger.hold(customer.purse, Microcredits(0), _once("none"), lasts_seconds=60),
        bank.ledger.hold(customer.purse, Microcredits(-1), _once("less"), lasts_seconds=60),
        bank.ledger.hold(customer.purse, Microcredits(2**63), _once("more"), lasts_seconds=60),
        bank.ledger.hold(customer.purse, Microcredits(1), _once("long"), lasts_seconds=2**31),
        bank.ledger.hold(
            customer.purse, Microcredits(1), Once("hold", b"short", b"short"), lasts_seconds=60
        ),
        bank.ledger.capture(taken[1].hold_id, Microcredits(-1)),
        bank.ledger.capture(taken[2].hold_id, Microcredits(2**63)),
        bank.ledger.capture(taken[3].hold_id, Microcredits(1), _ended_with("a lone \ud800")),
    ]

    async with asyncio.timeout(5):
        told = await asyncio.gather(*neighbours, *poison, return_exceptions=True)

    assert [type(each) for each in told] == [HoldTaken, HoldEnded, *[LedgerFault] * 8]
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_what_a_writer_says_of_a_hold_is_believed_only_if_it_is_true(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, funding=KeyFunding.OWN)
    fund = Once.of("fundApiKey", "1")
    await bank.key_ring.fund(customer.session_id, program.id, Microcredits(100), fund)
    taken = (await bank.ask(customer.purse, 10)).hold_id.moment
    await bank.ask(customer.purse, 10)
    await bank.ask(program.purse, 10, key=program.id.number)
    over = await bank.ask(customer.purse, 500)
    await bank.ledger.release(over.hold_id, _gave_up_after(1))

    for untrue in (
        Ending(customer.purse, taken, Kind.CAPTURE, 1, None, held=11),
        Ending(customer.purse, taken, Kind.CAPTURE, 1, None, held=9),
        Ending(customer.purse, taken, Kind.CAPTURE, 11, None, held=10),
        Ending(program.purse, taken, Kind.CAPTURE, 1, None, held=10),
        Ending(customer.purse, over.hold_id.moment, Kind.RELEASE, 0, None, held=500),
        Ending(customer.purse, taken + 1, Kind.RELEASE, 0, None, held=10),
    ):
        with pytest.raises(SerializationError):
            await bank.owner.fetchval(APPLY, *Batch([untrue]).arguments(UUID(bytes(16))))
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_a_lone_operation_that_postgresql_cannot_take_is_a_fault(bank: Bank) -> None:
    customer = await bank.customer(100)

    for amount in (0, -1, 2**63):
        with pytest.raises(LedgerFault):
            await bank.ledger.hold(
                customer.purse, Microcredits(amount), _once("key"), lasts_seconds=60
            )


async def test_what_a_batch_did_is_told_by_the_names_it_is_kept_under(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    asked = [await bank.ask(customer.purse, 10) for _ in range(4)]

    first = asyncio.ensure_future(bank.ask(customer.purse, 1))
    told = await asyncio.gather(
        *(bank.ledger.release(each.hold_id, _gave_up_after(2)) for each in asked),
        bank.ask(customer.purse, 2),
    )
    await first

    ends = [each.ended_at for each in told if isinstance(each, HoldEnded)]
    [taken] = [each.hold_id for each in told if isinstance(each, HoldTaken)]
    rows = await bank.owner.fetch("SELECT moment, ended_moment FROM tallystick.holds")
    kept = {row["moment"]: row["ended_moment"] for row in rows}
    assert [kept[each.hold_id.moment] for each in asked] == ends
    assert kept[taken.moment] is None


async def test_a_lone_caller_who_leaves_at_any_moment_has_it_done(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    keys = [f"key {number}" for number in range(60)]

    for number, key in enumerate(keys):
        caller = asyncio.ensure_future(
            bank.ledger.hold(customer.purse, Microcredits(1), _once(key), lasts_seconds=60)
        )
        await asyncio.sleep(number * 0.000_01)
        caller.cancel()
        await asyncio.wait({caller})
    again = [
        await bank.ledger.hold(customer.purse, Microcredits(1), _once(key), lasts_seconds=60)
        for key in keys
    ]

    assert [each.replayed for each in again] == [True] * 60
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


def _once(key: str) -> Once:
    return Once.of("hold", key)


def _ended_with(text: str) -> AnswerEnd:
    return AnswerEnd(
        status=AnswerStatus.SUCCEEDED, text=text, finish_reason=None, failure=None, attempts=()
    )


def _gave_up_after(attempts: int) -> AnswerEnd:
    failed = (
        AttemptEnd(
            attempt=number, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
        )
        for number in range(1, attempts + 1)
    )
    return AnswerEnd(
        status=AnswerStatus.FAILED,
        text=None,
        finish_reason=None,
        failure=ProviderFailure.ERROR,
        attempts=tuple(failed),
    )


async def test_each_answer_of_a_batch_is_recorded_under_the_price_of_its_hold(bank: Bank) -> None:
    prices = [PriceId(1), PriceId(await bank.owner.fetchval(ANOTHER_PRICE))]
    customers = [await bank.customer(1_000) for _ in range(8)]
    held = [
        await bank.ask(customer.purse, price=prices[n % 2]) for n, customer in enumerate(customers)
    ]

    await asyncio.gather(
        *(bank.ledger.capture(taken.hold_id, Microcredits(40), ANSWERED) for taken in held)
    )

    found = await bank.owner.fetch(PRICES)
    [(_, *larger, _)] = bank.ledger.sizes.read().values()
    assert any(larger)
    assert {(row["account_id"], row["price_id"]) for row in found} == {
        (customer.account_id, prices[n % 2]) for n, customer in enumerate(customers)
    }
