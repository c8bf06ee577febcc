"""Whoever comes from outside has one account, one grant, and no way into anybody else's account."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from domain.outside_identity import OutsideIdentity, OutsideToken
from domain.units import AccountId, Microcredits
from persistence.doors import PostgresDoors
from persistence.outside_accounts import PostgresOutsideAccounts
from persistence.verifying import verify
from tests.persistence.bank import SUSPEND, Bank

GRANT = Microcredits(1_000)
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the database asks its own
ADA = OutsideIdentity(
    issuer="https://login.test/",
    subject="7",
    confirmed_email="Ada@example.test",
    display_name="Ada",
)
ANONYMOUS = OutsideIdentity(issuer="https://login.test/", subject="8")

TOTALS = """
SELECT a.id, b.total, c.email, c.confirmed_at IS NOT NULL AS is_confirmed,
       (SELECT count(*) FROM tallystick.entries e
         WHERE e.account_id = a.id AND e.kind = 'SIGN_UP_GRANT') AS grants
  FROM tallystick.accounts a
  JOIN tallystick.balances b ON b.account_id = a.id AND b.key_number = 0
  LEFT JOIN tallystick.account_contacts c ON c.account_id = a.id
 ORDER BY a.created_at, a.id
"""


def token_of(identity: OutsideIdentity, session_id: UUID | None = None) -> OutsideToken:
    return OutsideToken(
        identity=identity,
        session_id=session_id or uuid4(),
        issued_at=NOW - timedelta(minutes=1),
        expires_at=NOW + timedelta(hours=1),
    )


@pytest.fixture
def outside(bank: Bank) -> PostgresOutsideAccounts:
    return PostgresOutsideAccounts(bank.auth)


async def accounts(bank: Bank) -> list[tuple[int, str | None, bool, int]]:
    """The total, address, confirmation and number of grants of each account, oldest first."""
    return [
        (row["total"], row["email"], row["is_confirmed"], row["grants"])
        for row in await bank.owner.fetch(TOTALS)
    ]


async def adopted(outside: PostgresOutsideAccounts, identity: OutsideIdentity) -> AccountId:
    return (await outside.adopt(identity, sign_up_credits=GRANT)).account_id


async def test_twenty_first_sights_at_once_make_one_account_and_one_grant(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    session_id = uuid4()

    entered = await asyncio.gather(
        *(outside.enter(token_of(ADA, session_id), sign_up_credits=GRANT) for _ in range(10)),
        *(outside.enter(token_of(ADA), sign_up_credits=GRANT) for _ in range(10)),
    )

    assert entered == [True] * 20
    assert await accounts(bank) == [(1_000, "ada@example.test", True, 1)]
    assert (await verify(bank.url)).is_clean


async def test_two_issuers_that_know_one_address_at_once_lead_to_one_account(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    others = [replace(ADA, issuer=f"https://{number}.test", subject="1") for number in range(20)]

    found = await asyncio.gather(*(adopted(outside, identity) for identity in others))

    assert len(set(found)) == 1
    assert await accounts(bank) == [(1_000, "ada@example.test", True, 1)]


async def test_the_same_subject_of_another_issuer_is_somebody_else(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    other = replace(ADA, issuer="https://other.test/", confirmed_email="bob@example.test")

    assert await adopted(outside, ADA) != await adopted(outside, other)
    assert len(await accounts(bank)) == 2


async def test_an_address_confirmed_on_both_sides_leads_to_the_account_that_is_there(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    customer = await bank.customer(5)

    identity = replace(ADA, confirmed_email=customer.email.upper())
    opened = await outside.adopt(identity, sign_up_credits=GRANT)

    assert (opened.account_id, opened.is_new) == (customer.account_id, False)
    assert await accounts(bank) == [(5, customer.email, True, 1)]


async def test_an_address_that_somebody_here_merely_claims_is_not_taken_over(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    claimed = await bank.accounts.open_account(
        email="ada@example.test",
        display_name=None,
        is_confirmed=False,
        is_demo=False,
        sign_up_credits=Microcredits(7),
    )

    own = await adopted(outside, ADA)
    again = await adopted(outside, replace(ADA, subject="another"))

    assert len({claimed.account_id, own, again}) == 3
    assert await accounts(bank) == [
        (7, "ada@example.test", False, 1),
        (0, None, False, 0),
        (0, None, False, 0),
    ]


async def test_a_demo_account_is_not_linked_to(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    demo = await bank.accounts.open_account(
        email="ada@example.test",
        display_name=None,
        is_confirmed=True,
        is_demo=True,
        sign_up_credits=Microcredits(0),
    )

    assert await adopted(outside, ADA) != demo.account_id


async def test_whoever_has_no_confirmed_address_gets_no_credits_until_they_have(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    first = await adopted(outside, ANONYMOUS)
    assert await accounts(bank) == [(0, None, False, 0)]

    confirmed = replace(ANONYMOUS, confirmed_email="zoe@example.test")
    later = await asyncio.gather(*(adopted(outside, confirmed) for _ in range(20)))

    assert set(later) == {first}
    assert await accounts(bank) == [(1_000, "zoe@example.test", True, 1)]
    assert (await verify(bank.url)).is_clean


async def test_confirming_an_address_that_has_credits_already_brings_none(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    await adopted(outside, ADA)
    await adopted(outside, ANONYMOUS)

    await adopted(outside, replace(ANONYMOUS, confirmed_email=ADA.confirmed_email))
    await adopted(outside, replace(ANONYMOUS, confirmed_email="zoe@example.test"))

    assert await accounts(bank) == [(1_000, "ada@example.test", True, 1), (0, None, False, 0)]


async def test_a_first_sight_and_a_sign_up_at_once_leave_two_whole_accounts_at_most(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    doors = PostgresDoors(bank.auth)

    await asyncio.gather(
        adopted(outside, ADA),
        doors.sign_up(
            email="ada@example.test",
            display_name=None,
            password_hash=None,
            sign_up_credits=Microcredits(3),
        ),
    )

    found = await accounts(bank)
    assert [email for _, email, _, _ in found].count("ada@example.test") == 1
    assert sum(grants for _, _, _, grants in found) == 1
    assert (await verify(bank.url)).is_clean


async def test_a_session_from_outside_is_looked_up_as_any_other_and_ends_at_once(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    token = token_of(ADA)
    await outside.enter(token, sign_up_credits=GRANT)
    before = await bank.sessions.session_in_force(token.session_id)

    ended = await PostgresDoors(bank.auth).end_sessions(token.session_id, everywhere=False)

    assert before is not None
    assert ended == 1
    assert await bank.sessions.session_in_force(token.session_id) is None
    assert not await outside.enter(token, sign_up_credits=GRANT)
    assert await outside.enter(token_of(ADA), sign_up_credits=GRANT)


async def test_a_renewed_token_prolongs_its_session(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    token = token_of(ADA)
    await outside.enter(token, sign_up_credits=GRANT)
    await bank.owner.execute("UPDATE tallystick.sessions SET expires_at = now() - interval '1 s'")
    assert await bank.sessions.session_in_force(token.session_id) is None

    renewed = replace(token, expires_at=NOW + timedelta(hours=2))

    assert await outside.enter(renewed, sign_up_credits=GRANT)
    assert await bank.sessions.session_in_force(token.session_id) is not None


async def test_ending_everything_ends_tokens_that_were_not_seen_yet(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    seen, unseen = token_of(ADA), token_of(ADA)
    await outside.enter(seen, sign_up_credits=GRANT)

    await PostgresDoors(bank.auth).end_sessions(seen.session_id, everywhere=True)
    newer = replace(token_of(ADA), issued_at=NOW + timedelta(hours=1))

    assert not await outside.enter(unseen, sign_up_credits=GRANT)
    assert await outside.enter(newer, sign_up_credits=GRANT)


async def test_a_new_password_ends_tokens_from_before(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    token = token_of(ADA)
    await outside.enter(token, sign_up_credits=GRANT)
    own = await bank.session(await adopted(outside, ADA))

    was_set = await PostgresDoors(bank.auth).set_password(
        own, before=None, hash_="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
    )

    assert was_set
    assert await bank.sessions.session_in_force(token.session_id) is None
    assert not await outside.enter(token_of(ADA), sign_up_credits=GRANT)


async def test_a_suspended_accounts_tokens_are_known_to_be(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    token = token_of(ADA)
    await outside.enter(token, sign_up_credits=GRANT)
    await bank.owner.execute(SUSPEND, await adopted(outside, ADA))

    found = await bank.sessions.session_in_force(token.session_id)

    assert found is not None
    assert found.status == "SUSPENDED"


async def test_a_session_of_somebody_else_is_not_entered(
    bank: Bank, outside: PostgresOutsideAccounts
) -> None:
    bobs = token_of(replace(ADA, subject="bob", confirmed_email=None))
    await outside.enter(bobs, sign_up_credits=GRANT)

    assert not await outside.enter(token_of(ADA, bobs.session_id), sign_up_credits=GRANT)
