"""Lists are paged from the newest backwards, and what a page costs does not grow with the log."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlmodel import func, select

from domain.answers import AnswerStatus, UsageOutcome, UsageRecord
from domain.errors import InsufficientCredits, InvalidInput
from domain.identity import AccountStatus, Role
from domain.ledger import EntryKind, HoldStatus, Once
from domain.reporting import (
    AccountFilter,
    AnswerFilter,
    EntryFilter,
    HoldFilter,
    Page,
    PageRequest,
    Span,
    UsageFilter,
)
from domain.running import time_of
from domain.sweeping import ABANDONED
from domain.units import AccountId, ApiKeyId, KeyNumber, Microcredits, ModelId
from persistence.books import PostgresBooks
from persistence.engine import Engines
from tests.persistence.bank import SUSPEND, Bank, Customer

Item = TypeVar("Item")

ONE = KeyNumber(1)

REFUSALS = """
INSERT INTO tallystick.usage_records
SELECT ($1::bigint[])[1 + n % cardinality($1::bigint[])],
       (extract(epoch FROM now() - n * $3::interval) * 1000000)::bigint, 0, 0, NULL, 1, 'REFUSED',
       'small', 1, 0, 0, 0, false, 0, NULL, NULL, 'INSUFFICIENT_CREDITS', NULL
  FROM generate_series($4::integer, $2::integer - 1) AS n ORDER BY n DESC
"""
"""Records of some accounts in turn, numbered from now backwards at even distances."""

ROOM = "SELECT tallystick.ensure_partitions(now() - interval '2 years', now())"

ROWS_READ = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_user_tables
 WHERE relname LIKE 'usage_records%'
"""


PEOPLE = """
INSERT INTO tallystick.accounts (id, display_name)
SELECT 1000000 + n, 'Mr ' || n FROM generate_series(1, 50000) n
"""
ADDRESSES = """
INSERT INTO tallystick.account_contacts (account_id, email)
SELECT 1000000 + n, 'person' || n || '@example.test' FROM generate_series(1, 50000) n
"""
ACCOUNTS_READ = """
SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables
 WHERE relname IN ('accounts', 'account_contacts')
"""


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(bank: Bank) -> None:
    alice, bob = await bank.customer(), await bank.customer()
    await _refuse(bank, [alice, bob], 14, apart=timedelta(seconds=1))

    pages = await _walk(lambda page: bank.books.usage_page(alice.reader, UsageFilter(), page), 3)

    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert [page.has_next for page in pages] == [True, True, False]
    moments = [record.id.moment for page in pages for record in page.items]
    assert moments == sorted(set(moments), reverse=True)


async def test_administrators_page_through_everybodys_rows_however_far_apart(bank: Bank) -> None:
    customers = [await bank.customer() for _ in range(3)]
    admin = await bank.administrator()
    for apart in (timedelta(milliseconds=1), timedelta(minutes=5), timedelta(days=90)):
        await _refuse(bank, customers, 8, apart=apart)

    pages = await _walk(lambda page: bank.books.usage_page(admin.admin, UsageFilter(), page), 4)

    assert [len(page.items) for page in pages] == [4] * 6
    found = [(r.id.moment, r.id.purse.account_id) for page in pages for r in page.items]
    assert found == sorted(set(found), reverse=True)


@pytest.mark.parametrize(
    ("whose", "rows_max"),
    [
        ("one's own", 75),
        ("an account's", 75),
        # Blocks that hold a window's rows hold others as well: a few hundred each.
        ("everybody's", 16_000),
    ],
)
async def test_what_a_page_costs_does_not_grow_with_the_log(
    bank: Bank, one_connection: Engines, whose: str, rows_max: int
) -> None:
    customers = [await bank.customer() for _ in range(20)]
    admin = await bank.administrator()
    reader, account_id = {
        "one's own": (customers[0].reader, None),
        "an account's": (admin.admin, customers[0].account_id),
        "everybody's": (admin.admin, None),
    }[whose]
    wanted = UsageFilter(account_id=account_id)
    books = PostgresBooks(one_connection)
    costs = []

    for length, before in ((20_000, 0), (80_000, 20_000)):
        await _refuse(bank, customers, length, before, apart=timedelta(minutes=1))
        await bank.vacuum("tallystick.usage_records")
        counted = await bank.owner.fetchval(ROWS_READ)
        page = await books.usage_page(reader, wanted, PageRequest())
        await books.usage_page(reader, wanted, PageRequest(after=page.places[-1]))
        await books.usage_page(reader, wanted, PageRequest(after=(_ten_days_ago(page), 0, 0)))
        async with one_connection.reading(reader) as session:
            await session.exec(select(func.pg_stat_force_next_flush()))
        costs.append(await bank.owner.fetchval(ROWS_READ) - counted)

    assert all(60 <= cost <= rows_max for cost in costs), costs


