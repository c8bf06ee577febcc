"""Who is asking, and what their credential may do."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.units import OWN_CREDITS, AccountId, ApiKeyId, KeyNumber, ModelId, PurseId, key_of


class Role(StrEnum):
    """What an account may do; changed by the operator's command line only."""

    USER = "USER"
    ADMIN = "ADMIN"


class AccountStatus(StrEnum):
    """Whether an account may act."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class Scope(StrEnum):
    """What an API key may be used for; a session may do both."""

    READ = "READ"
    ASK = "ASK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The caller, as the database knew it when the request came in.

    `session_id` is what row-level security goes by: the id of a session, or the context that an API
    key stands for. `purse` is what this credential spends from.
    """

    account_id: AccountId
    session_id: UUID
    role: Role
    scopes: frozenset[Scope] = frozenset(Scope)
    api_key_number: KeyNumber = OWN_CREDITS
    purse_key_number: KeyNumber = OWN_CREDITS
    allowed_models: frozenset[ModelId] = frozenset()
    """What an API key may ask; all models, when there are none."""

    requests_per_minute: int | None = None
    """An API key's own limit of questions; None is the deployment's."""
    expires_at: datetime | None = field(default=None, compare=False)
    """When the credential ends by itself: a stream that it began ends with it."""

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def api_key_id(self) -> ApiKeyId | None:
        """The API key this is, or None for a session."""
        return key_of(self.account_id, self.api_key_number)

    def may_ask(self, model_id: ModelId) -> bool:
        return not self.allowed_models or model_id in self.allowed_models

    @property
    def purse(self) -> PurseId:
        return PurseId(self.account_id, self.purse_key_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer: one person, one balance. What the reader may not see is null."""

    id: AccountId
    email: str | None
    email_confirmed: bool | None
    display_name: str | None
    role: Role
    status: AccountStatus
    suspension_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A started session. The access token is short-lived; the refresh token is shown this once."""

    account_id: AccountId
    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    """Empty when it went into a cookie instead of being told."""
    refresh_token_expires_at: datetime
