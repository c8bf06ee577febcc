"""Whatever is done to an account, in whatever order: the database answers as the model does."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from domain.errors import InsufficientCredits, NotFound, Problem, StateConflict
from domain.ledger import Credit, Debit, EntryKind, HoldEnded, HoldTaken, Once, Posted
from domain.units import AccountId, EntryId, HoldId, KeyNumber, Microcredits, Moment, PurseId
from persistence.verifying import verify
from tests.persistence.bank import Bank, Customer, open_bank
from tests.persistence.ledger_model import Account, Purse, Told

SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
DOOMSDAY: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""No test runs for so long: what expires later does so only when a rule makes its day come."""
LARGE = 2**62

AMOUNTS = st.sampled_from([*range(1, 13), *range(1, 13), LARGE])
SMALL = st.integers(1, 12)
PURSES = st.sampled_from([0, 0, 0, 1])
DAYS = st.sampled_from([None, 1, 2, 3])

LAPSE = """
WITH instant AS (SELECT max(moment) + 1 AS moment FROM tallystick.balances WHERE account_id = $1),
     come AS (UPDATE tallystick.lots l
                 SET expires_at = 'epoch'::timestamptz
                     + (i.moment + extract(day FROM l.expires_at - $2::timestamptz)::bigint)
                       * interval '1 microsecond'
                FROM instant i
               WHERE l.account_id = $1 AND l.expires_at > $2
                 AND l.expires_at <= $2::timestamptz + $3::integer * interval '1 day'
              RETURNING l.key_number, l.remaining, l.expires_at)
UPDATE tallystick.balances b
   SET next_expiry = (SELECT min(expires_at) FROM come
                       WHERE come.key_number = b.key_number AND come.remaining > 0)
 WHERE account_id = $1 AND (next_expiry IS NULL OR next_expiry > $2)
   AND EXISTS (SELECT FROM come WHERE come.key_number = b.key_number AND come.remaining > 0)
"""

LOTS = """
SELECT remaining, is_paid, expires_at IS NULL AS lasts FROM tallystick.lots
 WHERE account_id = $1 AND key_number = $2 AND remaining > 0
 ORDER BY expires_at NULLS LAST, is_paid, moment
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The bank all examples share, and the loop it lives on."""

    bank: Bank
    administrator: Customer
    runner: asyncio.Runner


@dataclass(frozen=True, slots=True)
class Call:
    """An operation under a key, which can be made again: with the same input, or with another."""

    key: str
    make: Callable[[str], None]


