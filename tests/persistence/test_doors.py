"""Passwords and mailed links: each proof opens once, for its own account, and for nobody else."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from domain.errors import Forbidden
from domain.identity import AccountStatus
from domain.mailing import MailKind, Promise
from domain.passwords import KnownPassword
from domain.refresh_tokens import RefreshToken
from domain.reporting import PageRequest
from domain.suspending import StatusChange
from domain.units import AccountId, Microcredits
from persistence.suspending import PostgresStatusOffice
from tests.persistence.bank import SUSPEND, Bank, Customer
from tests.persistence.doors import CREDITS, HASH, LASTS, OTHER_HASH, Doors
from tests.persistence.programs import make_program

ANNA = "anna@example.test"
FRESH = timedelta(minutes=10)


async def _signed_up(doors: Doors, email: str = ANNA) -> AccountId:
    opened = await doors.books.sign_up(
        email=email, display_name=None, password_hash=HASH, sign_up_credits=CREDITS
    )
    return opened.account_id


async def _by_password(
    doors: Doors, account_id: AccountId, hash_: str = HASH, newer: str | None = None
) -> UUID | None:
    known = KnownPassword(account_id=account_id, hash=hash_, status=AccountStatus.ACTIVE)
    return await doors.books.start_password_session(
        known, newer_hash=newer, lasts=LASTS, refresh_token=RefreshToken.first()
    )


async def test_a_sign_up_makes_one_account_with_one_grant(doors: Doors, bank: Bank) -> None:
    opened = await asyncio.gather(*(_signed_up(doors) for _ in range(20)))

    assert len(set(opened)) == 1
    assert await bank.owner.fetchval("SELECT sum(amount) FROM tallystick.entries") == CREDITS
    known = await doors.books.password_of_email(ANNA)
    assert known == KnownPassword(account_id=opened[0], hash=HASH, status=AccountStatus.ACTIVE)


async def test_a_password_that_was_not_hashed_is_never_kept(doors: Doors) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await doors.books.sign_up(
            email=ANNA, display_name=None, password_hash="in the clear", sign_up_credits=CREDITS
        )

    assert await doors.count("accounts") == 0


async def test_a_password_opens_as_long_as_it_is_the_one_that_was_checked(doors: Doors) -> None:
    account_id = await _signed_up(doors)

    right = await _by_password(doors, account_id)
    stale = await _by_password(doors, account_id, OTHER_HASH)

    assert right is not None
    assert stale is None


async def test_a_password_does_not_open_a_suspended_account(doors: Doors, bank: Bank) -> None:
    account_id = await _signed_up(doors)
    await bank.owner.execute(SUSPEND, account_id)

    assert await _by_password(doors, account_id) is None


async def test_a_newer_hash_takes_the_place_of_the_old_one(doors: Doors) -> None:
    account_id = await _signed_up(doors)

    opened = await asyncio.gather(
        *(_by_password(doors, account_id, newer=OTHER_HASH) for _ in "ab")
    )

    assert any(opened)
    known = await doors.books.password_of_email(ANNA)
    assert known is not None
    assert known.hash == OTHER_HASH


async def test_a_new_password_ends_the_other_sessions_and_links_on_their_way(
    doors: Doors, bank: Bank
) -> None:
    account_id = await _signed_up(doors)
    mine, others = [await bank.session(account_id) for _ in range(2)]
    link = await doors.link(ANNA, MailKind.SIGN_IN)

    was_set = await doors.books.set_password(mine, before=HASH, hash_=OTHER_HASH)

    assert was_set
    assert await bank.sessions.session_in_force(mine) is not None
    assert await bank.sessions.session_in_force(others) is None
    assert (await doors.redeem(link)).session_id is None
    assert await _by_password(doors, account_id) is None
    assert await _by_password(doors, account_id, OTHER_HASH) is not None


@pytest.mark.parametrize("before", [HASH, None])
async def test_of_two_who_set_a_password_at_once_one_is_too_late(
    doors: Doors, bank: Bank, before: str | None
) -> None:
    if before is None:
        account_id = (await bank.customer()).account_id
    else:
        account_id = await _signed_up(doors)
    sessions = [await bank.session(account_id) for _ in range(10)]

    set_by = await asyncio.gather(
        *(
            doors.books.set_password(each, before=before, hash_=f"$argon2id${number}")
            for number, each in enumerate(sessions)
        )
    )

    assert set_by.count(True) == 1
    assert await bank.sessions.session_in_force(sessions[set_by.index(True)]) is not None
    assert await bank.owner.fetchval("SELECT hash FROM tallystick.passwords") == (
        f"$argon2id${set_by.index(True)}"
    )


async def test_a_session_that_is_over_sets_no_password(doors: Doors, bank: Bank) -> None:
    account_id = await _signed_up(doors)
    session_id = await bank.session(account_id)
    await bank.owner.execute("UPDATE tallystick.sessions SET ended_at = now()")

    assert await doors.books.password_of_session(session_id, link_within=FRESH) is None
    assert not await doors.books.set_password(session_id, before=HASH, hash_=OTHER_HASH)


async def test_a_session_by_link_is_recent_for_a_while(doors: Doors, bank: Bank) -> None:
    await _signed_up(doors)
    session_id = (await doors.redeem(await doors.link(ANNA, MailKind.SIGN_IN))).session_id
    assert session_id is not None

    at_once = await doors.books.password_of_session(session_id, link_within=FRESH)
    await bank.owner.execute(
        "UPDATE tallystick.sessions SET created_at = created_at - interval '11 minutes'"
    )
    later = await doors.books.password_of_session(session_id, link_within=FRESH)

    assert at_once is not None
    assert later is not None
    assert (at_once.is_by_recent_link, later.is_by_recent_link) == (True, False)


async def test_a_link_opens_once_however_many_follow_it(doors: Doors, bank: Bank) -> None:
    link = await doors.link(ANNA, password_hash=HASH)

    redeemed = await asyncio.gather(*(doors.redeem(link) for _ in range(20)))

    sessions = [each.session_id for each in redeemed if each.session_id is not None]
    assert len(sessions) == 1
    assert await doors.count("sessions") == 1
    assert await bank.owner.fetchval("SELECT sum(amount) FROM tallystick.entries") == CREDITS
    assert await bank.sessions.session_in_force(sessions[0]) is not None


async def test_an_account_begins_when_its_address_is_proved(doors: Doors, bank: Bank) -> None:
    link = await doors.link(ANNA, password_hash=HASH)
    before = await doors.count("accounts")

    account_id = (await doors.redeem(link)).account_id

    row = await bank.owner.fetchrow(
        "SELECT display_name, role, confirmed_at FROM tallystick.accounts"
        " JOIN tallystick.account_contacts ON account_id = id"
    )
    known = await doors.books.password_of_email(ANNA)
    assert before == 0
    assert row is not None
    assert (row["display_name"], row["role"]) == ("Anna", "USER")
    assert row["confirmed_at"] is not None
    assert known == KnownPassword(
        account_id=AccountId(account_id or 0), hash=HASH, status=AccountStatus.ACTIVE
    )


async def test_sign_ups_of_one_address_end_in_one_account_with_one_grant(
    doors: Doors, bank: Bank
) -> None:
    links = [await doors.link(ANNA, password_hash=HASH) for _ in range(20)]

    redeemed = await asyncio.gather(*(doors.redeem(link) for link in links))

    accounts = {each.account_id for each in redeemed if each.session_id}
    assert len(accounts) == 1
    assert await doors.count("accounts") == 1
    assert await bank.owner.fetchval("SELECT sum(amount) FROM tallystick.entries") == CREDITS


async def test_the_link_that_is_followed_makes_the_others_worthless(doors: Doors) -> None:
    strangers = await doors.link(ANNA, password_hash=OTHER_HASH)
    own = await doors.link(ANNA, password_hash=HASH)

    opened = await doors.redeem(own)

    assert (await doors.redeem(strangers)).session_id is None
    assert await _by_password(doors, AccountId(opened.account_id or 0)) is not None


async def test_a_link_is_worthless_after_its_time(doors: Doors) -> None:
    link = await doors.link(ANNA, lasts=timedelta(0))

    assert (await doors.redeem(link)).session_id is None
    assert await doors.count("accounts") == 0


async def test_a_link_does_not_open_a_suspended_account(doors: Doors, bank: Bank) -> None:
    account_id = await _signed_up(doors)
    link = await doors.link(ANNA, MailKind.SIGN_IN)
    await bank.owner.execute(SUSPEND, account_id)

    redeemed = await doors.redeem(link)

    assert (redeemed.is_suspended, redeemed.session_id) == (True, None)


async def test_whoever_proves_an_address_first_finds_nobody_elses_way_in(
    doors: Doors, bank: Bank
) -> None:
    squatted = await _signed_up(doors)
    squatters = await bank.session(squatted)
    key = await make_program(bank, Customer(squatted, squatters, ANNA))

    opened = await doors.redeem(await doors.link(ANNA, MailKind.SIGN_IN))
    again = await doors.redeem(await doors.link(ANNA, MailKind.SIGN_IN))

    assert opened.account_id == squatted
    assert await bank.sessions.session_in_force(squatters) is None
    assert await _by_password(doors, squatted) is None
    assert await bank.keys.key_in_force(key.id) is None
    assert opened.session_id is not None
    assert await bank.sessions.session_in_force(opened.session_id) is not None
    assert again.session_id is not None


async def test_a_sign_up_under_a_known_address_changes_nothing_about_it(doors: Doors) -> None:
    await doors.redeem(await doors.link(ANNA, password_hash=HASH))
    await doors.mails.promise(Promise(kind=MailKind.SIGN_UP, email=ANNA, password_hash=OTHER_HASH))
    (mail,) = await doors.claim()

    kind = await doors.mint(mail, "lt_known")

    assert kind is MailKind.SIGN_IN
    opened = await doors.redeem("lt_known")
    assert await _by_password(doors, AccountId(opened.account_id or 0)) is not None


@pytest.mark.parametrize("whose", ["nobody's", "a demo account's"])
async def test_a_link_for_nobody_or_for_a_demo_account_is_not_mailed(
    doors: Doors, bank: Bank, whose: str
) -> None:
    if whose == "a demo account's":
        await _signed_up(doors)
        await bank.owner.execute("UPDATE tallystick.accounts SET is_demo = true")
    await doors.mails.promise(Promise(kind=MailKind.SIGN_IN, email=ANNA))
    (mail,) = await doors.claim()

    assert await doors.mint(mail, "lt_nobody") is None
    assert await doors.count("promised_mails") == 0
    assert await doors.count("mailed_links") == 0


async def test_a_promised_mail_is_sent_by_one_process(doors: Doors) -> None:
    for number in range(30):
        await doors.mails.promise(Promise(kind=MailKind.SIGN_UP, email=f"a{number}@example.test"))

    claimed = await asyncio.gather(*(doors.claim() for _ in range(8)))

    ids = [mail.id for mails in claimed for mail in mails]
    assert len(doors.pokes) == 30
    assert len(set(ids)) == len(ids) == 30
    assert await doors.claim() == []


async def test_a_mail_whose_process_died_is_sent_by_another_with_a_link_of_its_own(
    doors: Doors, bank: Bank
) -> None:
    await doors.mails.promise(Promise(kind=MailKind.SIGN_UP, email=ANNA, return_path="/keys"))
    (lost,) = await doors.claim()
    await doors.mint(lost, "lt_first")
    meanwhile = await doors.claim()
    await bank.owner.execute(
        "UPDATE tallystick.promised_mails SET next_try_at = next_try_at - interval '60 seconds'"
    )

    (found,) = await doors.claim()
    await doors.mint(found, "lt_second")
    await doors.mails.finish(found)

    assert meanwhile == []
    assert (found.id, found.email, found.return_path) == (lost.id, ANNA, "/keys")
    assert (lost.tries, found.tries) == (1, 2)
    assert (await doors.redeem("lt_second")).session_id is not None
    assert await doors.count("promised_mails") == 0


async def test_what_is_long_over_is_forgotten(doors: Doors, bank: Bank) -> None:
    kept = await bank.customer()
    old = await bank.customer()
    await bank.owner.execute(
        "UPDATE tallystick.sessions SET expires_at = now() - interval '40 days' WHERE id = $1",
        old.session_id,
    )
    await doors.link("old@example.test", lasts=timedelta(hours=-2))
    await doors.link("new@example.test")
    now = datetime.now(UTC)  # noqa: TID251 - the database's own clock goes on beside it

    forgotten = await doors.leftovers.forget(
        links_before=now - timedelta(hours=1), sessions_before=now - timedelta(days=30)
    )

    assert forgotten == 2
    assert await bank.sessions.session_in_force(kept.session_id) is not None
    assert await doors.count("mailed_links") == 1


async def test_a_suspension_holds_at_once_and_says_by_whom_and_why(bank: Bank) -> None:
    office = PostgresStatusOffice(bank.books.engines)
    admin, alice = await bank.administrator(), await bank.customer()

    first = await office.suspend_account(admin.session_id, alice.account_id, reason="fraud")
    again = await office.suspend_account(admin.session_id, alice.account_id, reason="fraud")
    during = await bank.sessions.session_in_force(alice.session_id)
    lifted = await office.reinstate_account(admin.session_id, alice.account_id, reason="a mistake")
    lifted_again = await office.reinstate_account(admin.session_id, alice.account_id, reason="x")
    after = await bank.sessions.session_in_force(alice.session_id)
    new = await bank.sessions.session_in_force(await bank.session(alice.account_id))

    assert (first, again) == (StatusChange.CHANGED, StatusChange.UNCHANGED)
    assert (lifted, lifted_again) == (StatusChange.CHANGED, StatusChange.UNCHANGED)
    assert during is not None
    assert during.status is AccountStatus.SUSPENDED
    assert after is None
    assert new is not None
    assert new.status is AccountStatus.ACTIVE
    audits = (await bank.books.audit_page(admin.admin, PageRequest(first=2))).items
    assert [(a.actor_id, a.action, a.target_id, a.summary) for a in audits] == [
        (admin.account_id, "reinstateAccount", str(alice.account_id), "reinstated: a mistake"),
        (admin.account_id, "suspendAccount", str(alice.account_id), "suspended: fraud"),
    ]


async def test_a_token_of_another_issuer_from_before_a_suspension_stays_out(bank: Bank) -> None:
    office = PostgresStatusOffice(bank.books.engines)
    admin, alice = await bank.administrator(), await bank.customer()
    await bank.owner.execute(
        "INSERT INTO tallystick.outside_identities (issuer, subject, account_id, is_confirmed)"
        " VALUES ('https://issuer.test', 'alice', $1, true)",
        alice.account_id,
    )

    await office.suspend_account(admin.session_id, alice.account_id, reason="fraud")
    await office.reinstate_account(admin.session_id, alice.account_id, reason="a mistake")

    ended_before = await bank.owner.fetchval(
        "SELECT ended_before FROM tallystick.outside_identities"
    )
    assert ended_before is not None


async def test_an_administrator_does_not_suspend_themselves_nor_nobody(bank: Bank) -> None:
    office = PostgresStatusOffice(bank.books.engines)
    admin = await bank.administrator()

    oneself = await office.suspend_account(admin.session_id, admin.account_id, reason="tired")
    nobody = await office.suspend_account(admin.session_id, AccountId(1), reason="who")
    nobody_back = await office.reinstate_account(admin.session_id, AccountId(1), reason="who")

    assert oneself is StatusChange.ONESELF
    assert nobody is nobody_back is StatusChange.NOT_FOUND


@pytest.mark.parametrize(
    "lose",
    ["UPDATE tallystick.accounts SET role = 'USER' WHERE id = $1", SUSPEND],
    ids=["demoted", "suspended"],
)
async def test_the_database_asks_for_the_right_again(bank: Bank, lose: str) -> None:
    office = PostgresStatusOffice(bank.books.engines)
    admin, alice = await bank.administrator(), await bank.customer()
    await bank.owner.execute(lose, admin.account_id)

    for actor in (alice, admin):
        with pytest.raises(Forbidden):
            await office.suspend_account(actor.session_id, alice.account_id, reason="mine")
        with pytest.raises(Forbidden):
            await office.reinstate_account(actor.session_id, alice.account_id, reason="mine")
    assert (
        await bank.owner.fetchval(
            "SELECT status FROM tallystick.accounts WHERE id = $1", alice.account_id
        )
        == "ACTIVE"
    )


async def test_a_grant_of_nothing_is_none(doors: Doors) -> None:
    opened = await doors.books.sign_up(
        email=ANNA, display_name=None, password_hash=None, sign_up_credits=Microcredits(0)
    )

    assert opened.is_new
    assert await doors.count("entries") == 0
    assert await doors.count("passwords") == 0
