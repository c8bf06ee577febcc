"""API keys: credentials for programs, what they may do, and the ports that keep them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final, Protocol
from uuid import UUID

from domain.budgets import BudgetTerms, KeyBudget
from domain.identity import AccountStatus, Role, Scope
from domain.ledger import Balance, Once, Posted
from domain.units import ApiKeyId, KeyNumber, Microcredits, ModelId

KEYS_MAX: Final = 100
"""Keys of one account that are not revoked: as many as a list shows."""


class KeyStatus(StrEnum):
    """How a key stands; only an ACTIVE one works."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class KeyFunding(StrEnum):
    """Whose credits a key spends."""

    ACCOUNT = "ACCOUNT"
    OWN = "OWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its owner sees it."""

    id: ApiKeyId
    name: str
    prefix: str
    status: KeyStatus
    scopes: frozenset[Scope]
    funding: KeyFunding
    budget: KeyBudget | None
    allowed_models: tuple[ModelId, ...]
    """All, when there are none."""

    requests_per_minute: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What somebody decides about a key to be made; None stands for no limit."""

    name: str
    scopes: frozenset[Scope]
    funding: KeyFunding
    budget: BudgetTerms | None = None
    allowed_models: tuple[ModelId, ...] | None = None
    requests_per_minute: int | None = None
    expires_at: datetime | None = None


class Unchanged(Enum):
    """What is left as it is, where None would take it away."""

    UNCHANGED = "UNCHANGED"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What is to be different about a key; None takes a limit away."""

    name: str | Unchanged = UNCHANGED
    is_enabled: bool | Unchanged = UNCHANGED
    budget: BudgetTerms | Unchanged | None = UNCHANGED
    allowed_models: tuple[ModelId, ...] | Unchanged | None = UNCHANGED
    requests_per_minute: int | Unchanged | None = UNCHANGED
    expires_at: datetime | Unchanged | None = UNCHANGED


@dataclass(frozen=True, slots=True)
class KeyMade:
    """A new key, and its text, which nobody can be told again."""

    key_id: ApiKeyId
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """A key has ended; what of its own credits went back now, and the account's balance after."""

    returned: Microcredits
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInForce:
    """A key that works at this moment, and what it and its account may do."""

    id: ApiKeyId
    secret_hash: bytes = field(repr=False)
    context_id: UUID = field(repr=False)
    role: Role
    status: AccountStatus
    scopes: frozenset[Scope]
    funding: KeyFunding
    allowed_models: frozenset[ModelId]
    requests_per_minute: int | None
    expires_at: datetime | None


class KeysInForce(Protocol):
    """Looks up keys, which every request of a program needs: many at a time, if many wait."""

    async def key_in_force(self, key_id: ApiKeyId) -> KeyInForce | None:
        """None when the key is disabled, ran out, was revoked or never was."""
        ...

    def note_use(self, key_id: ApiKeyId) -> None:
        """Remember that a key was used now, to be written down before long."""
        ...


class KeyRing(Protocol):
    """The keys of an account, changed on behalf of one of its sessions.

    Each call names the session, whose right the database checks again: raises Forbidden when it is
    over, or an API key's.
    """

    async def create(
        self, session_id: UUID, key: NewKey, *, secret_hash: bytes, secret_start: str
    ) -> KeyNumber:
        """Make a key. Raises NotFound for a model, StateConflict when there are too many keys."""
        ...

    async def update(self, session_id: UUID, number: KeyNumber, change: KeyChange) -> None:
        """Change a key.

        Raises NotFound (key or model), StateConflict when it is revoked, and InvalidInput for a
        budget of a key that has credits of its own.
        """
        ...

    async def revoke(self, session_id: UUID, key_id: ApiKeyId) -> KeyRevoked:
        """End a key for good, however busy it is. Raises NotFound."""
        ...

    async def fund(
        self, session_id: UUID, key_id: ApiKeyId, amount: Microcredits, once: Once
    ) -> Posted:
        """Move credits to a key that has its own; entry and balance are the account's.

        Raises InsufficientCredits, NotFound, IdempotencyKeyReused, and StateConflict when the key
        takes none.
        """
        ...
