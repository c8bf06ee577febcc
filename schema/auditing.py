"""What administrators did."""

from datetime import datetime
from typing import Final, Self

import strawberry

from domain import reporting
from domain.units import AccountId, AlertId, ApiKeyId, KeyNumber
from schema.accounts import Account
from schema.ids import account_name, alert_name, audit_name, key_name
from schema.lookups import Lookups
from schema.pages import EDGE, PAGE, PageInfo, Read

_ON_ACCOUNTS: Final = frozenset(
    {
        "rechargeCredits",
        "adjustCredits",
        "refundCharge",
        "suspendAccount",
        "reinstateAccount",
        "setRole",
        "refreshSession",
    }
)

_ON_KEYS: Final = frozenset({"createApiKey", "updateApiKey", "revokeApiKey"})


@strawberry.type(description="One use of an administrator's rights. Immutable.")
class AuditEntry:
    lookups: strawberry.Private[Lookups]
    actor_id: strawberry.Private[AccountId | None]
    id: strawberry.ID
    at: datetime
    action: str = strawberry.field(description="The mutation's name.")
    target_id: strawberry.ID | None
    summary: str

    @classmethod
    def of(cls, entry: reporting.AuditEntry, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            actor_id=entry.actor_id,
            id=audit_name(entry.id),
            at=entry.at,
            action=entry.action,
            target_id=_target_name(entry),
            summary=entry.summary,
        )

    @strawberry.field
    async def actor(self) -> Account | None:
        return None if self.actor_id is None else await Account.of_id(self.actor_id, self.lookups)


def _target_name(entry: reporting.AuditEntry) -> strawberry.ID | None:
    """The target as callers know it: accounts and keys are kept by number, models by name."""
    if entry.target_id is None:
        return None
    if entry.action in _ON_ACCOUNTS:
        return account_name(AccountId(int(entry.target_id)))
    if entry.action in _ON_KEYS:
        account_id, number = map(int, entry.target_id.split("/"))
        return key_name(ApiKeyId(AccountId(account_id), KeyNumber(number)))
    if entry.action == "acknowledgeAlert":
        return alert_name(AlertId(int(entry.target_id)))
    return strawberry.ID(entry.target_id)


@strawberry.type(description=EDGE)
class AuditEdge:
    cursor: str
    node: AuditEntry


@strawberry.type(description=PAGE)
class AuditConnection:
    read: strawberry.Private[Read[reporting.AuditEntry]]
    nodes: list[AuditEntry]

    @classmethod
    def of(cls, read: Read[reporting.AuditEntry], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[AuditEntry.of(entry, lookups) for entry in read.page.items])

    @strawberry.field
    def edges(self) -> list[AuditEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [AuditEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
