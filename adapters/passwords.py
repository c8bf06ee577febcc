"""Passwords hashed with argon2id, a few at a time, on threads that give way to everything else."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_urlsafe
from types import TracebackType
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import RateLimited

T = TypeVar("T")

MEMORY_KIB: Final = 19 * 1024
ROUNDS: Final = 2
THREADS: Final = 2
"""At a time, each with its memory: a flood of sign-ins takes no more of the machine than this."""

WAITING_MAX: Final = 64
"""Beyond it whoever comes is told to come back, rather than wait for many seconds."""

_NICENESS: Final = 10
_NICEST: Final = 19


class Argon2Hashing:
    """Hashes and checks passwords, as `domain.passwords.Hashing` promises it."""

    def __init__(
        self, *, memory_kib: int = MEMORY_KIB, rounds: int = ROUNDS, waiting_max: int = WAITING_MAX
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=rounds, memory_cost=memory_kib, parallelism=1, type=Type.ID
        )
        # Nobody's password: what is checked when there is none to check.
        self._nobodys = self._hasher.hash(token_urlsafe())
        self._threads = ThreadPoolExecutor(THREADS, "passwords", initializer=_give_way)
        self._waiting = 0
        self._waiting_max = waiting_max

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._on_a_thread(lambda: self._hasher.hash(password))

    async def verify(self, password: str, hash_: str | None) -> bool:
        is_right = await self._on_a_thread(lambda: self._is(password, hash_ or self._nobodys))
        return is_right and hash_ is not None

    def is_outdated(self, hash_: str) -> bool:
        return self._hasher.check_needs_rehash(hash_)

    def _is(self, password: str, hash_: str) -> bool:
        try:
            return self._hasher.verify(hash_, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _on_a_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise RateLimited(retry_after_seconds=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _give_way() -> None:
    """Let the event loop go first: on Linux, niceness is each thread's own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _NICEST))
