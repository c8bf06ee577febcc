"""API keys kept in memory."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domain.budgets import BudgetTerms, KeyBudget
from domain.errors import IdempotencyKeyReused, InsufficientCredits, NotFound, StateConflict
from domain.identity import Scope
from domain.key_texts import prefix_of
from domain.keys import (
    ApiKey,
    KeyChange,
    KeyFunding,
    KeyRevoked,
    KeyStatus,
    NewKey,
    Unchanged,
)
from domain.ledger import Balance, Entry, EntryKind, Once, Posted
from domain.units import ApiKeyId, EntryId, KeyNumber, Microcredits, ModelId, Moment, PurseId
from tests.schema.books import FakeBooks
from tests.schema.office import MOMENT, NOON

KEYS_MAX = 3
NOTHING = Microcredits(0)


@dataclass(slots=True)
class FakeKeyRing:
    """A ring that holds three keys that work, and moves credits without lots."""

    books: FakeBooks
    done: dict[bytes, tuple[bytes, EntryId]] = field(default_factory=dict)

    async def create(
        self, session_id: UUID, key: NewKey, *, secret_hash: bytes, secret_start: str
    ) -> KeyNumber:
        account_id = self.books.sessions[session_id]
        self._check_models(key.allowed_models)
        own = [kept for kept in self.books.kept_keys.values() if kept.id.account_id == account_id]
        if len([kept for kept in own if kept.status is not KeyStatus.REVOKED]) >= KEYS_MAX:
            raise StateConflict("There are too many keys.")
        key_id = ApiKeyId(account_id, KeyNumber(len(own) + 1))
        self.books.kept_keys[key_id] = ApiKey(
            id=key_id,
            name=key.name,
            prefix=prefix_of(key_id, secret_start),
            status=KeyStatus.ACTIVE,
            scopes=frozenset(map(Scope, key.scopes)),
            funding=key.funding,
            budget=_budget(key.budget),
            allowed_models=key.allowed_models or (),
            requests_per_minute=key.requests_per_minute,
            created_at=NOON,
            last_used_at=None,
            expires_at=key.expires_at,
        )
        if key.funding is KeyFunding.OWN:
            self.books.kept_balances[key_id.purse] = Balance(
                key_id.purse, NOTHING, NOTHING, NOTHING, MOMENT
            )
        return key_id.number

    async def update(self, session_id: UUID, number: KeyNumber, change: KeyChange) -> None:
        key = self._own(session_id, number)
        if key.status is KeyStatus.REVOKED:
            raise StateConflict("This key is revoked.")
        if not isinstance(change.name, Unchanged):
            key = replace(key, name=change.name)
        if not isinstance(change.is_enabled, Unchanged):
            status = KeyStatus.ACTIVE if change.is_enabled else KeyStatus.DISABLED
            key = replace(key, status=status)
        if not isinstance(change.budget, Unchanged):
            key = replace(key, budget=_budget(change.budget))
        if not isinstance(change.allowed_models, Unchanged):
            self._check_models(change.allowed_models)
            key = replace(key, allowed_models=change.allowed_models or ())
        if not isinstance(change.requests_per_minute, Unchanged):
            key = replace(key, requests_per_minute=change.requests_per_minute)
        if isinstance(change.expires_at, datetime | None):
            key = replace(key, expires_at=change.expires_at)
        self.books.kept_keys[key.id] = key

    async def revoke(self, session_id: UUID, key_id: ApiKeyId) -> KeyRevoked:
        key = self._own(session_id, key_id.number)
        self.books.kept_keys[key.id] = replace(key, status=KeyStatus.REVOKED)
        returned = NOTHING
        if key.funding is KeyFunding.OWN:
            returned = self.books.kept_balances[key.id.purse].available
            self._add(key.id.purse, -returned)
            self._add(PurseId(key_id.account_id), returned)
        return KeyRevoked(returned, self.books.kept_balances[PurseId(key_id.account_id)])

    async def fund(
        self, session_id: UUID, key_id: ApiKeyId, amount: Microcredits, once: Once
    ) -> Posted:
        key = self._own(session_id, key_id.number)
        purse = PurseId(key_id.account_id)
        if once.key in self.done:
            digest, entry_id = self.done[once.key]
            if digest != once.digest:
                raise IdempotencyKeyReused
            return Posted(entry_id, self.books.kept_balances[purse], replayed=True)
        if key.funding is KeyFunding.ACCOUNT or key.status is KeyStatus.REVOKED:
            raise StateConflict("This key takes no credits.")
        available = self.books.kept_balances[purse].available
        if available < amount:
            raise InsufficientCredits(required=amount, available=available)
        entry_id = self._add(purse, -amount)
        self._add(key.id.purse, amount)
        self.done[once.key] = (once.digest, entry_id)
        return Posted(entry_id, self.books.kept_balances[purse], replayed=False)

    def _own(self, session_id: UUID, number: KeyNumber) -> ApiKey:
        key = self.books.kept_keys.get(ApiKeyId(self.books.sessions[session_id], number))
        if key is None:
            raise NotFound("API key")
        return key

    def _check_models(self, models: tuple[ModelId, ...] | None) -> None:
        if set(models or ()) - self.books.kept_models.keys():
            raise NotFound("model")

    def _add(self, purse: PurseId, amount: int) -> EntryId:
        balance = self.books.kept_balances[purse]
        moment = Moment(balance.changed_at + 1)
        total = Microcredits(balance.total + amount)
        self.books.kept_balances[purse] = balance._replace(total=total, changed_at=moment)
        entry_id = EntryId(purse, moment)
        self.books.kept_entries[entry_id] = Entry(
            id=entry_id,
            kind=EntryKind.TRANSFER,
            amount=Microcredits(amount),
            total_after=total,
            answer_id=None,
            reverses=None,
            reason=None,
            actor_id=None,
        )
        return entry_id


def _budget(terms: BudgetTerms | None) -> KeyBudget | None:
    if terms is None:
        return None
    return KeyBudget(limit=terms.limit, period=terms.period, used=NOTHING, resets_at=None)
