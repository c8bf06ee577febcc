"""What a session may do ends with the request, with the session, and with the right itself."""

from contextlib import suppress

import pytest
from sqlmodel import select

from domain.errors import Forbidden
from domain.identity import Role
from domain.ledger import Once
from domain.recharging import ModelChange
from domain.reporting import AccountFilter, EntryFilter, PageRequest
from domain.units import EntryId, Microcredits
from persistence.books import PostgresBooks
from persistence.engine import Engines, UnsafeLogin, check_logins
from persistence.operating import set_role
from persistence.roles import OWNER, Login
from persistence.tables import BalanceRow
from tests.persistence.bank import MODEL, RATES, SUSPEND, Bank
from tests.persistence.intruder import DENIED, REFUSED, intruding, owning
from tests.persistence.orders import buyer, message

RECHARGE = (
    "SELECT tallystick.post_by_admin($1, 'RECHARGE', 5, NULL, 'mine', 'rechargeCredits',"
    " gen_random_uuid(), gen_random_uuid(), 'mine')"
)
CHANGES_OF_HISTORY = """
SELECT statement
  FROM pg_class
  JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = relnatts
 CROSS JOIN unnest(ARRAY[
       format('UPDATE tallystick.%I SET %I = DEFAULT', relname, attname),
       format('DELETE FROM tallystick.%I', relname),
       format('TRUNCATE tallystick.%I', relname)]) AS statement
 WHERE relnamespace = 'tallystick'::regnamespace
   AND (relname IN ('entries', 'usage_records', 'model_prices', 'audit_entries', 'idempotency_keys',
                     'payment_entries', 'payment_events')
        OR pg_class.oid IN (SELECT tableoid FROM tallystick.entries
                            UNION SELECT tableoid FROM tallystick.usage_records))
"""


async def test_requests_on_one_connection_see_their_own_rows_only(
    bank: Bank, one_connection: Engines
) -> None:
    alice, bob = await bank.customer(1), await bank.customer(2)
    books = PostgresBooks(one_connection)

    pages = [
        await books.entry_page(customer.reader, EntryFilter(), PageRequest())
        for customer in (alice, bob, alice)
    ]

    assert [[entry.amount for entry in page.items] for page in pages] == [[1], [2], [1]]


async def test_a_session_is_out_of_force_after_its_request(
    bank: Bank, one_connection: Engines
) -> None:
    alice = await bank.customer(1)

    async with one_connection.reading(alice.reader) as session:
        during = (await session.exec(select(BalanceRow))).all()
    async with one_connection.reading_publicly() as session:
        after = (await session.exec(select(BalanceRow))).all()

    assert [row.account_id for row in during] == [alice.account_id]
    assert after == []


async def test_a_session_is_out_of_force_after_a_request_that_failed(
    bank: Bank, one_connection: Engines
) -> None:
    alice = await bank.customer(1)

    with suppress(ZeroDivisionError):
        async with one_connection.reading(alice.reader):
            raise ZeroDivisionError
    async with one_connection.reading_publicly() as session:
        after = (await session.exec(select(BalanceRow))).all()

    assert after == []


async def test_the_customers_login_cannot_recharge_even_in_an_administrators_session(
    bank: Bank,
) -> None:
    admin = await bank.administrator()

    async with intruding(bank, Login.USER, admin.session_id) as intruder:
        assert await intruder.attempt(RECHARGE, admin.account_id) == DENIED


async def test_a_customers_session_cannot_recharge_even_by_the_administrators_login(
    bank: Bank,
) -> None:
    alice = await bank.customer()

    async with intruding(bank, Login.ADMIN, alice.session_id) as intruder:
        assert await intruder.attempt(RECHARGE, alice.account_id) == DENIED


@pytest.mark.parametrize(
    "lose",
    [
        "UPDATE tallystick.accounts SET role = 'USER' WHERE id = $1",
        SUSPEND,
        "UPDATE tallystick.sessions SET ended_at = now() WHERE account_id = $1",
        "UPDATE tallystick.sessions SET expires_at = now() WHERE account_id = $1",
    ],
    ids=["demoted", "suspended", "signed out", "ran out"],
)
async def test_an_administrators_right_is_asked_for_at_every_use(bank: Bank, lose: str) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = EntryId(alice.purse, (await bank.answer(alice.purse)).ended_at)
    await bank.owner.execute(lose, admin.account_id)
    once = Once.of("a test", "1")
    office, session_id = bank.office, admin.session_id

    attempts = (
        office.recharge(
            session_id,
            alice.account_id,
            Microcredits(5),
            expires_at=None,
            reason="mine",
            once=once,
        ),
        office.adjust(session_id, alice.account_id, Microcredits(5), reason="mine", once=once),
        office.refund(session_id, charge, None, reason="mine", once=once),
        office.save_model(session_id, ModelChange(id=MODEL.id, name="mine"), summary="mine"),
        office.set_price(session_id, MODEL.id, RATES, summary="mine"),
    )

    for attempt in attempts:
        with pytest.raises(Forbidden):
            await attempt
    accounts = await bank.books.account_page(admin.admin, AccountFilter(), PageRequest())
    assert accounts.items == []
    assert (await bank.books.balances(alice.reader, [alice.purse]))[alice.purse].total == 60


async def test_a_role_that_was_given_can_be_taken(bank: Bank) -> None:
    admin = await bank.administrator()

    taken = await set_role(bank.url, admin.email.upper(), Role.USER)
    taken_again = await set_role(bank.url, admin.email, Role.USER)

    assert (taken, taken_again) == (True, False)
    with pytest.raises(Forbidden):
        await bank.office.set_price(admin.session_id, MODEL.id, RATES, summary="mine")


@pytest.mark.parametrize("role", [OWNER, "postgres"])
async def test_history_is_never_changed_by_anybody(bank: Bank, role: str) -> None:
    admin, alice = await bank.administrator(), await bank.customer(100)
    charge = await bank.answer(alice.purse)
    await bank.office.refund(
        admin.session_id,
        EntryId(alice.purse, charge.ended_at),
        None,
        reason="a test",
        once=Once.of("refundCharge", "1"),
    )
    await (await buyer(bank)).is_told(heard=message("evt"))
    changes = [row["statement"] for row in await bank.owner.fetch(CHANGES_OF_HISTORY)]

    async with owning(bank, role) as intruder:
        outcomes = {change: await intruder.attempt(change) for change in changes}

    assert len(changes) == 3 * (7 + 2)
    assert outcomes == dict.fromkeys(changes, REFUSED)


@pytest.mark.parametrize(
    ("give", "take"),
    [
        ("ALTER ROLE tallystick_user SUPERUSER", "ALTER ROLE tallystick_user NOSUPERUSER"),
        ("ALTER ROLE tallystick_admin BYPASSRLS", "ALTER ROLE tallystick_admin NOBYPASSRLS"),
        ("ALTER ROLE tallystick_auth CREATEROLE", "ALTER ROLE tallystick_auth NOCREATEROLE"),
        (
            "GRANT tallystick_owner TO tallystick_worker",
            "REVOKE tallystick_owner FROM tallystick_worker",
        ),
    ],
    ids=["superuser", "passes row-level security", "makes roles", "acts as the owner"],
)
async def test_a_login_that_may_too_much_is_refused(
    bank: Bank, deployment_secret: str, give: str, take: str
) -> None:
    await check_logins(bank.url, secret=deployment_secret)
    await bank.owner.execute(give)

    try:
        with pytest.raises(UnsafeLogin, match="rights that pass row-level security"):
            await check_logins(bank.url, secret=deployment_secret)
    finally:
        await bank.owner.execute(take)
