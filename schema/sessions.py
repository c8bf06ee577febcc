"""Who is asking, and sessions begun."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import strawberry

from domain import identity
from domain.units import AccountId, ApiKeyId
from resolvers.sessions import Started
from schema.accounts import Account
from schema.enums import Scope
from schema.info import Info
from schema.keys import ApiKey
from schema.lookups import Lookups
from schema.problems import (
    AccountSuspended,
    InvalidCredentials,
    InvalidInput,
    RateLimited,
    Unavailable,
)


@strawberry.type(description="Who is asking, and with what.")
class Viewer:
    lookups: strawberry.Private[Lookups]
    account_id: strawberry.Private[AccountId]
    api_key_id: strawberry.Private[ApiKeyId | None]
    scopes: list[Scope] = strawberry.field(
        description="What the credential may do. A session has every scope."
    )

    @classmethod
    def of(cls, viewer: identity.Viewer, lookups: Lookups) -> Self:
        scopes = [scope for scope in Scope if scope in viewer.scopes]
        return cls(
            lookups=lookups,
            account_id=viewer.account_id,
            api_key_id=viewer.api_key_id,
            scopes=scopes,
        )

    @strawberry.field
    async def account(self) -> Account:
        return await Account.of_id(self.account_id, self.lookups)

    @strawberry.field(description="The API key this request was made with, or null for a session.")
    async def api_key(self) -> ApiKey | None:
        return await ApiKey.of_id(self.api_key_id, self.lookups)


@strawberry.type(description="A signed-in session's tokens.")
class Session:
    access_token: str = strawberry.field(
        description="Send as `Authorization: Bearer …`. Short-lived; keep it in memory."
    )
    access_token_expires_at: datetime
    refresh_token: str | None = strawberry.field(
        description="Null when the deployment keeps it in an HttpOnly cookie."
    )
    refresh_token_expires_at: datetime

    @classmethod
    def of(cls, session: identity.Session) -> Self:
        return cls(
            access_token=session.access_token,
            access_token_expires_at=session.access_token_expires_at,
            refresh_token=session.refresh_token or None,
            refresh_token_expires_at=session.refresh_token_expires_at,
        )


@strawberry.type(description="Signed in.")
class SessionStarted:
    session: Session
    account: Account

    @classmethod
    async def of(cls, started: Started, info: Info) -> Self:
        """What a session leads to is seen by whom it signed in, whoever asked for it."""
        session, viewer = started
        lookups = Lookups(info.context.as_seen_by(viewer))
        account = await Account.of_id(viewer.account_id, lookups)
        return cls(session=Session.of(session), account=account)


SessionResult: TypeAlias = Annotated[
    SessionStarted
    | InvalidInput
    | InvalidCredentials
    | AccountSuspended
    | RateLimited
    | Unavailable,
    strawberry.union("SessionResult", description="Outcome of every way to sign in."),
]
