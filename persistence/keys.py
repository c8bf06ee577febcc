"""API keys: looked up by the login that authenticates, changed in their owner's session."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.budgets import BudgetTerms
from domain.errors import Forbidden, InvalidInput, NotFound, StateConflict
from domain.identity import AccountStatus, Role, Scope
from domain.keys import (
    KEYS_MAX,
    UNCHANGED,
    KeyChange,
    KeyFunding,
    KeyInForce,
    KeyRevoked,
    NewKey,
    Unchanged,
)
from domain.ledger import Balance, Once, Posted
from domain.outside import Clock
from domain.units import AccountId, ApiKeyId, KeyNumber, Microcredits, ModelId, Moment, PurseId
from persistence.engine import Engines
from persistence.faults import (
    CHECK_VIOLATION,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    sqlstate,
    telling_faults,
)
from persistence.gathering import Gathering
from persistence.operations import Outcome
from persistence.outcomes import CHANGE, Change

_IN_FORCE: Final = "SELECT * FROM tallystick.api_keys_in_force($1, $2)"
_NOTE_USES: Final = "SELECT tallystick.note_key_uses($1, $2, $3)"
_CREATE: Final = text(
    "SELECT tallystick.create_api_key(:name, :secret_hash, :secret_start, :scopes, :funding,"
    " :allowed_models, :requests_per_minute, :expires_at, :budget, :period, :keys_max, :summary)"
)
_UPDATE: Final = text(
    "SELECT tallystick.update_api_key(:number, :name, :is_enabled, :sets, :allowed_models,"
    " :requests_per_minute, :expires_at, :budget, :period, :summary)"
)
_REVOKE: Final = text("SELECT * FROM tallystick.revoke_api_key(:number, :summary)")
_FUND: Final = text(CHANGE + "fund_api_key(:number, :amount, :operation, :key, :digest)")


class PostgresKeysInForce:
    """Looks up keys, as `domain.keys.KeysInForce` promises it, and notes which were used."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._used: dict[ApiKeyId, datetime] = {}
        self._gathering = Gathering(self._look_up)

    async def key_in_force(self, key_id: ApiKeyId) -> KeyInForce | None:
        """Read from the database after it was asked for, so an edit holds from then on."""
        return await self._gathering.find(key_id)

    def note_use(self, key_id: ApiKeyId) -> None:
        self._used[key_id] = self._clock.now()

    async def write_uses(self) -> int:
        """Write down which keys were used since the last time; returns how many."""
        used, self._used = self._used, {}
        if used:
            accounts, numbers = _columns(used)
            with telling_faults():
                await self._pool.execute(_NOTE_USES, accounts, numbers, list(used.values()))
        return len(used)

    async def _look_up(self, key_ids: list[ApiKeyId]) -> Mapping[ApiKeyId, KeyInForce]:
        with telling_faults():
            rows = await self._pool.fetch(_IN_FORCE, *_columns(key_ids))
        found = [_in_force(row) for row in rows]
        return {key.id: key for key in found}