class LedgerMachine(RuleBasedStateMachine):
    """An account of its own for each example, and the model of it."""

    holds = Bundle("holds")
    calls = Bundle("calls")

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self.bank = shop.bank
        self.run = shop.runner.run
        self.admin = shop.administrator
        self.model = Account({0: Purse(), 1: Purse()})
        self.account_id = self.run(self.bank.customer()).account_id
        self.keys = (f"key {number}" for number in count())
        self.hold_ids: dict[str, HoldId] = {}
        self.charges: dict[str, EntryId] = {}
        self.posted: dict[str, EntryId] = {}

    @initialize(lapsing=st.integers(1, 30), lasting=st.integers(1, 30))
    def begin_with_credits_and_a_key(self, *, lapsing: int, lasting: int) -> None:
        self.run(self.bank.postings.open(self.account_id))
        self.run(self.bank.postings.open(self.account_id, KeyNumber(1)))
        self.grant(number=0, amount=lapsing, is_paid=False, day=1)
        self.grant(number=0, amount=lasting, is_paid=True, day=None)

    @rule(target=calls, number=PURSES, amount=AMOUNTS, is_paid=st.booleans(), day=DAYS)
    def grant(self, *, number: int, amount: int, is_paid: bool, day: int | None) -> Call:
        key = next(self.keys)
        credit = Credit(
            kind=EntryKind.RECHARGE,
            amount=Microcredits(amount),
            is_paid=is_paid,
            expires_at=None if day is None else DOOMSDAY + timedelta(days=day),
        )

        def call(given: str) -> None:
            told = self._told(
                self.bank.postings.grant(self._purse(number), credit, Once.of("grant", key, given)),
                key,
            )
            once = ("grant", key)
            assert told == self.model.grant(number, amount, once, given, is_paid=is_paid, day=day)

        return self._first(Call(key, call))

    @rule(
        target=calls,
        number=PURSES,
        amount=AMOUNTS,
        may_owe=st.booleans(),
        reversed_call=st.none() | calls,
    )
    def debit(self, number: int, amount: int, *, may_owe: bool, reversed_call: Call | None) -> Call:
        key = next(self.keys)
        name = reversed_call.key if reversed_call and reversed_call.key in self.posted else None
        debit = Debit(
            kind=EntryKind.CHARGEBACK,
            amount=Microcredits(amount),
            reverses=self.posted[name] if name else None,
            may_owe=may_owe,
        )

        def call(given: str) -> None:
            told = self._told(
                self.bank.postings.debit(self._purse(number), debit, Once.of("debit", key, given))
            )
            assert told == self.model.debit(
                number, amount, ("debit", key), given, may_owe=may_owe, reverses=name
            )

        return self._first(Call(key, call))

    @rule(target=calls, ends=st.sampled_from([(0, 1), (0, 1), (1, 0)]), amount=AMOUNTS)
    def transfer(self, ends: tuple[int, int], amount: int) -> Call:
        key = next(self.keys)
        source, target = ends

        def call(given: str) -> None:
            told = self._told(
                self.bank.postings.transfer(
                    source=self._purse(source),
                    target=self._purse(target),
                    amount=Microcredits(amount),
                    once=Once.of("transfer", key, given),
                )
            )
            assert told == self.model.transfer(source, target, amount, ("transfer", key), given)

        return self._first(Call(key, call))

    @rule(target=calls, hold=holds, amount=st.none() | SMALL)
    def refund(self, hold: str, amount: int | None) -> Call:
        key = next(self.keys)

        def call(given: str) -> None:
            told = self._told(
                self.bank.office.refund(
                    self.admin.session_id,
                    self.charges.get(hold, EntryId(self._purse(0), Moment(1))),
                    None if amount is None else Microcredits(amount),
                    reason="a test",
                    once=Once.of("refund", key, given),
                ),
                key,
            )
            assert told == self.model.refund(hold, amount, ("refund", key), given)

        return self._first(Call(key, call))

    @rule(call=calls, given=st.sampled_from(["first", "second"]))
    def use_its_key_again(self, call: Call, given: str) -> None:
        call.make(given)

    @rule(target=holds, number=PURSES, amount=AMOUNTS, is_due=st.booleans())
    def hold(self, *, number: int, amount: int, is_due: bool) -> str | MultipleResults[str]:
        key = next(self.keys)
        self._hold(number, amount, key, "first", is_due=is_due)
        return key if key in self.hold_ids else multiple()

    @rule(key=holds, given=st.sampled_from(["first", "second"]))
    def hold_again(self, key: str, given: str) -> None:
        hold = self.model.holds[key]
        number = int(self.hold_ids[key].purse.key_number)
        self._hold(number, hold.amount, key, given, is_due=hold.is_due)

    @rule(
        key=holds,
        status=st.sampled_from(["CAPTURED", "CAPTURED", "RELEASED", "EXPIRED"]),
        cost=st.sampled_from([*range(13), LARGE]),
    )
    def end(self, key: str, status: str, cost: int) -> None:
        hold_id = self.hold_ids[key]
        match status:
            case "CAPTURED":
                ending = self.bank.ledger.capture(hold_id, Microcredits(cost))
            case "RELEASED":
                ending = self.bank.ledger.release(hold_id)
            case _:
                ending = self.bank.ledger.expire(hold_id)
        told = self._told(ending, key)
        assert told == self.model.end(key, status, cost if status == "CAPTURED" else 0)

    @rule(last_day=st.integers(1, 3))
    def time_passes(self, last_day: int) -> None:
        self.run(self.bank.owner.execute(LAPSE, self.account_id, DOOMSDAY, last_day))
        self.model.lapse(last_day)

    @rule()
    def settle(self) -> None:
        """What reading a balance does, and the sweep."""
        for number, purse in self.model.purses.items():
            purse.settle()
            self.run(
                self.bank.owner.execute(
                    "SELECT tallystick.settle_purse($1, $2)", self.account_id, number
                )
            )
            rows = self.run(self.bank.owner.fetch(LOTS, self.account_id, number))
            assert [tuple(row) for row in rows] == [
                (lot.remaining, lot.is_paid, lot.day is None) for lot in purse.in_order()
            ]

    @invariant()
    def balances_are_the_models(self) -> None:
        rows = self.run(
            self.bank.owner.fetch(
                "SELECT key_number, total, held, owed FROM tallystick.balances"
                " WHERE account_id = $1",
                self.account_id,
            )
        )
        assert {row["key_number"]: tuple(row)[1:] for row in rows} == {
            number: (purse.total, purse.held, purse.owed)
            for number, purse in self.model.purses.items()
        }

    def teardown(self) -> None:
        self.settle()
        report = self.run(verify(self.bank.url))
        assert report.is_clean, "\n".join(report.lines())

    def _first(self, call: Call) -> Call:
        call.make("first")
        return call

    def _hold(self, number: int, amount: int, key: str, given: str, *, is_due: bool) -> None:
        taking = self.bank.ledger.hold(
            self._purse(number),
            Microcredits(amount),
            Once.of("hold", key, given),
            lasts_seconds=0 if is_due else 3_600,
        )
        told = self._told(taking, key)
        assert told == self.model.hold(number, amount, key, given, is_due=is_due)

    def _purse(self, number: int) -> PurseId:
        return PurseId(self.account_id, KeyNumber(number))

    def _told(
        self, operation: Coroutine[object, object, HoldTaken | HoldEnded | Posted], key: str = ""
    ) -> Told:
        """What the database says, in the model's words; what it made is remembered by its key."""
        try:
            answer = self.run(operation)
        except InsufficientCredits as refusal:
            return Told("InsufficientCredits", refusal.required, refusal.available)
        except Problem as problem:
            return Told(type(problem).__name__)
        amount = 0
        match answer:
            case HoldTaken():
                amount = answer.amount
                self.hold_ids[key] = answer.hold_id
            case HoldEnded():
                amount = answer.charged
                if amount:
                    self.charges[key] = EntryId(answer.balance.purse, answer.ended_at)
            case Posted():
                self.posted[key] = answer.entry_id
        balance = answer.balance
        outcome = "replayed" if answer.replayed else "done"
        return Told(outcome, amount, balance.total, balance.held, balance.owed)


