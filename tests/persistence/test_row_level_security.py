"""Attempts to read or change what is not one's own, table by table and login by login."""

from io import BytesIO
from uuid import uuid4

import pytest

from domain.payments import judged
from domain.reporting import EntryFilter, PageRequest
from persistence.roles import OWNER, Login
from tests.persistence.bank import SUSPEND, Bank, Customer
from tests.persistence.intruder import DENIED, intruding
from tests.persistence.orders import NOW, ORDER, once, standing
from tests.persistence.programs import make_program

PERSONAL = (
    "account_contacts", "balances", "entries", "holds", "lots", "answer_texts", "answers",
    "usage_hours", "key_budgets", "payment_entries",
)  # fmt: skip
"""Tables of which customers read their own rows, every column."""

READABLE = (*PERSONAL, "accounts", "usage_records", "usage_folds", "api_keys", "payments")
"""All tables with rows of customers that somebody may read."""

EVERYTHING = (
    *READABLE, "models", "model_prices", "sweep_mark", "fold_mark", "sessions",
    "answer_replies", "idempotency_keys", "audit_entries", "alembic_version", "passwords",
    "promised_mails", "mailed_links", "payment_reversals", "payment_events", "alerts",
    "book_checks", "looks", "alert_conditions", "sightings",
    "sandbox_charges",
    "runners", "waiting_questions", "cancel_requests",
    "sandbox_charges", "buckets", "outside_identities",
    "answer_pieces", "answer_followers",
    "event_wishes", "told_events", "event_deliveries", "delivery_tries", "gone_endpoints",
)  # fmt: skip

TABLES = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind IN ('r', 'p')
"""
PARTITIONS = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind = 'r' AND relispartition
"""
WRITES = """
SELECT statement
  FROM pg_class
  JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = 1
 CROSS JOIN unnest(ARRAY[
       format('INSERT INTO tallystick.%I DEFAULT VALUES', relname),
       format('UPDATE tallystick.%I SET %I = DEFAULT', relname, attname),
       format('DELETE FROM tallystick.%I', relname),
       format('TRUNCATE tallystick.%I', relname),
       format('LOCK TABLE tallystick.%I IN ACCESS EXCLUSIVE MODE', relname)]) AS statement
 WHERE relnamespace = 'tallystick'::regnamespace AND relkind IN ('r', 'p')
"""
CALLS = """
SELECT proname, format('SELECT tallystick.%I(%s)', proname, (
         SELECT string_agg(format('NULL::%s', format_type(type, NULL)), ', ')
           FROM unnest(proargtypes) AS type)) AS statement
  FROM pg_proc
 WHERE pronamespace = 'tallystick'::regnamespace AND prorettype <> 'trigger'::regtype
"""
MAY_CALL = {
    Login.USER: {
        "caller_account_id", "caller_is_admin", "caller_key_number", "settle_purses_in_sight",
        "create_api_key", "update_api_key", "revoke_api_key", "fund_api_key",
        "begin_payment",
        "budget_period_end",
    },
    Login.ADMIN: {
        "caller_account_id", "caller_is_admin", "settle_purses_in_sight", "require_admin",
        "post_by_admin", "refund_charge", "save_model", "set_model_price", "suspend_account",
        "reinstate_account", "acknowledge_alert", "find_accounts",
        "budget_period_end",
    },
    Login.AUTH: {
        "open_account", "start_session", "sessions_in_force", "account_of_email",
        "refresh_session", "end_sessions", "password_of_email", "password_of_session",
        "start_password_session", "set_password", "sign_up", "promise_mail", "claim_mails",
        "mint_link", "finish_mail", "redeem_link", "forget_sign_ins", "api_keys_in_force",
        "note_key_uses", "take_allowances", "forget_buckets",
        "adopt_identity", "enter_from_outside",
    },
    Login.WORKER: {
        "take_hold", "end_hold", "apply", "apply_carefully", "due_holds", "settle_due_purses",
        "find_answer", "forget_texts", "ensure_partitions", "keep_reply", "find_reply",
        "forget_replies",
        "empty_revoked_keys",
        "renew_lease", "end_lease", "give_up_lost_answers", "waiting_answers", "keep_question",
        "claim_answers", "held_answer", "hand_back_answer", "withdraw_answer", "request_cancel",
        "answer_of_key",
        "look_for_pieces", "answers_followed", "add_pieces", "remove_pieces", "forget_pieces",
        "purse_moments", "available_credits", "alerts_revision", "last_book_check", "collect_owed",
        "wish_events", "spread_events", "event_to_deliver", "note_delivery_try", "forget_events",
        "begin_look", "known_conditions", "tell_condition", "note_condition", "end_condition",
        "recent_attempts", "overdue_holds", "answer_backlog", "add_sightings", "recent_sightings",
        "recent_reuses", "recent_spending", "recent_imbalances", "forget_alerts",
        "dead_deliveries", "events_wanted",
        "usage_horizon", "fold_usage",
        "apply_and_tell", "apply_carefully_and_tell", "tell_of_end",
    },
    Login.PAYMENTS: {
        "open_purse", "move_credits", "transfer_credits", "attach_checkout", "find_payments",
        "find_charge", "find_customer", "payments_since", "may_look_at_payment",
        "payments_to_look_at", "has_heard", "raise_alert", "sandbox_charge",
        "sandbox_charges_since", "keep_sandbox_charge", "settle_payment", "payment_revisions",
    },
}  # fmt: skip