async def test_a_page_holds_what_was_asked_for(bank: Bank) -> None:
    alice = await bank.customer(1_000)
    first = await bank.answer(alice.purse, charged=40)
    second = await bank.answer(alice.purse, charged=50)
    with pytest.raises(InsufficientCredits):
        await bank.ask(alice.purse, 5_000)
    books, reader = bank.books, alice.reader
    refused = frozenset({UsageOutcome.REFUSED})
    charges = frozenset({EntryKind.CHARGE})

    by_outcome = await books.usage_page(reader, UsageFilter(outcomes=refused), PageRequest())
    by_model = await books.usage_page(reader, UsageFilter(model_id=ModelId("x")), PageRequest())
    key = ApiKeyId(alice.account_id, ONE)
    by_key = await books.usage_page(reader, UsageFilter(api_key=key), PageRequest())
    by_kind = await books.entry_page(reader, EntryFilter(kinds=charges), PageRequest())
    by_purse = await books.entry_page(reader, EntryFilter(api_key=key), PageRequest())
    until_second = await books.entry_page(
        reader,
        EntryFilter(span=Span(time_of(first.ended_at), time_of(second.ended_at))),
        PageRequest(),
    )

    assert [record.outcome for record in by_outcome.items] == [UsageOutcome.REFUSED]
    assert (by_model.items, by_key.items, by_purse.items) == ([], [], [])
    assert [entry.amount for entry in by_kind.items] == [-50, -40]
    assert [entry.amount for entry in until_second.items] == [-40]


@pytest.mark.parametrize("role", list(Role))
async def test_what_is_open_is_found_among_what_has_ended(bank: Bank, role: Role) -> None:
    alice = await bank.customer(1_000)
    reader = alice.reader if role is Role.USER else (await bank.administrator()).admin
    await bank.answer(alice.purse)
    failed = await bank.ask(alice.purse)
    await bank.ledger.release(failed.hold_id, ABANDONED)
    taken = await bank.ask(alice.purse)
    running = frozenset({AnswerStatus.RUNNING, AnswerStatus.QUEUED})
    ended = frozenset({AnswerStatus.SUCCEEDED, AnswerStatus.FAILED})
    books = bank.books

    open_holds = await books.hold_page(reader, HoldFilter(status=HoldStatus.OPEN), PageRequest())
    captured = await books.hold_page(reader, HoldFilter(status=HoldStatus.CAPTURED), PageRequest())
    in_progress = await books.answer_page(reader, AnswerFilter(statuses=running), PageRequest())
    finished = await books.answer_page(reader, AnswerFilter(statuses=ended), PageRequest())

    assert [hold.id for hold in open_holds.items] == [taken.hold_id]
    assert [hold.captured for hold in captured.items] == [40]
    assert [answer.id.hold_id for answer in in_progress.items] == [taken.hold_id]
    assert [answer.status for answer in finished.items] == [
        AnswerStatus.FAILED,
        AnswerStatus.SUCCEEDED,
    ]


@pytest.mark.parametrize(
    "place", [(), (1,), (1, 2, 3, 4), (-1, 1, 0), (1, 2**63, 0), (1, 1, 2**31)], ids=str
)
async def test_a_place_of_another_list_is_refused(bank: Bank, place: tuple[int, ...]) -> None:
    reader = (await bank.customer()).reader

    with pytest.raises(InvalidInput, match="not one of this list"):
        await bank.books.usage_page(reader, UsageFilter(), PageRequest(after=place))


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("anna@", {"Anna"}),
        ("ANNA@EX", {"Anna"}),
        ("anna b", {"Anna B"}),
        ("ann", {"Anna B", "Anna"}),
        ("nna", set()),
        ("%", set()),
        ("an_a", set()),
        ("example", set()),
    ],
)
async def test_accounts_are_found_by_the_start_of_a_name_or_an_address(
    bank: Bank, search: str, found: set[str]
) -> None:
    admin = await bank.administrator()
    opened: dict[AccountId, str] = {}
    for name, email in (("Anna", "anna@example.test"), ("Anna B", "b@example.test")):
        account = await bank.accounts.open_account(
            email=email,
            display_name=name,
            is_confirmed=False,
            is_demo=False,
            sign_up_credits=Microcredits(0),
        )
        opened[account.account_id] = name

    page = await bank.books.account_page(admin.admin, AccountFilter(search=search), PageRequest())

    expected = [account_id for account_id, name in opened.items() if name in found]
    # Newest first; ids of one millisecond are in no order.
    assert [account.id for account in page.items] == sorted(expected, reverse=True)


