"""Credentials for programs."""

from datetime import datetime
from typing import Self

import strawberry

import resolvers.lookups
import schema.balances
from domain import keys
from domain.identity import Scope as KeyScope
from domain.units import ApiKeyId
from schema.budgets import KeyBudget
from schema.enums import KeyFunding, KeyStatus, Scope
from schema.ids import key_name
from schema.lazy import LazyBalance
from schema.lookups import Lookups
from schema.models import Model
from schema.nodes import Node


@strawberry.type(
    description=(
        "A credential for programs. The secret itself is shown once, when the key is created."
    )
)
class ApiKey(Node):
    lookups: strawberry.Private[Lookups]
    told: strawberry.Private[keys.ApiKey]
    name: str
    prefix: str = strawberry.field(
        description="The first characters of the secret, to recognise it by."
    )
    status: KeyStatus
    scopes: list[Scope]
    funding: KeyFunding
    budget: KeyBudget | None
    requests_per_minute: int | None = strawberry.field(
        description="Own limit for askAI; null means the deployment's."
    )
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, key: keys.ApiKey, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            told=key,
            id=key_name(key.id),
            name=key.name,
            prefix=key.prefix,
            status=key.status,
            scopes=[scope for scope in KeyScope if scope in key.scopes],
            funding=key.funding,
            budget=KeyBudget.of(key.budget) if key.budget else None,
            requests_per_minute=key.requests_per_minute,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            expires_at=key.expires_at,
        )

    @classmethod
    async def of_id(cls, key_id: ApiKeyId | None, lookups: Lookups) -> Self | None:
        """The key of this name; None when it is none, or not the reader's to see."""
        key = None if key_id is None else await lookups.api_keys.load(key_id)
        return None if key is None else cls.of(key, lookups)

    @classmethod
    async def of_id_changed(cls, key_id: ApiKeyId, lookups: Lookups) -> Self:
        """The key that was just changed."""
        return cls.of(resolvers.lookups.present(await lookups.api_keys.load(key_id)), lookups)

    @strawberry.field(description="The key's own credits; null when it spends the account's.")
    async def balance(self) -> LazyBalance | None:
        if self.told.funding is keys.KeyFunding.ACCOUNT:
            return None
        return await schema.balances.Balance.of_purse(self.told.id.purse, self.lookups)

    @strawberry.field(description="Models the key may ask; empty means all.")
    async def allowed_models(self) -> list[Model]:
        return [await Model.of_id(model, self.lookups) for model in self.told.allowed_models]
