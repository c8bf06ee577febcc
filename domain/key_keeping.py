"""Makes, changes, funds and ends API keys on behalf of whom they belong to."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from domain.allowing import Allowances
from domain.budgets import BudgetTerms
from domain.checking import issues_of_key, issues_of_text, raise_issues
from domain.errors import InputIssue, NotFound
from domain.identity import Scope, Viewer
from domain.key_texts import KeySecret
from domain.keys import (
    KeyChange,
    KeyFunding,
    KeyMade,
    KeyRevoked,
    KeyRing,
    NewKey,
    Unchanged,
)
from domain.ledger import Once, Posted
from domain.outside import Clock
from domain.units import MICROCREDITS_MAX, ApiKeyId, Microcredits, ModelId

ChangedTo = TypeVar("ChangedTo")

OPERATION: Final = "fundApiKey"
NAME_LENGTH_MAX: Final = 100
MODELS_MAX: Final = 100
REQUESTS_PER_MINUTE_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKeeping:
    """Keeps the keys of accounts. Bad input is told with every finding at once.

    A key that is somebody else's does not exist: every answer about it is NotFound.
    """

    ring: KeyRing
    making: Allowances
    clock: Clock

    async def create(self, owner: Viewer, key: NewKey) -> KeyMade:
        """Make a key; its text is told this once.

        Raises InvalidInput, NotFound (model), StateConflict when there are too many, RateLimited.
        """
        raise_issues(
            issues_of_text("name", key.name, length_max=NAME_LENGTH_MAX),
            _issues_of_scopes(key.scopes),
            _issues_of_funding(key),
            _issues_of_budget(key.budget),
            _issues_of_models(key.allowed_models),
            _issues_of_rate(key.requests_per_minute),
            self._issues_of_expiry(key.expires_at),
        )
        await self.making.take(str(owner.account_id))
        secret = KeySecret.new()
        number = await self.ring.create(
            owner.session_id, key, secret_hash=secret.hash, secret_start=secret.start
        )
        key_id = ApiKeyId(owner.account_id, number)
        return KeyMade(key_id, secret.text(key_id))

    async def update(self, owner: Viewer, key_id: ApiKeyId, change: KeyChange) -> None:
        """Change a key, from the next request made with it on.

        Raises InvalidInput, NotFound (key or model), StateConflict when it is revoked.
        """
        _check_owner(owner, key_id)
        raise_issues(
            _issues_of_name(change.name),
            _issues_of_budget(_changed(change.budget)),
            _issues_of_models(_changed(change.allowed_models)),
            _issues_of_rate(_changed(change.requests_per_minute)),
            self._issues_of_expiry(_changed(change.expires_at)),
        )
        await self.ring.update(owner.session_id, key_id.number, change)

    async def revoke(self, owner: Viewer, key_id: ApiKeyId) -> KeyRevoked:
        """End a key for good, however busy it is; twice is as good as once. Raises NotFound.

        Its own credits go back: what is not held now, the rest as its answers finish.
        """
        _check_owner(owner, key_id)
        return await self.ring.revoke(owner.session_id, key_id)

    async def fund(
        self, owner: Viewer, key_id: ApiKeyId, amount: Microcredits, *, key: str
    ) -> Posted:
        """Move credits from the account to a key that has its own; once, however often it is sent.

        Raises InvalidInput, InsufficientCredits, NotFound, IdempotencyKeyReused, and StateConflict
        when the key takes none.
        """
        _check_owner(owner, key_id)
        raise_issues(_issues_of_amount(amount), issues_of_key(key))
        once = Once.of(OPERATION, key, key_id.number, amount)
        return await self.ring.fund(owner.session_id, key_id, amount, once)

    def _issues_of_expiry(self, expires_at: datetime | None) -> Iterator[InputIssue]:
        if expires_at is not None and expires_at <= self.clock.now():
            yield InputIssue(("expires_at",), "Must be in the future.")


def _check_owner(owner: Viewer, key_id: ApiKeyId) -> None:
    if key_id.account_id != owner.account_id:
        raise NotFound("API key")


def _changed(value: ChangedTo | Unchanged | None) -> ChangedTo | None:
    """What a limit is to be; None when it is left as it is, or taken away."""
    return None if isinstance(value, Unchanged) else value


def _issues_of_name(name: str | Unchanged) -> Iterator[InputIssue]:
    if not isinstance(name, Unchanged):
        yield from issues_of_text("name", name, length_max=NAME_LENGTH_MAX)


def _issues_of_scopes(scopes: frozenset[Scope]) -> Iterator[InputIssue]:
    if not scopes:
        yield InputIssue(("scopes",), "Name at least one: a key without any could do nothing.")


def _issues_of_funding(key: NewKey) -> Iterator[InputIssue]:
    if key.funding is KeyFunding.OWN and key.budget is not None:
        yield InputIssue(
            ("budget",), "A key with credits of its own spends those, and has no budget."
        )


def _issues_of_budget(budget: BudgetTerms | None) -> Iterator[InputIssue]:
    if budget is not None and not 0 < budget.limit <= MICROCREDITS_MAX:
        yield InputIssue(("budget", "limit"), "Must be more than zero.")


def _issues_of_models(models: tuple[ModelId, ...] | None) -> Iterator[InputIssue]:
    if models is None:
        return
    if not models:
        yield InputIssue(("allowed_models",), "Name at least one model, or leave it out for all.")
    if len(models) > MODELS_MAX:
        yield InputIssue(("allowed_models",), f"At most {MODELS_MAX}; these are {len(models)}.")
    if len(set(models)) < len(models):
        yield InputIssue(("allowed_models",), "Name each model once.")


def _issues_of_rate(per_minute: int | None) -> Iterator[InputIssue]:
    if per_minute is not None and not 1 <= per_minute <= REQUESTS_PER_MINUTE_MAX:
        yield InputIssue(("requests_per_minute",), f"Must be from 1 to {REQUESTS_PER_MINUTE_MAX}.")


def _issues_of_amount(amount: Microcredits) -> Iterator[InputIssue]:
    if not 0 < amount <= MICROCREDITS_MAX:
        yield InputIssue(("amount",), "Must be more than zero.")