def test_the_database_answers_as_the_model_does(database_url: str, deployment_secret: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        opening = stack.enter_async_context(open_bank(database_url, deployment_secret))
        bank = runner.run(opening)
        shop = Shop(bank, runner.run(bank.administrator()), runner)

        class Example(LedgerMachine):
            def __init__(self) -> None:
                super().__init__(shop)

        try:
            run_state_machine_as_test(Example, settings=SETTINGS)
        finally:
            runner.run(stack.aclose())


async def test_what_was_never_held_cannot_end(bank: Bank) -> None:
    customer = await bank.customer(100)

    for purse in (customer.purse, customer.key_purse):
        never = HoldId(purse, Moment(1))
        for ending in (
            bank.ledger.capture(never, Microcredits(1)),
            bank.ledger.release(never),
            bank.ledger.expire(never),
        ):
            with pytest.raises(StateConflict):
                await ending


async def test_a_purse_that_was_never_opened_is_not_found(bank: Bank) -> None:
    customer = await bank.customer(100)
    once = Once.of("a test", "key")
    one = Microcredits(1)

    for operation in (
        bank.ledger.hold(customer.key_purse, one, once, lasts_seconds=60),
        bank.postings.grant(customer.key_purse, Credit(kind=EntryKind.RECHARGE, amount=one), once),
        bank.postings.debit(customer.key_purse, Debit(kind=EntryKind.CHARGEBACK, amount=one), once),
        bank.postings.transfer(
            source=customer.purse, target=customer.key_purse, amount=one, once=once
        ),
        bank.postings.open(AccountId(1)),
    ):
        with pytest.raises(NotFound):
            await operation
