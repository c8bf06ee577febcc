"""Keys as lists and look-ups show them: how they stand, and how far their budgets have come."""

from datetime import UTC, datetime

import pytest

from domain.budgets import BudgetPeriod
from domain.keys import KeyChange, KeyStatus
from tests.persistence.bank import Bank
from tests.persistence.programs import make_program

REVOKED = """
INSERT INTO tallystick.api_keys (
  account_id, key_number, name, secret_start, secret_hash, scopes, funding, allowed_models,
  revoked_at)
SELECT $1, n, 'over', 'abcd', sha256('x'), '{READ}', 'ACCOUNT', '{}', now()
  FROM generate_series(2, 121) n
"""
MAKE_OLD = """
UPDATE tallystick.key_budgets
   SET period_start = period_start - 40 * 86400000000, period_end = period_start
"""
ROWS = """
INSERT INTO tallystick.usage_records
SELECT $1, (extract(epoch FROM now()) * 1000000)::bigint + n, 0,
       CASE WHEN n % 1000 = 0 THEN $2::integer ELSE 0 END, NULL, 1, 'REFUSED', 'small', 1,
       0, 0, 0, false, 0, NULL, NULL, 'INSUFFICIENT_CREDITS', NULL
  FROM generate_series(1, 20000) n
"""


async def test_a_budget_says_how_far_it_has_come_and_when_it_begins_anew(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=500, period=BudgetPeriod.DAY)
    await bank.answer(program.purse, 100, 40, key=program.id.number)
    await bank.ask(program.purse, 70, key=program.id.number)

    for reader in (customer.reader, program.reader):
        budget = (await bank.books.api_keys(reader, [program.id]))[program.id].budget

        assert budget is not None
        assert (budget.limit, budget.period, budget.used) == (500, BudgetPeriod.DAY, 110)
        assert budget.resets_at is not None
        assert budget.resets_at.timetz() == datetime(2026, 1, 1, tzinfo=UTC).timetz()


async def test_a_period_that_is_over_is_told_as_the_one_that_now_is(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=500, period=BudgetPeriod.MONTH)
    await bank.answer(program.purse, 100, 40, key=program.id.number)
    await bank.ask(program.purse, 70, key=program.id.number)
    before = (await bank.books.api_keys(customer.reader, [program.id]))[program.id].budget
    await bank.owner.execute(MAKE_OLD)

    after = (await bank.books.api_keys(customer.reader, [program.id]))[program.id].budget

    assert before is not None
    assert after is not None
    assert (before.used, after.used) == (110, 70)
    assert before.resets_at == after.resets_at


async def test_a_lifetime_begins_once(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=500, period=BudgetPeriod.LIFETIME)

    budget = (await bank.books.api_keys(customer.reader, [program.id]))[program.id].budget

    assert budget is not None
    assert budget.resets_at is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (KeyChange(name="b"), KeyStatus.ACTIVE),
        (KeyChange(is_enabled=False), KeyStatus.DISABLED),
        (KeyChange(expires_at=datetime(2026, 1, 1, tzinfo=UTC)), KeyStatus.EXPIRED),
        (
            KeyChange(is_enabled=False, expires_at=datetime(2026, 1, 1, tzinfo=UTC)),
            KeyStatus.EXPIRED,
        ),
        (KeyChange(expires_at=datetime(2100, 1, 1, tzinfo=UTC)), KeyStatus.ACTIVE),
    ],
    ids=["in force", "switched off", "ran out", "both", "to run out"],
)
async def test_a_key_says_how_it_stands(bank: Bank, change: KeyChange, status: KeyStatus) -> None:
    customer = await bank.customer()
    program = await make_program(bank, customer)
    await bank.key_ring.update(customer.session_id, program.id.number, change)

    (key,) = await bank.books.api_keys_of(customer.reader, customer.account_id)
    await bank.key_ring.revoke(customer.session_id, program.id)
    (revoked,) = await bank.books.api_keys_of(customer.reader, customer.account_id)

    assert (key.status, revoked.status) == (status, KeyStatus.REVOKED)
    assert program.text.startswith(key.prefix)


async def test_a_key_that_works_is_listed_however_many_are_over(bank: Bank) -> None:
    customer = await bank.customer()
    await make_program(bank, customer)
    await bank.owner.execute(REVOKED, customer.account_id)

    keys = await bank.books.api_keys_of(customer.reader, customer.account_id)

    assert [key.id.number for key in keys] == [*range(121, 22, -1), 1]


async def test_administrators_see_everybodys_keys_and_others_their_own(bank: Bank) -> None:
    alice, bob, admin = await bank.customer(), await bank.customer(), await bank.administrator()
    program = await make_program(bank, alice, budget=5)

    by_admin = await bank.books.api_keys_of(admin.admin, alice.account_id)
    by_bob = await bank.books.api_keys_of(bob.reader, alice.account_id)
    found_by_bob = await bank.books.api_keys(bob.reader, [program.id])

    assert [key.id for key in by_admin] == [program.id]
    assert by_admin[0].budget is not None
    assert (by_bob, found_by_bob) == ([], {})


async def test_usage_of_a_key_is_found_without_reading_that_of_others(bank: Bank) -> None:
    customer = await bank.customer()
    await bank.owner.execute(ROWS, customer.account_id, 7)
    await bank.vacuum("tallystick.usage_records")
    plan = await bank.owner.fetch(
        "EXPLAIN SELECT * FROM tallystick.usage_records"
        " WHERE account_id = $1 AND api_key_number = $2 AND api_key_number > 0"
        " ORDER BY moment DESC, account_id DESC, key_number DESC LIMIT 21",
        customer.account_id,
        7,
    )

    assert any("api_key_number" in row[0] and "Index Cond" in row[0] for row in plan), plan
