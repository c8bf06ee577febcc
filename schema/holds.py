"""What is set aside."""

from datetime import datetime
from typing import Self

import strawberry

import schema.accounts
import schema.answers
import schema.keys
from domain import ledger
from domain.running import time_of
from domain.units import AnswerId, Microcredits, key_of
from schema.enums import HoldStatus
from schema.ids import hold_name
from schema.lazy import LazyAccount, LazyAnswer, LazyApiKey
from schema.lookups import Lookups
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin


@strawberry.type(
    description="Credits set aside before a model is called, so that nobody can spend them twice."
)
class Hold(Node):
    lookups: strawberry.Private[Lookups]
    hold: strawberry.Private[ledger.Hold]
    status: HoldStatus
    amount: Microcredits
    captured: Microcredits = strawberry.field(
        description="What was finally charged; zero until then."
    )
    created_at: datetime
    expires_at: datetime = strawberry.field(
        description="When an unfinished hold is released by itself."
    )
    ended_at: datetime | None

    @classmethod
    def of(cls, hold: ledger.Hold, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            hold=hold,
            id=hold_name(hold.id),
            status=hold.status,
            amount=hold.amount,
            captured=hold.captured,
            created_at=time_of(hold.id.moment),
            expires_at=hold.expires_at,
            ended_at=hold.ended_at,
        )

    @strawberry.field
    async def answer(self) -> LazyAnswer | None:
        paid_for = AnswerId(self.hold.id.purse, self.hold.id.moment)
        return await schema.answers.Answer.of_id(paid_for, self.lookups)

    @strawberry.field
    async def api_key(self) -> LazyApiKey | None:
        key_id = key_of(self.hold.id.purse.account_id, self.hold.api_key_number)
        return await schema.keys.ApiKey.of_id(key_id, self.lookups)

    @strawberry.field(permission_classes=[IsAdmin])
    async def account(self) -> LazyAccount | None:
        return await schema.accounts.Account.of_id(self.hold.id.purse.account_id, self.lookups)


@strawberry.type(description=EDGE)
class HoldEdge:
    cursor: str
    node: Hold


@strawberry.type(description=PAGE)
class HoldConnection:
    read: strawberry.Private[Read[ledger.Hold]]
    nodes: list[Hold]

    @classmethod
    def of(cls, read: Read[ledger.Hold], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[Hold.of(hold, lookups) for hold in read.page.items])

    @strawberry.field
    def edges(self) -> list[HoldEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [HoldEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