LEAK = """
CREATE FUNCTION pg_temp.leak(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$
"""


async def test_a_login_without_a_session_reads_what_is_public_and_nothing_else(bank: Bank) -> None:
    await _customer_with_history(bank)

    async with intruding(bank, Login.USER) as intruder:
        rows = {relation: await intruder.rows(relation) for relation in EVERYTHING}

    assert rows == {
        **dict.fromkeys(PERSONAL, 0),
        "models": 1,
        "model_prices": 1,
        "sweep_mark": 1,
        "fold_mark": 1,
        "accounts": DENIED,
        "usage_records": DENIED,
        "usage_folds": DENIED,
        "api_keys": DENIED,
        "payments": DENIED,
        "sessions": DENIED,
        "answer_replies": DENIED,
        "runners": DENIED,
        "waiting_questions": DENIED,
        "cancel_requests": DENIED,
        "answer_pieces": DENIED,
        "answer_followers": DENIED,
        "idempotency_keys": DENIED,
        "audit_entries": DENIED,
        "payment_reversals": DENIED,
        "payment_events": DENIED,
        "alerts": DENIED,
        "book_checks": DENIED,
        "looks": DENIED,
        "alert_conditions": DENIED,
        "sightings": DENIED,
        "sandbox_charges": DENIED,
        "alembic_version": DENIED,
        "passwords": DENIED,
        "promised_mails": DENIED,
        "mailed_links": DENIED,
        "buckets": DENIED,
        "outside_identities": DENIED,
        "event_wishes": DENIED,
        "told_events": DENIED,
        "event_deliveries": DENIED,
        "delivery_tries": DENIED,
        "gone_endpoints": DENIED,
    }


async def test_the_administrators_login_without_a_session_reads_nothing(bank: Bank) -> None:
    await _customer_with_history(bank)

    async with intruding(bank, Login.ADMIN) as intruder:
        rows = {relation: await intruder.rows(relation) for relation in EVERYTHING}

    assert rows == {
        **dict.fromkeys(PERSONAL, 0),
        "models": 0,
        "model_prices": 0,
        "sweep_mark": 1,
        "fold_mark": 1,
        "accounts": 0,
        "usage_records": 0,
        "usage_folds": 0,
        "api_keys": DENIED,
        "payments": 0,
        "sessions": DENIED,
        "answer_replies": DENIED,
        "runners": DENIED,
        "waiting_questions": DENIED,
        "cancel_requests": DENIED,
        "answer_pieces": DENIED,
        "answer_followers": DENIED,
        "idempotency_keys": DENIED,
        "audit_entries": 0,
        "payment_reversals": 0,
        "payment_events": 0,
        "alerts": 0,
        "book_checks": 0,
        "looks": DENIED,
        "alert_conditions": DENIED,
        "sightings": DENIED,
        "sandbox_charges": DENIED,
        "alembic_version": DENIED,
        "passwords": DENIED,
        "promised_mails": DENIED,
        "mailed_links": DENIED,
        "buckets": DENIED,
        "outside_identities": DENIED,
        "event_wishes": DENIED,
        "told_events": DENIED,
        "event_deliveries": DENIED,
        "delivery_tries": DENIED,
        "gone_endpoints": DENIED,
    }