@dataclass(frozen=True, slots=True)
class PostgresKeyRing:
    """Changes keys, as `domain.keys.KeyRing` promises it."""

    engines: Engines

    async def create(
        self, session_id: UUID, key: NewKey, *, secret_hash: bytes, secret_start: str
    ) -> KeyNumber:
        values = {
            "name": key.name,
            "secret_hash": secret_hash,
            "secret_start": secret_start,
            "scopes": sorted(key.scopes),
            "funding": key.funding,
            "allowed_models": list(key.allowed_models or ()),
            "requests_per_minute": key.requests_per_minute,
            "expires_at": key.expires_at,
            "keys_max": KEYS_MAX,
            "summary": f"made the API key {key.name}",
            **_budget(key.budget),
        }
        async with self._changing(session_id) as connection:
            number = (await connection.execute(_CREATE, values)).scalar_one()
        if number is None:
            raise StateConflict(
                f"An account has at most {KEYS_MAX} keys that work. Revoke one of them first."
            )
        return KeyNumber(number)

    async def update(self, session_id: UUID, number: KeyNumber, change: KeyChange) -> None:
        sets = [
            name
            for name in ("budget", "allowed_models", "requests_per_minute", "expires_at")
            if getattr(change, name) is not UNCHANGED
        ]
        models = change.allowed_models
        values = {
            "number": number,
            "name": _given(change.name),
            "is_enabled": _given(change.is_enabled),
            "sets": sets,
            "allowed_models": [] if isinstance(models, Unchanged) else list(models or ()),
            "requests_per_minute": _given(change.requests_per_minute),
            "expires_at": _given(change.expires_at),
            "summary": f"changed {', '.join(_told(change)) or 'nothing'}",
            **_budget(None if isinstance(change.budget, Unchanged) else change.budget),
        }
        async with self._changing(session_id) as connection:
            outcome = (await connection.execute(_UPDATE, values)).scalar_one()
        if outcome == Outcome.NO_PURSE:
            raise NotFound("API key")
        if outcome == Outcome.NO_HOLD:
            raise StateConflict("This key is revoked. Make a new one.")

    async def revoke(self, session_id: UUID, key_id: ApiKeyId) -> KeyRevoked:
        values = {"number": key_id.number, "summary": "ended the API key for good"}
        async with self._changing(session_id) as connection:
            row = (await connection.execute(_REVOKE, values)).one()
        if row.outcome == Outcome.NO_PURSE:
            raise NotFound("API key")
        balance = Balance(
            PurseId(key_id.account_id),
            Microcredits(row.total),
            Microcredits(row.held),
            Microcredits(row.owed),
            Moment(row.changed),
        )
        return KeyRevoked(Microcredits(row.returned), balance)

    async def fund(
        self, session_id: UUID, key_id: ApiKeyId, amount: Microcredits, once: Once
    ) -> Posted:
        values = {
            "number": key_id.number,
            "amount": amount,
            "operation": once.operation,
            "key": UUID(bytes=once.key),
            "digest": UUID(bytes=once.digest),
        }
        async with self._changing(session_id) as connection:
            change = Change(*(await connection.execute(_FUND, values)).one())
        if change.outcome == Outcome.NO_PURSE:
            raise NotFound("API key")
        if change.outcome == Outcome.NO_HOLD:
            raise StateConflict(
                "This key takes no credits: it is revoked, or spends the account's."
            )
        return change.posted(PurseId(key_id.account_id), required=amount)

    @asynccontextmanager
    async def _changing(self, session_id: UUID) -> AsyncIterator[AsyncConnection]:
        """A PostgreSQL transaction in which keys may be changed, if the session is in force."""
        try:
            async with self.engines.acting(session_id) as connection:
                yield connection
        except DBAPIError as error:
            state = sqlstate(error)
            if state == INSUFFICIENT_PRIVILEGE:
                raise Forbidden("This needs a signed-in session.") from error
            if state == FOREIGN_KEY_VIOLATION:
                raise NotFound("model") from error
            if state == CHECK_VIOLATION:
                raise InvalidInput.at(
                    "budget", "A key with credits of its own spends those, and has no budget."
                ) from error
            raise


def _columns(key_ids: Mapping[ApiKeyId, object] | list[ApiKeyId]) -> tuple[list[int], list[int]]:
    return [key.account_id for key in key_ids], [key.number for key in key_ids]


def _in_force(row: asyncpg.Record) -> KeyInForce:
    return KeyInForce(
        id=ApiKeyId(AccountId(row["account_id"]), KeyNumber(row["key_number"])),
        secret_hash=row["secret_hash"],
        context_id=row["context_id"],
        role=Role(row["role"]),
        status=AccountStatus(row["status"]),
        scopes=frozenset(map(Scope, row["scopes"])),
        funding=KeyFunding(row["funding"]),
        allowed_models=frozenset(map(ModelId, row["allowed_models"])),
        requests_per_minute=row["requests_per_minute"],
        expires_at=row["expires_at"],
    )


def _budget(terms: BudgetTerms | None) -> dict[str, object]:
    return {
        "budget": terms.limit if terms else None,
        "period": terms.period if terms else None,
    }


def _given(value: object) -> object:
    """What SQL is told of a change: null stands for what is left alone, or taken away."""
    return None if value is UNCHANGED else value


def _told(change: KeyChange) -> list[str]:
    """Which settings were changed, for the audit log; never to what."""
    names = (
        "name",
        "is_enabled",
        "budget",
        "allowed_models",
        "requests_per_minute",
        "expires_at",
    )
    return [name for name in names if getattr(change, name) is not UNCHANGED]
