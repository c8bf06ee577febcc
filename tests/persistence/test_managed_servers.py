"""The books on a server where nobody lets us be a superuser."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from domain.errors import InsufficientCredits
from domain.ledger import Credit, Debit, EntryKind, Once
from domain.recharging import ModelChange
from domain.sweeping import ABANDONED
from domain.units import AnswerId, EntryId, KeyNumber, Microcredits, PurseId
from persistence import embedded
from persistence.answers import PostgresAnswers
from persistence.migrating import downgrade, upgrade
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from persistence.verifying import verify
from tests.persistence.bank import MODEL, RATES, Bank, Customer, open_bank


@pytest.fixture
def managed_url(data_dir: Path) -> str:
    """An empty database, as a login reaches it that may make roles, and schemas in it."""
    cluster = embedded.start(data_dir, durable=False)
    superuser_url = cluster.url("postgres")

    async def prepare() -> None:
        connection = await asyncpg.connect(superuser_url)
        await connection.execute("CREATE ROLE operator LOGIN CREATEROLE")
        await connection.execute("CREATE DATABASE managed")
        await connection.execute("GRANT CREATE ON DATABASE managed TO operator")
        await connection.close()

    asyncio.run(prepare())
    parts = urlsplit(cluster.url("managed"))
    return urlunsplit(parts._replace(netloc="operator@"))


def test_an_operator_who_is_no_superuser_can_migrate(
    managed_url: str, deployment_secret: str
) -> None:
    upgrade(managed_url, secret=deployment_secret)
    upgrade(managed_url, secret=deployment_secret)

    report = asyncio.run(verify(managed_url))

    assert report.is_clean, report.lines()


def test_an_operator_who_is_no_superuser_can_remove_everything(
    managed_url: str, deployment_secret: str
) -> None:
    upgrade(managed_url, secret=deployment_secret)

    downgrade(managed_url)
    upgrade(managed_url, secret=deployment_secret)

    report = asyncio.run(verify(managed_url))
    assert report.is_clean, report.lines()


async def test_every_function_works_when_the_owner_is_bound_by_row_level_security(
    managed_url: str, deployment_secret: str
) -> None:
    await asyncio.to_thread(upgrade, managed_url, secret=deployment_secret)
    async with open_bank(managed_url, deployment_secret) as bank:
        admin = await bank.administrator()
        customer = await bank.customer(1_000)
        worker_url = url_of(Login.WORKER, managed_url, secret=deployment_secret)
        async with pool_of(Login.WORKER, worker_url, connections_max=1) as worker:
            await _use_everything(bank, admin, customer, PostgresAnswers(worker))

        balances = await bank.books.balances(admin.admin, [customer.purse, customer.key_purse])

    assert balances[customer.purse].total == 700
    assert balances[customer.key_purse].total == 300
    report = await verify(managed_url)
    assert report.is_clean, report.lines()


async def _use_everything(
    bank: Bank, admin: Customer, customer: Customer, stored: PostgresAnswers
) -> None:
    """Call each function of ours at least once; 1,000 come in and stay, 300 go to a key."""
    purse, key_purse = customer.purse, customer.key_purse
    ended = await bank.answer(purse, charged=40)
    await bank.office.refund(
        admin.session_id, EntryId(purse, ended.ended_at), None, reason="sorry", once=once("refund")
    )
    with pytest.raises(InsufficientCredits):
        await bank.ask(purse, 5_000)
    abandoned = await bank.ask(purse, lasts_seconds=0)
    assert list(await stored.holds(10)) == [abandoned.hold_id]
    await bank.ledger.expire(abandoned.hold_id, ABANDONED)
    await stored.find(AnswerId(purse, abandoned.hold_id.moment))
    await bank.postings.open(customer.account_id, KeyNumber(1))
    await bank.postings.transfer(
        source=purse, target=key_purse, amount=Microcredits(300), once=once("transfer")
    )
    await _owe_and_repay(bank, purse)
    await _let_credits_lapse(bank, customer)
    assert await stored.settle_purses(10) == 1
    assert await stored.ensure_partitions(datetime(2030, 1, 1, tzinfo=UTC)) == 8
    await bank.office.adjust(
        admin.session_id,
        customer.account_id,
        Microcredits(-1),
        reason="a test",
        once=once("adjust"),
    )
    await bank.office.recharge(
        admin.session_id,
        customer.account_id,
        Microcredits(1),
        expires_at=None,
        reason="a test",
        once=once("recharge"),
    )
    await bank.office.save_model(
        admin.session_id, ModelChange(id=MODEL.id, rates=RATES), summary="a test"
    )
    assert await bank.sessions.session_in_force(customer.session_id) is not None
    assert await bank.accounts.account_of_email(customer.email) == customer.account_id


async def _owe_and_repay(bank: Bank, purse: PurseId) -> None:
    """A payment is taken back when a part of it is spent; what comes in later repays it."""
    taken_back = Debit(kind=EntryKind.CHARGEBACK, amount=Microcredits(900), may_owe=True)
    owing = await bank.postings.debit(purse, taken_back, once("chargeback"))
    assert (owing.balance.total, owing.balance.owed) == (0, 200)
    paid = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(900), is_paid=True)
    assert (await bank.postings.grant(purse, paid, once("purchase"))).balance.total == 700


async def _let_credits_lapse(bank: Bank, customer: Customer) -> None:
    """Credits of a purse that is looked at, and of one that is not."""
    soon = await bank.owner.fetchval("SELECT now() + interval '200 ms'")
    for purse in (customer.purse, customer.key_purse):
        lapsing = Credit(kind=EntryKind.RECHARGE, amount=Microcredits(5), expires_at=soon)
        await bank.postings.grant(purse, lapsing, once(f"lapse {purse.key_number}"))
    await asyncio.sleep(0.3)
    balances = await bank.books.balances(customer.reader, [customer.purse])
    assert balances[customer.purse].total == 700


def once(name: str) -> Once:
    return Once.of(name, name)
