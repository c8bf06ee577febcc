"""A key with a limit of its own keeps to it, and to its account's."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from app.allowance import InProcessAllowances, QuestionsPerAccount
from app.key_limits import QuestionsPerKey
from domain.allowing import Rate
from domain.errors import RateLimited
from domain.identity import Role, Viewer
from domain.units import AccountId, KeyNumber
from tests.app.clocks import MovedClock

SESSION = Viewer(account_id=AccountId(1), session_id=UUID(int=1), role=Role.USER)
KEY = replace(SESSION, api_key_number=KeyNumber(1), requests_per_minute=2)
OTHER_KEY = replace(KEY, api_key_number=KeyNumber(2))
UNLIMITED = replace(SESSION, api_key_number=KeyNumber(3))


def admission(account_limit: int = 100) -> QuestionsPerKey:
    clock = MovedClock()

    def per_minute(limit: int) -> InProcessAllowances:
        return InProcessAllowances(rate=Rate(limit, timedelta(minutes=1)), clock=clock)

    return QuestionsPerKey(QuestionsPerAccount(per_minute(account_limit)), per_minute)


async def test_a_key_is_stopped_at_its_own_limit_and_its_neighbours_go_on() -> None:
    admitting = admission()
    await admitting.admit(KEY)
    await admitting.admit(KEY)

    with pytest.raises(RateLimited) as refused:
        await admitting.admit(KEY)
    await admitting.admit(OTHER_KEY)
    await admitting.admit(SESSION)

    assert refused.value.retry_after_seconds == 30


async def test_a_key_without_a_limit_has_its_accounts() -> None:
    admitting = admission(account_limit=3)
    for _ in range(3):
        await admitting.admit(UNLIMITED)

    with pytest.raises(RateLimited):
        await admitting.admit(UNLIMITED)


async def test_no_key_goes_beyond_its_account() -> None:
    admitting = admission(account_limit=1)
    await admitting.admit(SESSION)

    with pytest.raises(RateLimited):
        await admitting.admit(replace(KEY, requests_per_minute=1_000))
