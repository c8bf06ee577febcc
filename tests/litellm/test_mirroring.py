"""Credits shown as budgets at LiteLLM: kept right, and in nobody's way whatever happens there."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.litellm import LiteLLMKeys
from adapters.models.loopback import serve
from domain.budget_mirroring import BudgetMirroring
from domain.identity import Role
from domain.units import AccountId, Microcredits
from schema.ids import account_name, account_named
from tests.app.clocks import MovedClock
from tests.journeys.system import House, open_house
from tests.journeys.test_first_hour import RECHARGE
from tests.litellm.fake_keys import MASTER_KEY, FakeLiteLLM

ADA, BOB = AccountId(1), AccountId(2)
ADAS, BOBS = str(account_name(ADA)), str(account_name(BOB))


@dataclass(slots=True)
class Purses:
    """Credits in memory."""

    credits: dict[AccountId, Microcredits] = field(default_factory=dict)

    async def available(self, accounts: object) -> dict[AccountId, Microcredits]:
        assert isinstance(accounts, list)
        return {account: self.credits[account] for account in accounts if account in self.credits}


@dataclass(slots=True)
class Room:
    """A mirror between credits in memory and a LiteLLM on this machine."""

    litellm: FakeLiteLLM
    purses: Purses
    clock: MovedClock
    mirroring: BudgetMirroring


@asynccontextmanager
async def open_room(
    app: ASGIApp, litellm: FakeLiteLLM, *, master_key: str = MASTER_KEY, seconds_max: float = 5
) -> AsyncIterator[Room]:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://litellm.test",
        headers={"authorization": f"Bearer {master_key}"},
    ) as http:
        keys = LiteLLMKeys(http=http, account_named=account_named, seconds_max=seconds_max)
        purses, clock = Purses(), MovedClock()
        mirroring = BudgetMirroring(
            keys=keys,
            credits=purses,
            usd_per_credit=Decimal("0.01"),
            every_seconds=10,
            clock=clock,
        )
        yield Room(litellm, purses, clock, mirroring)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    litellm = FakeLiteLLM()
    async with open_room(litellm, litellm) as room:
        yield room


async def test_a_key_has_left_what_its_account_has_available(room: Room) -> None:
    key = room.litellm.generate(ADAS, spend=1.25)
    other = room.litellm.generate(BOBS, max_budget=100.0)
    room.purses.credits = {ADA: Microcredits(250_000_000), BOB: Microcredits(0)}

    first = await room.mirroring.mirror()

    assert first == 2
    assert room.litellm.budget(key) == 3.75
    assert room.litellm.budget(other) == 0.0
    assert room.litellm.spend(key) == 1.25


async def test_a_budget_that_is_right_is_left_alone(room: Room) -> None:
    key = room.litellm.generate(ADAS, spend=0.1 + 0.2)
    room.purses.credits = {ADA: Microcredits(33_333_333)}

    rounds = [await room.mirroring.mirror() for _ in range(3)]
    room.purses.credits = {ADA: Microcredits(43_333_333)}
    recharged = await room.mirroring.mirror()

    assert rounds == [1, 0, 0]
    assert recharged == 1
    assert room.litellm.budget(key) == 0.733333


async def test_keys_of_others_are_never_touched(room: Room) -> None:
    mine = room.litellm.generate(ADAS)
    others = [
        room.litellm.generate(None),
        room.litellm.generate("somebody", max_budget=5.0),
        room.litellm.generate("acct_nonsense", max_budget=5.0),
        room.litellm.generate(f"x{ADAS}", max_budget=5.0),
        room.litellm.generate(BOBS, max_budget=5.0),  # no such account here
    ]
    room.purses.credits = {ADA: Microcredits(1_000_000)}

    await room.mirroring.mirror()

    assert [told["key"] for told in room.litellm.updated] == [mine]
    assert [room.litellm.budget(each) for each in others] == [None, 5.0, 5.0, 5.0, 5.0]


async def test_all_pages_of_keys_are_read(room: Room) -> None:
    keys = [room.litellm.generate(ADAS) for _ in range(205)]
    room.purses.credits = {ADA: Microcredits(100_000_000)}

    changed = await room.mirroring.mirror()

    assert changed == 205
    assert room.litellm.listed == 3
    assert {room.litellm.budget(key) for key in keys} == {1.0}


async def test_a_key_that_vanishes_meanwhile_keeps_no_other_from_its_budget(room: Room) -> None:
    first = room.litellm.generate(ADAS)
    last = room.litellm.generate(ADAS)  # LiteLLM lists the newest first
    room.purses.credits = {ADA: Microcredits(100_000_000)}
    room.litellm.vanishing = last

    changed = await room.mirroring.mirror()

    assert changed == 1
    assert room.litellm.budget(first) == 1.0


async def test_a_budget_that_litellm_refuses_is_told_of_once_and_keeps_no_other_back(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    poor, rich = room.litellm.generate(BOBS), room.litellm.generate(ADAS)
    room.purses.credits = {ADA: Microcredits(900_000_000), BOB: Microcredits(100_000_000)}
    room.litellm.budget_max = 5.0

    for _ in range(3):
        await room.mirroring.mirror()

    assert room.litellm.budget(poor) == 1.0
    assert room.litellm.budget(rich) is None
    assert caplog.text.count("budgets not taken for 1 keys") == 1


async def test_a_litellm_that_fails_is_left_alone_ever_longer_and_then_made_good(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    key = room.litellm.generate(ADAS)
    room.purses.credits = {ADA: Microcredits(100_000_000)}
    room.litellm.fails = 3

    asked_again_after = []
    for _ in range(3):
        before, waited = room.litellm.fails, 0
        while room.litellm.fails == before:
            await room.mirroring.mirror()
            if room.litellm.fails == before:
                room.clock.pass_on(seconds=10)
                waited += 10
        asked_again_after.append(waited)
    budget_meanwhile = room.litellm.budget(key)
    room.clock.pass_on(seconds=300)
    changed = await room.mirroring.mirror()

    assert asked_again_after == [0, 20, 40]
    assert budget_meanwhile is None
    assert changed == 1
    assert room.litellm.budget(key) == 1.0
    assert "status 503" in caplog.text
    assert MASTER_KEY not in caplog.text


async def test_the_pause_never_exceeds_five_minutes(room: Room) -> None:
    room.litellm.fails = 1_000

    for _ in range(30):
        await room.mirroring.mirror()
        room.clock.pass_on(seconds=300)

    assert room.litellm.fails == 970


async def test_a_wrong_master_key_is_told_of_without_telling_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    litellm = FakeLiteLLM()
    key = litellm.generate(ADAS)
    async with open_room(litellm, litellm, master_key="sk-wrong-hunter2") as room:
        room.purses.credits = {ADA: Microcredits(1)}
        with caplog.at_level(logging.DEBUG):
            changed = await room.mirroring.mirror()
        shown = repr(room.mirroring)

    assert changed == 0
    assert litellm.budget(key) is None
    assert "LiteLLM did not list its keys: status 401" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" not in shown


async def _silent(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    await asyncio.Event().wait()


async def _talks_nonsense(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"keys": [1, {"token": 2}], "tot'})


async def _lists_nonsense(scope: Scope, receive: Receive, send: Send) -> None:
    body = b'{"keys": [1, {"token": 2}, {"token": "a", "user_id": "%s", "spend": NaN},' % (
        ADAS.encode()
    )
    body += b'{"token": "b", "user_id": "%s", "spend": 1.5e300},' % ADAS.encode()
    body += b'{"token": "c", "user_id": "%s", "spend": true}], "total_pages": 1}' % ADAS.encode()
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("app", [_silent, _talks_nonsense, _lists_nonsense])
async def test_silence_and_nonsense_end_the_round(app: ASGIApp) -> None:
    async with open_room(app, FakeLiteLLM(), seconds_max=0.05) as room:
        room.purses.credits = {ADA: Microcredits(1)}
        changed = await room.mirroring.mirror()

    assert changed == 0


@dataclass(slots=True)
class Counted:
    """A server, and how often it was asked."""

    app: ASGIApp
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.app(scope, receive, send)


@asynccontextmanager
async def mirroring_house(database_url: str, secret: str, url: str) -> AsyncIterator[House]:
    async with open_house(
        database_url,
        secret,
        litellm_url=url.removesuffix("/v1"),
        litellm_master_key=MASTER_KEY,
        litellm_usd_per_credit="0.01",
        litellm_every_seconds="1",
    ) as house:
        yield house


async def recharge_and_ask(house: House) -> None:
    """A recharge and a paid answer come out as they should, to the last micro-credit."""
    admin = await house.demo_person(Role.ADMIN)
    user, account = await house.visitor()
    before = Decimal(str((await user.balance())["available"]))

    recharged = await admin.send(RECHARGE, account=account, key="r-1")
    asked = await user.ask("What is a ledger?", "one")
    after = Decimal(str((await user.balance())["available"]))

    charged = Decimal(asked.text("askAI.answer.charged"))
    assert recharged.text("rechargeCredits.__typename") == "PostCreditsSuccess"
    assert asked.text("askAI.answer.status") == "SUCCEEDED"
    assert charged > 0
    assert after == before + Decimal("250.5") - charged
    assert await house.differences() == []


@pytest.mark.parametrize("app", [_silent, FakeLiteLLM(fails=1_000_000), _talks_nonsense])
async def test_payments_and_answers_never_notice_what_litellm_does(
    database_url: str, deployment_secret: str, app: ASGIApp
) -> None:
    counted = Counted(app)
    async with (
        serve(counted) as url,
        mirroring_house(database_url, deployment_secret, url) as house,
    ):
        await recharge_and_ask(house)
        await wait_until(lambda: counted.asked > 0)


async def test_nor_that_there_is_none(
    database_url: str, deployment_secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(FakeLiteLLM()) as url:
        pass
    async with mirroring_house(database_url, deployment_secret, url) as house:
        await recharge_and_ask(house)
        await wait_until(lambda: "budgets not mirrored" in caplog.text)

    assert "LiteLLM: ConnectError." in caplog.text
    assert MASTER_KEY not in caplog.text


async def test_a_recharge_and_an_answer_reach_the_budget(
    database_url: str, deployment_secret: str
) -> None:
    litellm = FakeLiteLLM()
    async with (
        serve(litellm) as url,
        mirroring_house(database_url, deployment_secret, url) as house,
    ):
        admin = await house.demo_person(Role.ADMIN)
        user, account = await house.visitor()
        key = litellm.generate(account, spend=2.0)
        await admin.send(RECHARGE, account=account, key="r-1")
        await user.ask("What is a ledger?", "one")
        left = Decimal(str((await user.balance())["available"])) * Decimal("0.01")
        budget = float(2 + left.quantize(Decimal("0.000001"), "ROUND_DOWN"))
        await wait_until(lambda: litellm.budget(key) == budget)

    assert litellm.spend(key) == 2.0


async def wait_until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - what happens elsewhere sets no event
            await asyncio.sleep(0.05)
