"""A family of refresh tokens never branches: two tabs share a token, a thief ends the session."""

import asyncio

from domain.refresh_tokens import RefreshToken
from domain.refreshing import RefreshOutcome
from domain.reporting import PageRequest
from tests.persistence.bank import SUSPEND, Bank
from tests.persistence.doors import KEY, Doors

AGE = "UPDATE tallystick.sessions SET refreshed_at = refreshed_at - interval '11 seconds'"
EXPIRY = "SELECT expires_at FROM tallystick.sessions WHERE id = $1"


async def test_a_token_is_traded_for_the_next_and_the_session_goes_on(
    bank: Bank, doors: Doors
) -> None:
    customer = await bank.customer()
    session_id, first = await doors.refreshable(customer.account_id)
    before = await bank.owner.fetchval(EXPIRY, session_id)

    one = await doors.refresh(first)
    two = await doors.refresh(first.following(KEY))

    assert [one.outcome, two.outcome] == [RefreshOutcome.REFRESHED] * 2
    assert one.session_id == two.session_id == session_id
    assert one.account_id == customer.account_id
    assert one.expires_at is not None
    assert one.expires_at > before
    assert await bank.sessions.session_in_force(session_id) is not None


async def test_tabs_that_refresh_at_once_end_up_with_one_token(bank: Bank, doors: Doors) -> None:
    session_id, first = await doors.refreshable((await bank.customer()).account_id)

    refreshed = await asyncio.gather(*(doors.refresh(first) for _ in range(20)))
    next_one = await doors.refresh(first.following(KEY))

    assert {each.outcome for each in refreshed} == {RefreshOutcome.REFRESHED}
    assert {each.session_id for each in refreshed} == {session_id}
    assert next_one.outcome is RefreshOutcome.REFRESHED


async def test_a_token_that_comes_back_after_the_grace_ends_the_whole_session(
    bank: Bank, doors: Doors
) -> None:
    customer, admin = await bank.customer(), await bank.administrator()
    session_id, first = await doors.refreshable(customer.account_id)
    await doors.refresh(first)
    await bank.owner.execute(AGE)

    replayed = await doors.refresh(first)
    newest = await doors.refresh(first.following(KEY))

    assert (replayed.outcome, newest.outcome) == (RefreshOutcome.REUSED, RefreshOutcome.INVALID)
    assert await bank.sessions.session_in_force(session_id) is None
    (audit,) = (await bank.books.audit_page(admin.admin, PageRequest(first=1))).items
    assert (audit.actor_id, audit.action) == (None, "refreshSession")
    assert audit.target_id == str(customer.account_id)
    assert "used again" in audit.summary


async def test_a_token_from_before_the_last_two_ends_the_session_at_once(
    bank: Bank, doors: Doors
) -> None:
    _, first = await doors.refreshable((await bank.customer()).account_id)
    second = first.following(KEY)
    await doors.refresh(first)
    await doors.refresh(second)

    assert (await doors.refresh(first)).outcome is RefreshOutcome.REUSED
    assert (await doors.refresh(second.following(KEY))).outcome is RefreshOutcome.INVALID


async def test_a_thief_and_an_owner_cannot_both_go_on(bank: Bank, doors: Doors) -> None:
    session_id, first = await doors.refreshable((await bank.customer()).account_id)
    stolen = first.following(KEY)
    await doors.refresh(first)

    await doors.refresh(stolen)  # the thief, or the owner: nobody can tell
    await bank.owner.execute(AGE)
    await doors.refresh(stolen)  # and the other

    assert await bank.sessions.session_in_force(session_id) is None


async def test_a_token_of_nobodys_family_harms_nobody(bank: Bank, doors: Doors) -> None:
    session_id, _ = await doors.refreshable((await bank.customer()).account_id)

    assert (await doors.refresh(RefreshToken.first())).outcome is RefreshOutcome.INVALID
    assert await bank.sessions.session_in_force(session_id) is not None


async def test_a_suspended_accounts_token_is_kept_for_later(bank: Bank, doors: Doors) -> None:
    customer = await bank.customer()
    _, first = await doors.refreshable(customer.account_id)
    await bank.owner.execute(SUSPEND, customer.account_id)

    outcomes = [(await doors.refresh(first)).outcome for _ in range(2)]

    assert outcomes == [RefreshOutcome.SUSPENDED] * 2


async def test_a_throw_away_account_is_not_prolonged(bank: Bank, doors: Doors) -> None:
    customer = await bank.customer()
    session_id, first = await doors.refreshable(customer.account_id)
    await bank.owner.execute("UPDATE tallystick.accounts SET is_demo = true")
    before = await bank.owner.fetchval(EXPIRY, session_id)

    refreshed = await doors.refresh(first)

    assert refreshed.outcome is RefreshOutcome.REFRESHED
    assert refreshed.expires_at == before


async def test_a_session_that_is_over_is_not_refreshed(bank: Bank, doors: Doors) -> None:
    session_id, first = await doors.refreshable((await bank.customer()).account_id)
    await bank.owner.execute("UPDATE tallystick.sessions SET expires_at = now()")

    assert (await doors.refresh(first)).outcome is RefreshOutcome.INVALID
    assert await bank.sessions.session_in_force(session_id) is None


async def test_signing_out_ends_this_session_or_all_of_the_account(
    bank: Bank, doors: Doors
) -> None:
    customer, other = await bank.customer(), await bank.customer()
    mine = [customer.session_id, *[await bank.session(customer.account_id) for _ in range(3)]]

    here = await doors.books.end_sessions(mine[0], everywhere=False)
    again = await doors.books.end_sessions(mine[0], everywhere=True)
    in_force = [await bank.sessions.session_in_force(each) for each in mine]
    everywhere = await doors.books.end_sessions(mine[1], everywhere=True)

    assert (here, again, everywhere) == (1, 0, 3)
    assert [each is None for each in in_force] == [True, False, False, False]
    assert [await bank.sessions.session_in_force(each) for each in mine] == [None] * 4
    assert await bank.sessions.session_in_force(other.session_id) is not None
