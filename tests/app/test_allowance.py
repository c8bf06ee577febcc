"""Each caller has a bucket of its own, and a flood of callers does not fill the memory."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.allowance import InProcessAllowances, QuestionsPerAccount
from domain.allowing import Rate
from domain.errors import RateLimited
from domain.identity import Role, Viewer
from domain.units import AccountId
from tests.app.clocks import MovedClock

MINUTE = timedelta(minutes=1)


def viewer(account: int, session: int = 1) -> Viewer:
    return Viewer(account_id=AccountId(account), session_id=UUID(int=session), role=Role.USER)


async def test_callers_do_not_use_up_each_others_allowance() -> None:
    allowances = InProcessAllowances(rate=Rate(2, MINUTE), clock=MovedClock())
    await allowances.take("alice", 2)

    assert (await allowances.take("bob")).remaining == 1
    with pytest.raises(RateLimited):
        await allowances.take("alice")


async def test_an_allowance_comes_back_with_time() -> None:
    clock = MovedClock()
    allowances = InProcessAllowances(rate=Rate(2, MINUTE), clock=clock)
    await allowances.take("alice", 2)

    clock.pass_on(seconds=30)

    assert (await allowances.take("alice")).remaining == 0


async def test_only_the_callers_seen_last_are_remembered() -> None:
    allowances = InProcessAllowances(rate=Rate(1, MINUTE), clock=MovedClock(), callers_kept_max=2)
    for who in ("alice", "bob", "carol"):
        await allowances.take(who)

    with pytest.raises(RateLimited):
        await allowances.take("bob")
    assert (await allowances.take("alice")).remaining == 0


async def test_questions_are_counted_by_account_whatever_the_session() -> None:
    questions = QuestionsPerAccount(InProcessAllowances(rate=Rate(1, MINUTE), clock=MovedClock()))
    await questions.admit(viewer(1, session=1))

    await questions.admit(viewer(2))
    with pytest.raises(RateLimited):
        await questions.admit(viewer(1, session=2))
