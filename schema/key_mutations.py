"""People make, change, fund and end their API keys."""

import strawberry

import resolvers.keys
from domain.errors import NotFound
from domain.units import ApiKeyId
from schema.ids import key_named
from schema.info import Info
from schema.key_changes import (
    CreateApiKeyInput,
    CreateApiKeyResult,
    CreateApiKeySuccess,
    FundApiKeyInput,
    FundApiKeyResult,
    FundApiKeySuccess,
    RevokeApiKeyInput,
    RevokeApiKeyResult,
    RevokeApiKeySuccess,
    UpdateApiKeyInput,
    UpdateApiKeyResult,
    UpdateApiKeySuccess,
)
from schema.keys import ApiKey
from schema.lookups import Lookups
from schema.permissions import IsUser


@strawberry.type
class KeyMutation:
    """The part of the root that changes API keys."""

    @strawberry.mutation(
        description="Make a key. Its secret is in this reply and nowhere else.",
        permission_classes=[IsUser],
    )
    async def create_api_key(
        self, info: Info, input: CreateApiKeyInput
    ) -> CreateApiKeyResult | None:
        made = await resolvers.keys.create(info.context, input.new_key())
        return await CreateApiKeySuccess.of(made, Lookups(info.context))

    @strawberry.mutation(
        description="Rename a key, switch it on or off, or change its limits.",
        permission_classes=[IsUser],
    )
    async def update_api_key(
        self, info: Info, input: UpdateApiKeyInput
    ) -> UpdateApiKeyResult | None:
        key_id = _key(input.api_key_id)
        await resolvers.keys.update(info.context, key_id, input.change())
        api_key = await ApiKey.of_id_changed(key_id, Lookups(info.context))
        return UpdateApiKeySuccess(api_key=api_key)

    @strawberry.mutation(
        description="End a key for good. Credits of its own go back to the account.",
        permission_classes=[IsUser],
    )
    async def revoke_api_key(
        self, info: Info, input: RevokeApiKeyInput
    ) -> RevokeApiKeyResult | None:
        key_id = _key(input.api_key_id)
        revoked = await resolvers.keys.revoke(info.context, key_id)
        return await RevokeApiKeySuccess.of(revoked, key_id, Lookups(info.context))

    @strawberry.mutation(
        description="Move credits from the account to a key with funding OWN.",
        permission_classes=[IsUser],
    )
    async def fund_api_key(self, info: Info, input: FundApiKeyInput) -> FundApiKeyResult | None:
        key_id = _key(input.api_key_id)
        posted = await resolvers.keys.fund(
            info.context, key_id, input.amount, key=input.idempotency_key
        )
        return await FundApiKeySuccess.of(posted, key_id, Lookups(info.context))


def _key(name: str) -> ApiKeyId:
    key_id = key_named(name)
    if key_id is None:
        raise NotFound("API key")
    return key_id
