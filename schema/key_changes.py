"""What people do to their API keys: the inputs and their outcomes."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import strawberry

from domain import budgets, keys
from domain.keys import UNCHANGED, KeyChange, NewKey, Unchanged
from domain.ledger import Posted
from domain.units import ApiKeyId, Microcredits, ModelId
from schema.balances import Balance
from schema.budgets import KeyBudgetInput
from schema.enums import KeyFunding, Scope
from schema.inputs import given
from schema.keys import ApiKey
from schema.ledger import LedgerEntry
from schema.lookups import Lookups
from schema.problems import Conflict, InsufficientCredits, InvalidInput, NotFound, RateLimited


@strawberry.input(description="For createApiKey.")
class CreateApiKeyInput:
    name: str
    scopes: list[Scope] = strawberry.field(default_factory=lambda: [Scope.READ, Scope.ASK])
    funding: KeyFunding = keys.KeyFunding.ACCOUNT
    budget: KeyBudgetInput | None = strawberry.UNSET
    allowed_models: list[str] | None = strawberry.field(
        description="Model ids; leave out for all.", default=strawberry.UNSET
    )
    requests_per_minute: int | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET

    def new_key(self) -> NewKey:
        budget = given(self.budget)
        return NewKey(
            name=self.name,
            scopes=frozenset(self.scopes),
            funding=self.funding,
            budget=budget.terms() if budget else None,
            allowed_models=_models(given(self.allowed_models)),
            requests_per_minute=given(self.requests_per_minute),
            expires_at=given(self.expires_at),
        )


@strawberry.input(
    description="Fields left out stay as they are; null clears a budget, limit or expiry."
)
class UpdateApiKeyInput:
    api_key_id: strawberry.ID
    name: str | None = strawberry.UNSET
    enabled: bool | None = strawberry.UNSET
    budget: KeyBudgetInput | None = strawberry.UNSET
    allowed_models: list[str] | None = strawberry.UNSET
    requests_per_minute: int | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET

    def change(self) -> KeyChange:
        name, enabled = given(self.name), given(self.enabled)
        return KeyChange(
            name=UNCHANGED if name is None else name,
            is_enabled=UNCHANGED if enabled is None else enabled,
            budget=self._budget(),
            allowed_models=(
                UNCHANGED
                if self.allowed_models is strawberry.UNSET
                else _models(self.allowed_models)
            ),
            requests_per_minute=(
                UNCHANGED
                if self.requests_per_minute is strawberry.UNSET
                else self.requests_per_minute
            ),
            expires_at=UNCHANGED if self.expires_at is strawberry.UNSET else self.expires_at,
        )

    def _budget(self) -> budgets.BudgetTerms | Unchanged | None:
        if self.budget is strawberry.UNSET:
            return UNCHANGED
        return None if self.budget is None else self.budget.terms()


@strawberry.input(description="For revokeApiKey.")
class RevokeApiKeyInput:
    api_key_id: strawberry.ID


@strawberry.input(description="For fundApiKey.")
class FundApiKeyInput:
    api_key_id: strawberry.ID
    amount: Microcredits
    idempotency_key: str


@strawberry.type(description="A new key.")
class CreateApiKeySuccess:
    api_key: ApiKey
    secret: str = strawberry.field(description="Shown this once; only a hash is stored.")

    @classmethod
    async def of(cls, made: keys.KeyMade, lookups: Lookups) -> Self:
        api_key = await ApiKey.of_id_changed(made.key_id, lookups)
        return cls(api_key=api_key, secret=made.text)


@strawberry.type(description="The changed key.")
class UpdateApiKeySuccess:
    api_key: ApiKey


@strawberry.type(description="The ended key. Revoking twice succeeds twice.")
class RevokeApiKeySuccess:
    api_key: ApiKey
    returned: Microcredits = strawberry.field(
        description=(
            "Credits that went back to the account now; what is still held follows as answers "
            "finish."
        )
    )
    balance: Balance

    @classmethod
    async def of(cls, revoked: keys.KeyRevoked, key_id: ApiKeyId, lookups: Lookups) -> Self:
        return cls(
            api_key=await ApiKey.of_id_changed(key_id, lookups),
            returned=revoked.returned,
            balance=Balance.of(revoked.balance, lookups),
        )


@strawberry.type(description="The credits were moved.")
class FundApiKeySuccess:
    api_key: ApiKey
    entry: LedgerEntry = strawberry.field(description="The account's side of the move.")
    balance: Balance = strawberry.field(description="The account's balance.")
    replayed: bool

    @classmethod
    async def of(cls, posted: Posted, key_id: ApiKeyId, lookups: Lookups) -> Self:
        return cls(
            api_key=await ApiKey.of_id_changed(key_id, lookups),
            entry=await LedgerEntry.of_id(posted.entry_id, lookups),
            balance=Balance.of(posted.balance, lookups),
            replayed=posted.replayed,
        )


CreateApiKeyResult: TypeAlias = Annotated[
    CreateApiKeySuccess | InvalidInput | NotFound | Conflict | RateLimited,
    strawberry.union("CreateApiKeyResult", description="Outcome of createApiKey."),
]
UpdateApiKeyResult: TypeAlias = Annotated[
    UpdateApiKeySuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("UpdateApiKeyResult", description="Outcome of updateApiKey."),
]
RevokeApiKeyResult: TypeAlias = Annotated[
    RevokeApiKeySuccess | NotFound,
    strawberry.union(
        "RevokeApiKeyResult",
        description=(
            "Outcome of revokeApiKey. Never refused because the key is busy: a leaked key must "
            "die at once."
        ),
    ),
]
FundApiKeyResult: TypeAlias = Annotated[
    FundApiKeySuccess | InvalidInput | InsufficientCredits | NotFound | Conflict,
    strawberry.union("FundApiKeyResult", description="Outcome of fundApiKey."),
]


def _models(names: list[str] | None) -> tuple[ModelId, ...] | None:
    return None if names is None else tuple(map(ModelId, names))
