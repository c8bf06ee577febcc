"""Passwords are hashed slowly, but not at anybody else's cost."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from adapters.passwords import MEMORY_KIB, ROUNDS, Argon2Hashing
from domain.errors import RateLimited

PASSWORD = "correct horse battery staple"


@pytest.fixture
def hashing() -> Iterator[Argon2Hashing]:
    with Argon2Hashing() as hashing:
        yield hashing


@pytest.fixture
def quick() -> Iterator[Argon2Hashing]:
    """Hashes that take next to no time."""
    with Argon2Hashing(memory_kib=8, rounds=1, waiting_max=10) as hashing:
        yield hashing


async def test_a_hash_is_argon2id_with_the_cost_we_chose(hashing: Argon2Hashing) -> None:
    one, two = await hashing.hash(PASSWORD), await hashing.hash(PASSWORD)

    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (MEMORY_KIB, ROUNDS) == (19_456, 2)
    assert one != two
    assert await hashing.verify(PASSWORD, one)
    assert not await hashing.verify("another", one)
    assert not hashing.is_outdated(one)


async def test_nobodys_password_is_never_right(quick: Argon2Hashing) -> None:
    assert not await quick.verify(PASSWORD, None)
    assert not await quick.verify("", None)


async def test_what_is_no_hash_fits_no_password(quick: Argon2Hashing) -> None:
    assert not await quick.verify(PASSWORD, "$argon2id$nonsense")


async def test_a_weaker_hash_is_told_and_still_fits(
    quick: Argon2Hashing, hashing: Argon2Hashing
) -> None:
    weak = await quick.hash(PASSWORD)

    assert hashing.is_outdated(weak)
    assert await hashing.verify(PASSWORD, weak)


async def test_two_are_hashed_at_a_time_and_few_may_wait(quick: Argon2Hashing) -> None:
    outcomes = await asyncio.gather(
        *(quick.hash(PASSWORD) for _ in range(50)), return_exceptions=True
    )
    threads = [each.name for each in threading.enumerate() if each.name.startswith("passwords")]

    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    assert len(refused) == 40
    assert refused[0].retry_after_seconds == 1
    assert len(threads) <= 2
    assert await quick.hash(PASSWORD)


async def test_whoever_leaves_makes_room(quick: Argon2Hashing) -> None:
    leaving = [asyncio.create_task(quick.hash(PASSWORD)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)

    assert await quick.hash(PASSWORD)


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is each thread's own on Linux only")
async def test_threads_that_hash_give_way_to_the_rest(quick: Argon2Hashing) -> None:
    await quick.hash(PASSWORD)
    ours = next(each for each in threading.enumerate() if each.name.startswith("passwords"))
    assert ours.native_id is not None

    theirs = os.getpriority(os.PRIO_PROCESS, ours.native_id)

    assert theirs == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
