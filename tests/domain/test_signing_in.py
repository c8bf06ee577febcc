"""Who may come in, and that nobody learns at the door who else may."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.addresses import identity_of
from domain.allowing import Allowance, IdentityTries, Rate
from domain.errors import (
    AccountSuspended,
    InvalidCredentials,
    InvalidInput,
    RateLimited,
    StateConflict,
    Unavailable,
)
from domain.identity import AccountStatus, Role, Session, Viewer
from domain.mailing import MailKind, hash_of_link
from domain.offering import Offer, SignInMethod
from domain.passwords import SettingPassword
from domain.refreshing import Refreshing
from domain.signing_in import LinkSent, SigningIn, SignUp
from domain.units import AccountId, Microcredits
from tests.app.clocks import MovedClock
from tests.domain.entrance import FakeDoors, FakeHashing, FakeTokens, FakeWatch

ANNA = "anna@example.test"
HERE = "192.0.2.1"
PASSWORD = "correct horse battery staple"
LASTS = timedelta(days=30)


@dataclass(slots=True)
class Few:
    """A few tries for everybody, for ever."""

    limit: int
    taken: list[str] = field(default_factory=list)

    async def take(self, who: str, amount: int = 1) -> Allowance:
        self.taken.append(who)
        if self.taken.count(who) > self.limit:
            raise RateLimited(retry_after_seconds=60)
        clock = MovedClock()
        rate = Rate(self.limit, timedelta(minutes=1))
        return rate.take(amount, empty_at=clock.now(), now=clock.now())


@dataclass(slots=True)
class Entrance:
    """Everything at the door, and a look behind it."""

    confirms: bool = True
    methods: tuple[SignInMethod, ...] = (SignInMethod.PASSWORD, SignInMethod.MAGIC_LINK)
    is_open: bool = True
    tries_max: int = 1_000
    clock: MovedClock = field(default_factory=MovedClock)
    hashing: FakeHashing = field(default_factory=FakeHashing)
    watch: FakeWatch = field(default_factory=FakeWatch)
    doors: FakeDoors = field(init=False)
    tries: IdentityTries = field(init=False)

    def __post_init__(self) -> None:
        self.doors = FakeDoors(self.clock, lambda *_: uuid4())
        self.tries = IdentityTries(
            by_network=Few(self.tries_max), by_identity=Few(self.tries_max), watch=self.watch
        )

    @property
    def offer(self) -> Offer:
        return Offer(
            version="1",
            demo_mode=False,
            sign_up_credits=Microcredits(7),
            sign_up_open=self.is_open,
            email_confirmation=self.confirms,
            sign_in_methods=self.methods,
        )

    @property
    def signing_in(self) -> SigningIn:
        return SigningIn(
            offer=self.offer,
            accounts=self.doors,
            doors=self.doors,
            hashing=self.hashing,
            mails=self.doors,
            tokens=FakeTokens(self.clock),
            demo_sessions=Few(1),
            tries=self.tries,
            clock=self.clock,
            lasts=LASTS,
        )

    @property
    def refreshing(self) -> Refreshing:
        return Refreshing(
            books=self.doors,
            tokens=FakeTokens(self.clock),
            key=b"key",
            lasts=LASTS,
        )

    @property
    def setting(self) -> SettingPassword:
        return SettingPassword(
            offer=self.offer, books=self.doors, hashing=self.hashing, tries=self.tries
        )

    async def member(self, email: str = ANNA, password: str | None = PASSWORD) -> AccountId:
        """Somebody who has an account already."""
        hash_ = None if password is None else await self.hashing.hash(password)
        opened = await self.doors.sign_up(
            email=email, display_name=None, password_hash=hash_, sign_up_credits=Microcredits(7)
        )
        self.forget()
        return opened.account_id

    def forget(self) -> None:
        self.hashing.work.clear()
        self.doors.calls.clear()

    async def sign_in(self, email: str = ANNA, password: str = PASSWORD) -> Session:
        return await self.signing_in.sign_in(email, password, network_address=HERE)

    async def sign_up(self, email: str = ANNA, password: str | None = PASSWORD) -> object:
        return await self.signing_in.sign_up(
            SignUp(email=email, password=password), network_address=HERE
        )

    def viewer(self, account_id: AccountId) -> Viewer:
        session_id = next(
            key
            for key, each in reversed(self.doors.sessions.items())
            if each.account.id == account_id
        )
        return Viewer(account_id=account_id, session_id=session_id, role=Role.USER)


async def test_where_addresses_are_confirmed_a_sign_up_waits_in_its_mail() -> None:
    entrance = Entrance()

    told = await entrance.sign_up(" Anna@Example.Test")

    assert told == LinkSent(ANNA)
    assert entrance.doors.accounts == {}
    (promise,) = entrance.doors.promises
    assert (promise.kind, promise.email) == (MailKind.SIGN_UP, ANNA)
    assert promise.password_hash is not None
    assert PASSWORD not in promise.password_hash


async def test_where_they_are_not_a_sign_up_begins_a_session_with_its_credits() -> None:
    entrance = Entrance(confirms=False)

    session = await entrance.sign_up()

    assert isinstance(session, Session)
    assert [known.credits for known in entrance.doors.accounts.values()] == [7]
    assert entrance.doors.promises == []
    with pytest.raises(StateConflict, match="has an account already"):
        await entrance.sign_up()
    assert len(entrance.doors.accounts) == 1


async def test_a_known_address_costs_the_same_words_and_work_as_an_unknown_one() -> None:
    entrance = Entrance()
    await entrance.member()

    told = []
    for email in (ANNA, "nobody@example.test"):
        entrance.forget()
        signed_up = await entrance.sign_up(email)
        asked = await entrance.signing_in.request_link(email, None, network_address=HERE)
        assert signed_up == asked == LinkSent(email)
        with pytest.raises(InvalidCredentials) as refused:
            await entrance.sign_in(email, "wrong horse battery staple")
        told.append((str(refused.value), [*entrance.hashing.work], [*entrance.doors.calls]))

    assert told[0] == told[1]
    assert told[0][1:] == (["hash", "verify"], ["promise", "promise", "password_of_email"])


async def test_an_account_without_a_password_is_refused_after_the_same_work() -> None:
    entrance = Entrance()
    await entrance.member(password=None)

    with pytest.raises(InvalidCredentials):
        await entrance.sign_in()

    assert entrance.hashing.work == ["verify"]


async def test_the_right_password_begins_a_session() -> None:
    entrance = Entrance()
    account_id = await entrance.member()

    session = await entrance.sign_in("ANNA@example.test ")

    assert session.account_id == account_id
    assert session.refresh_token.startswith("rt_")
    assert session.access_token_expires_at == entrance.clock.now() + timedelta(minutes=15)
    assert session.refresh_token_expires_at == entrance.clock.now() + LASTS


async def test_a_password_is_one_however_its_characters_are_sent() -> None:
    entrance = Entrance()
    account_id = await entrance.member(password="schön und gut, sagte er")

    session = await entrance.sign_in(password="scho\u0308n und gut, sagte er")

    assert session.account_id == account_id


async def test_a_weak_hash_is_replaced_by_whoever_knows_the_password() -> None:
    entrance = Entrance(hashing=FakeHashing(version="old"))
    account_id = await entrance.member()
    entrance.hashing.version = "new"

    await entrance.sign_in()

    hash_ = entrance.doors.accounts[account_id].password_hash
    assert hash_ is not None
    assert hash_.startswith("new:")


async def test_a_suspension_is_told_to_nobody_but_who_knows_the_password() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    entrance.doors.accounts[account_id].status = AccountStatus.SUSPENDED

    with pytest.raises(AccountSuspended):
        await entrance.sign_in()
    with pytest.raises(InvalidCredentials):
        await entrance.sign_in(password="wrong horse battery staple")


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short", "12 to 128"),
        ("x1" * 6, "repeats itself"),
        ("abc de " * 19, "12 to 128"),
        ("my anna@example.test", "address"),
        ("nul\0 and nothing else", "U.0000"),
        ("half a \ud800 pair is none", "Unicode"),
    ],
)
async def test_a_weak_password_is_refused_with_what_to_do(password: str, told: str) -> None:
    entrance = Entrance()

    with pytest.raises(InvalidInput, match=told):
        await entrance.sign_up(password=password)

    assert entrance.hashing.work == []


async def test_a_form_gets_every_finding_at_once() -> None:
    wish = SignUp(email="anna", password="short", display_name=" ")

    with pytest.raises(InvalidInput) as refused:
        await Entrance().signing_in.sign_up(wish, network_address=HERE)

    assert [issue.path for issue in refused.value.issues] == [
        ("email",), ("password",), ("display_name",),
    ]  # fmt: skip


async def test_so_does_a_form_for_a_link() -> None:
    with pytest.raises(InvalidInput) as refused:
        await Entrance().signing_in.request_link("anna", "//evil.test", network_address=HERE)

    assert [issue.path for issue in refused.value.issues] == [("email",), ("return_path",)]


async def test_a_password_too_long_to_be_anybodys_is_not_hashed() -> None:
    entrance = Entrance()
    await entrance.member()

    for password in ("x" * 129, "\ud800" * 12):
        with pytest.raises(InvalidCredentials):
            await entrance.sign_in(password=password)

    assert entrance.hashing.work == []


async def test_what_is_not_offered_is_unavailable() -> None:
    closed = Entrance(methods=(), is_open=False)

    with pytest.raises(Unavailable):
        await closed.sign_up()
    with pytest.raises(Unavailable):
        await closed.sign_in()
    with pytest.raises(Unavailable):
        await closed.signing_in.request_link(ANNA, None, network_address=HERE)
    with pytest.raises(Unavailable):
        await closed.signing_in.start_demo_session(HERE)


async def test_a_sign_up_fits_the_ways_there_are() -> None:
    by_link = Entrance(methods=(SignInMethod.MAGIC_LINK,))
    by_password = Entrance(methods=(SignInMethod.PASSWORD,))

    with pytest.raises(InvalidInput, match="Leave it out"):
        await by_link.sign_up()
    with pytest.raises(InvalidInput, match="Needed"):
        await by_password.sign_up(password=None)
    assert await by_link.sign_up(password=None) == LinkSent(ANNA)
    assert by_link.hashing.work == []


@pytest.mark.parametrize(
    "path", ["//evil.test", "https://evil.test", "/\\evil", "evil", "", "/a\nb", "/a#b", "/" * 501]
)
async def test_a_link_leads_to_the_web_app_and_nowhere_else(path: str) -> None:
    entrance = Entrance()

    with pytest.raises(InvalidInput) as refused:
        await entrance.signing_in.request_link(ANNA, path, network_address=HERE)

    assert refused.value.issues[0].path == ("return_path",)
    assert entrance.doors.promises == []


async def test_a_link_that_was_followed_is_worth_nothing() -> None:
    entrance = Entrance()
    entrance.doors.links[hash_of_link("lt_one")] = ANNA

    session = await entrance.signing_in.redeem_link("lt_one", network_address=HERE)

    assert [known.credits for known in entrance.doors.accounts.values()] == [7]
    assert session.account_id in entrance.doors.accounts
    for token in ("lt_one", "lt_two", "", "x" * 101, "lt_\ud800"):
        with pytest.raises(InvalidCredentials):
            await entrance.signing_in.redeem_link(token, network_address=HERE)


async def test_a_suspended_account_is_not_opened_by_link() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    entrance.doors.accounts[account_id].status = AccountStatus.SUSPENDED
    entrance.doors.links[hash_of_link("lt_one")] = ANNA

    with pytest.raises(AccountSuspended):
        await entrance.signing_in.redeem_link("lt_one", network_address=HERE)


async def test_tries_are_counted_by_address_known_or_not_before_any_work() -> None:
    entrance = Entrance(tries_max=3)
    await entrance.member()

    for email in (ANNA, "nobody@example.test"):
        entrance.tries = IdentityTries(by_network=Few(99), by_identity=Few(3), watch=entrance.watch)
        for _ in range(3):
            with pytest.raises(InvalidCredentials):
                await entrance.sign_in(email, "wrong horse battery staple")
        entrance.forget()
        with pytest.raises(RateLimited):
            await entrance.sign_in(email)
        assert entrance.hashing.work == entrance.doors.calls == []
        # A flood of one kind locks no other out.
        await entrance.signing_in.request_link(email, None, network_address=HERE)


async def test_tries_are_counted_by_network_whomever_they_are_for() -> None:
    entrance = Entrance(tries_max=3)

    for number in range(3):
        await entrance.signing_in.request_link(
            f"a{number}@example.test", None, network_address=f"2001:db8::{number}"
        )

    with pytest.raises(RateLimited):
        await entrance.signing_in.redeem_link("lt_one", network_address="2001:db8::ffff")
    await entrance.signing_in.request_link(ANNA, None, network_address="2001:db8:1::1")


async def test_a_door_with_too_many_before_it_says_so() -> None:
    entrance = Entrance()
    await entrance.member()
    entrance.hashing.is_busy = True

    with pytest.raises(RateLimited):
        await entrance.sign_in()


async def test_a_refresh_token_is_traded_once_and_its_replay_ends_the_session() -> None:
    entrance = Entrance()
    await entrance.member()
    first = await entrance.sign_in()

    second = await entrance.refreshing.refresh(first.refresh_token)
    third = await entrance.refreshing.refresh(second.refresh_token)
    with pytest.raises(InvalidCredentials):
        await entrance.refreshing.refresh(first.refresh_token)
    with pytest.raises(InvalidCredentials):
        await entrance.refreshing.refresh(third.refresh_token)

    tokens = {session.refresh_token for session in (first, second, third)}
    assert len(tokens) == 3
    assert len({token[3:25] for token in tokens}) == 1
    assert {len(token) for token in tokens} == {68}


async def test_what_was_never_a_refresh_token_is_refused_unseen() -> None:
    refreshing = Entrance().refreshing

    for text in ("", "rt_", "x" * 68, "rt_" + "x" * 64, "rt_" + "x" * 66, "rt_" + "ä" * 65):
        with pytest.raises(InvalidCredentials):
            await refreshing.refresh(text)
    with pytest.raises(InvalidInput, match="Send the refresh token"):
        await refreshing.refresh(None)


async def test_a_suspended_account_does_not_refresh() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    session = await entrance.sign_in()
    entrance.doors.accounts[account_id].status = AccountStatus.SUSPENDED

    with pytest.raises(AccountSuspended):
        await entrance.refreshing.refresh(session.refresh_token)


async def test_a_password_is_changed_by_whoever_knows_it() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    await entrance.sign_in()
    await entrance.sign_in()
    viewer = entrance.viewer(account_id)

    for wrong in (None, "", "wrong horse battery staple", "x" * 129, "\ud800"):
        with pytest.raises(InvalidCredentials):
            await entrance.setting.set(viewer, "a new password", wrong, network_address=HERE)
    await entrance.setting.set(viewer, "a new password", PASSWORD, network_address=HERE)

    assert (await entrance.sign_in(password="a new password")).account_id == account_id
    assert [each.is_over for each in entrance.doors.sessions.values()] == [True, False, False]
    with pytest.raises(InvalidCredentials):
        await entrance.sign_in()


async def test_a_forgotten_password_is_set_anew_by_whoever_followed_a_link() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    entrance.doors.links[hash_of_link("lt_one")] = ANNA
    await entrance.signing_in.redeem_link("lt_one", network_address=HERE)

    await entrance.setting.set(
        entrance.viewer(account_id), "a new password", None, network_address=HERE
    )

    assert (await entrance.sign_in(password="a new password")).account_id == account_id


async def test_a_first_password_needs_a_link_as_well() -> None:
    entrance = Entrance()
    account_id = await entrance.member(password=None)
    await entrance.signing_in.begin(account_id)

    with pytest.raises(InvalidCredentials):
        await entrance.setting.set(
            entrance.viewer(account_id), "a new password", "", network_address=HERE
        )


async def test_a_password_is_not_set_where_it_would_be_of_no_use() -> None:
    without_passwords = Entrance(methods=(SignInMethod.MAGIC_LINK,))
    account_id = await without_passwords.member(password=None)
    await without_passwords.signing_in.begin(account_id)
    entrance = Entrance()
    opened = await entrance.doors.open_account(
        email=None,
        display_name=None,
        is_confirmed=False,
        is_demo=True,
        sign_up_credits=Microcredits(0),
    )
    await entrance.signing_in.begin(opened.account_id)

    with pytest.raises(InvalidInput, match="not offered"):
        await without_passwords.setting.set(
            without_passwords.viewer(account_id), "a new password", None, network_address=HERE
        )
    with pytest.raises(InvalidInput, match="no address"):
        await entrance.setting.set(
            entrance.viewer(opened.account_id), "a new password", None, network_address=HERE
        )


async def test_signing_out_ends_one_session_or_all() -> None:
    entrance = Entrance()
    account_id = await entrance.member()
    for _ in range(3):
        await entrance.sign_in()
    viewer = entrance.viewer(account_id)

    assert await entrance.refreshing.sign_out(viewer, everywhere=False) == 1
    assert await entrance.refreshing.sign_out(viewer, everywhere=True) == 3


async def test_wrong_passwords_and_links_are_noted_by_whom_they_concern() -> None:
    entrance = Entrance()
    anna = await entrance.member()
    await entrance.sign_in()
    assert entrance.watch.refused == []

    for email in (ANNA, "nobody@example.test"):
        with pytest.raises(InvalidCredentials):
            await entrance.sign_in(email, "not the password")
    with pytest.raises(InvalidCredentials):
        await entrance.signing_in.redeem_link("no link", network_address=HERE)

    assert entrance.watch.refused == [
        (HERE, identity_of("signIn", ANNA), anna),
        (HERE, identity_of("signIn", "nobody@example.test"), None),
        (HERE, None, None),
    ]