@pytest.mark.parametrize("login", [Login.AUTH, Login.WORKER, Login.PAYMENTS])
async def test_logins_that_call_functions_read_no_table(bank: Bank, login: Login) -> None:
    admin = await bank.administrator()
    tables = [row["relname"] for row in await bank.owner.fetch(TABLES)]

    async with intruding(bank, login, admin.session_id) as intruder:
        readable = [name for name in (*tables, "answers") if await intruder.rows(name) != DENIED]

    assert readable == []


@pytest.mark.parametrize("login", list(Login))
async def test_no_login_reads_a_partition_past_its_table(bank: Bank, login: Login) -> None:
    admin = await bank.administrator()
    partitions = [row["relname"] for row in await bank.owner.fetch(PARTITIONS)]

    async with intruding(bank, login, admin.session_id) as intruder:
        readable = [name for name in partitions if await intruder.rows(name) != DENIED]

    assert len(partitions) >= 8
    assert readable == []


@pytest.mark.parametrize("login", list(Login))
async def test_no_login_writes_a_table(bank: Bank, login: Login) -> None:
    admin = await bank.administrator()
    writes = [row["statement"] for row in await bank.owner.fetch(WRITES)]

    async with intruding(bank, login, admin.session_id) as intruder:
        assert await intruder.not_denied(writes) == []

    assert len(writes) >= 5 * 15


@pytest.mark.parametrize("login", list(Login))
async def test_a_login_calls_the_functions_of_its_work_and_no_other(
    bank: Bank, login: Login
) -> None:
    admin = await bank.administrator()
    calls = {row["statement"]: row["proname"] for row in await bank.owner.fetch(CALLS)}

    async with intruding(bank, login, admin.session_id) as intruder:
        callable_ = {calls[call] for call in await intruder.not_denied(calls)}

    assert callable_ == MAY_CALL[login]


@pytest.mark.parametrize("login", list(Login))
async def test_no_login_becomes_another(bank: Bank, login: Login) -> None:
    others = [OWNER, "postgres", *(other for other in Login if other != login)]

    async with intruding(bank, login) as intruder:
        became = await intruder.not_denied(f"SET ROLE {other}" for other in others)
        became += await intruder.not_denied(
            f"SET SESSION AUTHORIZATION {other}" for other in others
        )
        came_by_setting = await intruder.attempt("SELECT set_config('role', $1, true)", OWNER)

    assert became == []
    assert came_by_setting == DENIED


@pytest.mark.parametrize("login", list(Login))
async def test_no_login_makes_anything_in_our_schema(bank: Bank, login: Login) -> None:
    async with intruding(bank, login) as intruder:
        assert (
            await intruder.not_denied(
                [
                    "CREATE TABLE tallystick.mine ()",
                    "CREATE VIEW tallystick.mine AS SELECT 1",
                    "CREATE FUNCTION tallystick.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                    "CREATE ROLE mine",
                    "COPY (SELECT 1) TO PROGRAM 'cat'",
                ]
            )
            == []
        )


async def test_customers_read_their_own_rows_only(bank: Bank) -> None:
    alice = await _customer_with_history(bank)
    await _customer_with_history(bank)

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        owners = {name: await intruder.owners(name) for name in READABLE}

    assert owners == {name: {alice.account_id} for name in READABLE}


async def test_naming_somebody_elses_rows_finds_nothing(bank: Bank) -> None:
    alice = await _customer_with_history(bank)
    mallory = await _customer_with_history(bank)

    entries = await bank.books.entry_page(
        mallory.reader, EntryFilter(account_id=alice.account_id), PageRequest()
    )
    balances = await bank.books.balances(mallory.reader, [alice.purse])
    accounts = await bank.books.accounts(mallory.reader, [alice.account_id])

    assert (entries.items, balances, accounts) == ([], {}, {})


async def test_an_administrator_reads_everybodys_rows(bank: Bank) -> None:
    customers = {(await _customer_with_history(bank)).account_id for _ in range(2)}
    admin = await bank.administrator()

    async with intruding(bank, Login.ADMIN, admin.session_id) as intruder:
        owners = {name: await intruder.owners(name) >= customers for name in READABLE}

    assert owners == dict.fromkeys(READABLE, True)


