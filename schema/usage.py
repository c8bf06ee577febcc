"""The record of every attempt to answer."""

from datetime import datetime
from typing import Self

import strawberry

import schema.accounts
import schema.answers
import schema.keys
from domain import answers as domain_answers
from domain.money import MicroUSD
from domain.running import time_of
from domain.units import Microcredits, key_of
from schema.enums import ProblemCode, UsageOutcome
from schema.ids import usage_name
from schema.lazy import LazyAccount, LazyAnswer, LazyApiKey
from schema.lookups import Lookups
from schema.models import Model, ModelPrice
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin
from schema.scalars import Count


@strawberry.type(description="One attempt. Immutable.")
class UsageRecord(Node):
    lookups: strawberry.Private[Lookups]
    record: strawberry.Private[domain_answers.UsageRecord]
    created_at: datetime
    outcome: UsageOutcome
    attempt: int = strawberry.field(
        description="1 for the first try of an answer, 2 for its first retry, and so on."
    )
    input_tokens: Count
    cached_input_tokens: Count = strawberry.field(
        description="The part of inputTokens the provider served from its cache."
    )
    output_tokens: Count
    estimated: bool = strawberry.field(
        description=(
            "True when the provider reported no usage and the tokens were counted from the text."
        )
    )
    charged: Microcredits
    latency_ms: int | None = strawberry.field(
        description="From the provider call to the last token; null when no call was made."
    )
    first_token_ms: int | None
    problem_code: ProblemCode | None = strawberry.field(
        description="Null when the outcome is SUCCEEDED or CANCELED."
    )

    @classmethod
    def of(cls, record: domain_answers.UsageRecord, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            record=record,
            id=usage_name(record.id),
            created_at=time_of(record.id.moment),
            outcome=record.outcome,
            attempt=record.attempt,
            input_tokens=Count(record.input_tokens),
            cached_input_tokens=Count(record.cached_input_tokens),
            output_tokens=Count(record.output_tokens),
            estimated=record.is_estimated,
            charged=record.charged,
            latency_ms=record.latency_ms,
            first_token_ms=record.first_token_ms,
            problem_code=record.problem_code,
        )

    @strawberry.field
    async def answer(self) -> LazyAnswer | None:
        return await schema.answers.Answer.of_id(self.record.answer_id, self.lookups)

    @strawberry.field
    async def model(self) -> Model:
        return await Model.of_id(self.record.model_id, self.lookups)

    @strawberry.field
    async def api_key(self) -> LazyApiKey | None:
        key_id = key_of(self.record.id.purse.account_id, self.record.api_key_number)
        return await schema.keys.ApiKey.of_id(key_id, self.lookups)

    @strawberry.field(description="The price the charge was computed from.")
    async def price(self) -> ModelPrice:
        return await ModelPrice.of_id(self.record.price_id, self.lookups)

    @strawberry.field(
        description="What the provider charges us, in USD.", permission_classes=[IsAdmin]
    )
    def provider_cost(self) -> MicroUSD | None:
        cost = self.record.provider_cost
        return None if cost is None else MicroUSD(cost)

    @strawberry.field(permission_classes=[IsAdmin])
    async def account(self) -> LazyAccount | None:
        return await schema.accounts.Account.of_id(self.record.id.purse.account_id, self.lookups)


@strawberry.type(description=EDGE)
class UsageEdge:
    cursor: str
    node: UsageRecord


@strawberry.type(description=PAGE)
class UsageConnection:
    read: strawberry.Private[Read[domain_answers.UsageRecord]]
    nodes: list[UsageRecord]

    @classmethod
    def of(cls, read: Read[domain_answers.UsageRecord], lookups: Lookups) -> Self:
        nodes = [UsageRecord.of(record, lookups) for record in read.page.items]
        return cls(read=read, nodes=nodes)

    @strawberry.field
    def edges(self) -> list[UsageEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [UsageEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