async def test_a_search_goes_on_page_by_page_and_keeps_its_other_conditions(bank: Bank) -> None:
    admin = await bank.administrator()
    customers = [await bank.customer() for _ in range(5)]
    await bank.owner.execute(SUSPEND, customers[2].account_id)
    wanted = AccountFilter(search="CUSTOMER", status=AccountStatus.ACTIVE, role=Role.USER)

    first = await bank.books.account_page(admin.admin, wanted, PageRequest(2))
    last = await bank.books.account_page(admin.admin, wanted, PageRequest(2, first.places[-1]))

    found = [account.id for page in (first, last) for account in page.items]
    active = [customers[number].account_id for number in (0, 1, 3, 4)]
    assert found == sorted(active, reverse=True)  # ids of one millisecond are in no order
    assert [first.has_next, last.has_next] == [True, False]


@pytest.mark.parametrize("search", ["person777", "PERSON777@", "Mr 777", "person%"])
async def test_a_search_reads_what_it_finds_and_not_everybody(
    bank: Bank, one_connection: Engines, search: str
) -> None:
    admin = await bank.administrator()
    await bank.owner.execute(PEOPLE)
    await bank.owner.execute(ADDRESSES)
    await bank.vacuum("tallystick.accounts, tallystick.account_contacts")
    before = await bank.owner.fetchval(ACCOUNTS_READ)

    await PostgresBooks(one_connection).account_page(
        admin.admin, AccountFilter(search=search), PageRequest()
    )
    async with one_connection.reading(admin.admin) as session:
        await session.exec(select(func.pg_stat_force_next_flush()))
    cost = await bank.owner.fetchval(ACCOUNTS_READ) - before

    assert cost < 500


async def test_accounts_are_found_by_id_role_and_status(bank: Bank) -> None:
    admin, alice, bob = await bank.administrator(), await bank.customer(), await bank.customer()
    await bank.owner.execute(SUSPEND, bob.account_id)

    async def found(wanted: AccountFilter) -> list[AccountId]:
        page = await bank.books.account_page(admin.admin, wanted, PageRequest())
        return [account.id for account in page.items]

    everybody = [each.account_id for each in (admin, alice, bob)]
    assert await found(AccountFilter()) == sorted(everybody, reverse=True)
    assert await found(AccountFilter(account_id=alice.account_id)) == [alice.account_id]
    assert await found(AccountFilter(role=Role.ADMIN)) == [admin.account_id]
    assert await found(AccountFilter(status=AccountStatus.SUSPENDED)) == [bob.account_id]


async def test_accounts_and_audit_entries_are_paged(bank: Bank) -> None:
    admin = await bank.administrator()
    for number in range(4):
        await bank.office.recharge(
            admin.session_id,
            (await bank.customer()).account_id,
            Microcredits(number + 1),
            expires_at=None,
            reason="a test",
            once=Once.of("rechargeCredits", str(number)),
        )

    accounts = await _walk(
        lambda page: bank.books.account_page(admin.admin, AccountFilter(), page), 2
    )
    audits = await _walk(lambda page: bank.books.audit_page(admin.admin, page), 4)

    assert [len(page.items) for page in accounts] == [2, 2, 1]
    assert [len(page.items) for page in audits] == [4, 2]
    assert [audit.action for page in audits for audit in page.items] == [
        *["rechargeCredits"] * 4,
        "setRole",
        "loadModels",
    ]


async def _refuse(
    bank: Bank, customers: Sequence[Customer], until: int, since: int = 0, *, apart: timedelta
) -> None:
    """Plant records from one number to another, as many steps back from now."""
    accounts = [customer.account_id for customer in customers]
    await bank.owner.execute(ROOM)
    await bank.owner.execute(REFUSALS, accounts, until, apart, since)


def _ten_days_ago(page: Page[UsageRecord]) -> int:
    return page.items[0].id.moment - 10 * 86_400_000_000


async def _walk(
    read: Callable[[PageRequest], Awaitable[Page[Item]]], first: int
) -> list[Page[Item]]:
    """All pages of a list, each asked for after the end of the one before."""
    pages = [await read(PageRequest(first))]
    while pages[-1].has_next:
        pages.append(await read(PageRequest(first, after=pages[-1].places[-1])))
    return pages
