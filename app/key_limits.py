"""Questions of API keys that have a limit of their own."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from domain.allowing import Allowances
from domain.asking import Admission
from domain.identity import Viewer

LIMITS_KEPT_MAX: Final = 1_000
"""Different limits in use at once; the one that was not asked for longest begins anew."""


class QuestionsPerKey:
    """Admits a key's questions by its own limit first, and then as its account's.

    `allowances_of` gives the allowances of a limit per minute: keys with the same limit share
    them, each under its own name.
    """

    def __init__(self, account: Admission, allowances_of: Callable[[int], Allowances]) -> None:
        self._account = account
        self._allowances_of = lru_cache(maxsize=LIMITS_KEPT_MAX)(allowances_of)

    async def admit(self, viewer: Viewer) -> None:
        limit = viewer.requests_per_minute
        if limit is not None:
            key = f"{viewer.account_id}/{viewer.api_key_number}"
            await self._allowances_of(limit).take(key)
        await self._account.admit(viewer)
