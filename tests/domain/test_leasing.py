"""A lease says no more than others can know: that this process lives, and for how long."""

import asyncio

from domain.answers import AnswerStatus
from domain.leasing import Lease
from domain.running import Running
from tests.domain.runs import FakeHolds, FakeLeases, FakeProvider, never, run_of


def lease_of(leases: FakeLeases) -> Lease:
    running = Running(ledger=FakeHolds(), provider=FakeProvider(never))
    return Lease(leases=leases, running=running, seconds=15, clock=leases.now)


async def test_a_lease_is_held_from_before_it_was_renewed() -> None:
    leases = FakeLeases(time=100, takes_seconds=10)
    lease = lease_of(leases)
    was = lease.is_held

    await lease.renew()
    leases.time = 114.9
    just_before = lease.is_held
    leases.time = 115

    assert (was, just_before, lease.is_held) == (False, True, False)


async def test_nobody_is_given_up_until_everybody_had_time_to_renew_theirs() -> None:
    leases = FakeLeases(time=100, lost=3)
    lease = lease_of(leases)

    given_up = []
    for time in (100, 110, 114.9, 115, 125):
        leases.time = time
        await lease.renew()
        given_up.append(await lease.give_up_lost())

    assert given_up == [0, 0, 0, 3, 3]


async def test_who_was_away_gives_nobody_up_for_as_long_again() -> None:
    leases = FakeLeases(time=100, lost=3)
    lease = lease_of(leases)
    await lease.renew()
    leases.time = 114
    await lease.renew()

    given_up = []
    for time in (129, 130, 143, 145):
        leases.time = time
        given_up.append(await lease.give_up_lost())
        await lease.renew()
        given_up.append(await lease.give_up_lost())

    assert given_up == [0, 0, 0, 0, 0, 0, 3, 3]


async def test_a_lease_that_was_given_up_is_not_held_and_gives_nobody_up() -> None:
    leases = FakeLeases(time=100, lost=3)
    lease = lease_of(leases)
    for time in (100, 110, 120):
        leases.time = time
        await lease.renew()

    await lease.end()

    assert leases.is_ended
    assert not lease.is_held
    assert await lease.give_up_lost() == 0


async def test_what_others_want_canceled_is_canceled_as_the_lease_is_renewed() -> None:
    leases = FakeLeases()
    lease = lease_of(leases)
    lease.running.admit()
    task = lease.running.start(run_of(1))
    leases.unwanted = [run_of(1).answer_id, run_of(2).answer_id]
    await asyncio.sleep(0)

    assert await lease.renew() == 2

    ended = await asyncio.wait_for(task, 5)
    assert ended.answer.status is AnswerStatus.CANCELED