async def test_a_customers_session_reads_nothing_by_the_administrators_login(bank: Bank) -> None:
    alice = await _customer_with_history(bank)

    async with intruding(bank, Login.ADMIN, alice.session_id) as intruder:
        owners = {name: await intruder.owners(name) for name in READABLE}

    assert owners == {name: set() for name in READABLE}


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE tallystick.sessions SET ended_at = now() WHERE account_id = $1",
        "UPDATE tallystick.sessions SET expires_at = now() WHERE account_id = $1",
        SUSPEND,
        "DELETE FROM tallystick.sessions WHERE account_id = $1",
    ],
    ids=["ended", "ran out", "suspended", "removed"],
)
async def test_a_session_that_is_over_reads_nothing(bank: Bank, end: str) -> None:
    alice = await _customer_with_history(bank)
    await bank.owner.execute(end, alice.account_id)

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        owners = {name: await intruder.owners(name) for name in READABLE}

    assert owners == {name: set() for name in READABLE}


@pytest.mark.parametrize(
    "context",
    [
        "",
        "nonsense",
        "' OR true --",
        "00000000-0000-0000-0000-000000000000",
        "11111111-2222-4333-8444-555555555555",
        "{account}",
    ],
    ids=str,
)
async def test_nonsense_for_a_session_reads_nothing(bank: Bank, context: object) -> None:
    alice = await _customer_with_history(bank)

    async with intruding(bank, Login.USER) as intruder:
        await intruder.enter(str(context).format(account=alice.account_id))
        found = await intruder.attempt(
            "DO $$ BEGIN ASSERT (SELECT count(*) FROM tallystick.entries) > 0; END $$"
        )

    assert found in {"AssertError", "InvalidTextRepresentationError"}


async def test_row_level_security_cannot_be_switched_off(bank: Bank) -> None:
    alice = await _customer_with_history(bank)

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        await intruder.connection.execute("SET LOCAL row_security = off")
        outcome = await intruder.attempt("SELECT * FROM tallystick.entries")

    assert outcome == DENIED


async def test_a_copy_holds_ones_own_rows_only(bank: Bank) -> None:
    alice = await _customer_with_history(bank)
    bob = await _customer_with_history(bank)
    copied = BytesIO()

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        await intruder.connection.copy_from_table(
            "holds", schema_name="tallystick", columns=["account_id"], output=copied
        )

    assert str(alice.account_id).encode() in copied.getvalue()
    assert str(bob.account_id).encode() not in copied.getvalue()


async def test_a_function_in_a_condition_sees_ones_own_rows_only(bank: Bank) -> None:
    alice = await _customer_with_history(bank)
    await _customer_with_history(bank)
    seen: list[str] = []

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        intruder.connection.add_log_listener(lambda _, message: seen.append(message.message))
        await intruder.connection.execute(LEAK)
        await intruder.connection.fetch(
            "SELECT 1 FROM tallystick.balances WHERE pg_temp.leak(account_id)"
        )

    assert seen == [f"saw {alice.account_id}"]


async def test_a_temporary_table_does_not_stand_in_for_the_sessions(bank: Bank) -> None:
    alice = await _customer_with_history(bank)
    forged = uuid4()

    async with intruding(bank, Login.USER, forged) as intruder:
        await intruder.connection.execute(
            "CREATE TEMP TABLE sessions AS SELECT $1::uuid AS id, $2::bigint AS account_id,"
            " NULL::timestamptz AS ended_at, 'infinity'::timestamptz AS expires_at",
            forged,
            alice.account_id,
        )
        await intruder.connection.execute("SET LOCAL search_path = pg_temp, tallystick")

        assert await intruder.owners("balances") == set()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT suspension_reason FROM tallystick.accounts",
        "SELECT provider_cost FROM tallystick.usage_records",
        "SELECT 1 FROM tallystick.usage_records WHERE provider_cost > 0",
        "SELECT provider_cost FROM tallystick.usage_folds",
    ],
)
async def test_columns_for_administrators_are_closed_to_customers(bank: Bank, query: str) -> None:
    alice = await _customer_with_history(bank)

    async with intruding(bank, Login.USER, alice.session_id) as intruder:
        assert await intruder.attempt(query) == DENIED


async def _customer_with_history(bank: Bank) -> Customer:
    """A customer with a row in every table of customers' rows."""
    customer = await bank.customer(1_000)
    await bank.answer(customer.purse)
    await bank.ask(customer.purse)
    await make_program(bank, customer, budget=5)
    payment = (await bank.payments.begin(customer.session_id, ORDER, once("k"))).payment
    await bank.payments.settle(payment, judged(payment, standing(payment), now=NOW))
    await bank.folding.fold()
    return customer
