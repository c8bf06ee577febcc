"""Credits at keys whose charges are given back, and which are revoked and suspended meanwhile."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from domain.errors import Forbidden, InsufficientCredits, StateConflict
from domain.keys import KeyFunding
from domain.ledger import HoldTaken, Once, Posted
from domain.units import EntryId, Microcredits, PurseId
from persistence.suspending import PostgresStatusOffice
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, GIVEN_UP, Bank, Customer
from tests.persistence.programs import Program, make_program

ROUNDS = 10
GIVEN = 1_000
EMPTY = "SELECT tallystick.empty_revoked_keys(100)"


async def test_a_charge_is_given_back_once_while_its_hold_is_released_and_its_key_revoked(
    bank: Bank,
) -> None:
    admin, captured = await bank.administrator(), 0
    for number in range(ROUNDS):
        customer = await bank.customer(GIVEN)
        program = await make_program(bank, customer, funding=KeyFunding.OWN)
        await fund(bank, customer, program, 600, "1")
        taken = await bank.ask(program.purse, 500, key=program.id.number)
        given_back: list[object] = []

        async def capture_and_give_back(
            program: Program = program, taken: HoldTaken = taken, told: list[object] = given_back
        ) -> None:
            ended = await bank.ledger.capture(taken.hold_id, Microcredits(300), ANSWERED)
            charge = EntryId(program.purse, ended.ended_at)
            told += await asyncio.gather(
                *(give_back(bank, admin, charge, amount) for amount in (None, 200, None, 150)),
                return_exceptions=True,
            )

        works: list[Awaitable[object]] = [
            bank.ledger.release(taken.hold_id, GIVEN_UP),
            capture_and_give_back(),
            bank.key_ring.revoke(customer.session_id, program.id),
            bank.owner.fetchval(EMPTY),
        ]
        turn = number % len(works)
        ends = await asyncio.gather(*works[turn:], *works[:turn], return_exceptions=True)
        await bank.owner.fetchval(EMPTY)

        unexpected = [
            each
            for each in (*ends, *given_back)
            if isinstance(each, Exception) and not isinstance(each, StateConflict)
        ]
        totals = await totals_of(bank, customer, program)
        assert unexpected == []
        assert totals[program.purse] == 0
        # Whoever asks for all that is left leaves nothing, and nobody gets more.
        assert totals[customer.purse] == GIVEN
        assert await given_back_of(bank, customer) == (300 if given_back else 0)
        captured += bool(given_back)
    assert 0 < captured < ROUNDS
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def test_credits_move_to_a_key_or_stay_while_it_is_revoked_and_its_account_suspended(
    bank: Bank,
) -> None:
    admin, office = await bank.administrator(), PostgresStatusOffice(bank.books.engines)
    for number in range(ROUNDS):
        customer = await bank.customer(GIVEN)
        program = await make_program(bank, customer, funding=KeyFunding.OWN)
        works: list[Awaitable[object]] = [
            *(fund(bank, customer, program, 150, str(each)) for each in range(8)),
            bank.key_ring.revoke(customer.session_id, program.id),
            office.suspend_account(admin.session_id, customer.account_id, reason="a test"),
            bank.owner.fetchval(EMPTY),
        ]
        turn = number % len(works)
        outcomes = await asyncio.gather(*works[turn:], *works[:turn], return_exceptions=True)
        await office.reinstate_account(admin.session_id, customer.account_id, reason="a test")
        back = replace(customer, session_id=await bank.session(customer.account_id))
        at_once = await totals_of(bank, back, program)
        await bank.key_ring.revoke(back.session_id, program.id)
        await bank.owner.fetchval(EMPTY)

        refusals = {type(each) for each in outcomes if isinstance(each, Exception)}
        moved = [each for each in outcomes if isinstance(each, Posted)]
        assert refusals <= {StateConflict, InsufficientCredits, Forbidden}
        assert len(moved) <= GIVEN // 150
        assert sum(at_once.values()) == GIVEN
        assert await totals_of(bank, back, program) == {customer.purse: GIVEN, program.purse: 0}
    report = await verify(bank.url)
    assert report.is_clean, report.lines()


async def fund(bank: Bank, customer: Customer, program: Program, amount: int, key: str) -> Posted:
    once = Once.of("fundApiKey", key)
    return await bank.key_ring.fund(customer.session_id, program.id, Microcredits(amount), once)


async def give_back(bank: Bank, admin: Customer, charge: EntryId, amount: int | None) -> Posted:
    return await bank.office.refund(
        admin.session_id,
        charge,
        None if amount is None else Microcredits(amount),
        reason="a test",
        once=Once.of("refundCharge", f"{charge} {amount}"),
    )


async def given_back_of(bank: Bank, customer: Customer) -> int:
    amount: int = await bank.owner.fetchval(
        "SELECT coalesce(sum(amount), 0)::bigint FROM tallystick.entries"
        " WHERE account_id = $1 AND kind = 'REFUND'",
        customer.account_id,
    )
    return amount


async def totals_of(bank: Bank, customer: Customer, program: Program) -> dict[PurseId, int]:
    purses = [customer.purse, program.purse]
    found = await bank.books.balances(customer.reader, purses)
    return {purse: found[purse].total for purse in purses if purse in found}
