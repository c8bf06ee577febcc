"""LiteLLM's keys and their budgets, over the HTTP API of a proxy that has a database.

A key belongs to the account whose id stands as its `user_id`. Written against release 1.105.0.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Self

import httpx2

from domain.budget_mirroring import MirroredKey, MirrorFailed
from domain.units import AccountId

SECONDS_MAX: Final = 10.0
"""For one request from its first byte to its last, however slowly they come."""

PAGE: Final = 100
PAGES_MAX: Final = 1_000
_USER_IDS: Final = "acct_"
_OK: Final = 200
_NOT_OF_THE_KEY: Final = frozenset({401, 403, 429})
"""Refusals that every other key would be told as well."""
_FAULTS_FROM: Final = 500
_DOLLARS_MAX: Final = Decimal(10) ** 12
"""Beyond this a number is none that we compute with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteLLMKeys:
    """Keys of a LiteLLM proxy, as `domain.budget_mirroring.MirroredKeys` promises them."""

    http: httpx2.AsyncClient = field(repr=False)
    account_named: Callable[[str], AccountId | None]
    seconds_max: float = SECONDS_MAX

    @classmethod
    def connecting(
        cls,
        *,
        url: str,
        master_key: str,
        account_named: Callable[[str], AccountId | None],
        seconds_max: float = SECONDS_MAX,
    ) -> Self:
        """Keys of the proxy at a URL, connected to when needed; close it with `aclose`."""
        http = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {master_key}"},
            timeout=seconds_max,
            follow_redirects=False,
        )
        return cls(http=http, account_named=account_named, seconds_max=seconds_max)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def pages(self) -> AsyncIterator[Sequence[MirroredKey]]:
        for page in range(1, PAGES_MAX + 1):
            status, told = await self._ask(
                "GET",
                "/key/list",
                params={
                    "user_id": _USER_IDS,
                    "substring_matching": "true",
                    "return_full_object": "true",
                    "page": page,
                    "size": PAGE,
                },
            )
            listed, pages = told.get("keys"), told.get("total_pages")
            if status != _OK or not isinstance(listed, list) or not isinstance(pages, int):
                raise MirrorFailed(f"LiteLLM did not list its keys: status {status}.")
            if keys := [key for each in listed if (key := self._key(each)) is not None]:
                yield keys
            if page >= pages:
                return

    async def set_budget(self, key: MirroredKey, budget: Decimal) -> bool:
        status, _ = await self._ask(
            "POST",
            "/key/update",
            # LiteLLM counts in floats; this is the only one we make, and nothing is computed by it.
            json={"key": key.name, "max_budget": float(budget)},
        )
        if status >= _FAULTS_FROM or status in _NOT_OF_THE_KEY:
            raise MirrorFailed(f"LiteLLM did not take a budget: status {status}.")
        return status == _OK

    def _key(self, told: object) -> MirroredKey | None:
        """A key of an account of ours; None for any other, or one that cannot be read."""
        if not isinstance(told, Mapping):
            return None
        name, user_id, spent = told.get("token"), told.get("user_id"), _dollars(told.get("spend"))
        account_id = self.account_named(user_id) if isinstance(user_id, str) else None
        if account_id is None or not isinstance(name, str) or spent is None:
            return None
        return MirroredKey(
            name=name, account_id=account_id, spent=spent, budget=_dollars(told.get("max_budget"))
        )

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> tuple[int, Mapping[str, object]]:
        try:
            async with asyncio.timeout(self.seconds_max):
                response = await self.http.request(method, path, json=json, params=params)
            return response.status_code, _read(response)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise MirrorFailed(f"LiteLLM: {type(error).__name__}.") from error


def _read(response: httpx2.Response) -> Mapping[str, object]:
    """A body's fields, with numbers as they are written; only an answer that counts needs any."""
    if response.status_code != _OK:
        return {}
    told: object = json.loads(response.content, parse_float=Decimal)
    return told if isinstance(told, dict) else {}


def _dollars(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    dollars = Decimal(value)
    return dollars if abs(dollars) <= _DOLLARS_MAX else None
