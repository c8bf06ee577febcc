"""Questions on their way to an answer."""

from datetime import datetime
from typing import Self

import strawberry

import resolvers.lookups
import schema.accounts
import schema.keys
import schema.usage
from domain import answers as domain_answers
from domain import errors
from domain.running import time_of
from domain.units import AnswerId, Microcredits, key_of
from schema.enums import AnswerStatus, FinishReason
from schema.ids import answer_name
from schema.lazy import LazyAccount, LazyApiKey, LazyUsageRecord
from schema.lookups import Lookups
from schema.models import Model
from schema.nodes import Node
from schema.pages import EDGE, PAGE, PageInfo, Read
from schema.permissions import IsAdmin
from schema.problems import Problem, ProviderFailed


@strawberry.type(
    description=(
        "One question to a model, from queued to finished. "
        "Background jobs are answers nobody waits for."
    )
)
class Answer(Node):
    lookups: strawberry.Private[Lookups]
    told: strawberry.Private[domain_answers.Answer]
    status: AnswerStatus
    text: str | None = strawberry.field(
        description=(
            "The text so far; complete when status is SUCCEEDED. Null once the retention period "
            "has passed\n(questions are never stored; answers are kept briefly so that streams "
            "can resume)."
        )
    )
    finish_reason: FinishReason | None
    charged: Microcredits = strawberry.field(
        description="What was charged. Zero unless something was delivered."
    )
    held: Microcredits = strawberry.field(
        description="What is set aside while the answer is in progress, else zero."
    )
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, answer: domain_answers.Answer, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            told=answer,
            id=answer_name(answer.id),
            status=answer.status,
            text=answer.text,
            finish_reason=answer.finish_reason,
            charged=answer.charged,
            held=answer.held,
            created_at=time_of(answer.id.moment),
            finished_at=answer.finished_at,
        )

    @classmethod
    async def of_id(cls, answer_id: AnswerId | None, lookups: Lookups) -> Self | None:
        answer = None if answer_id is None else await lookups.answers.load(answer_id)
        return None if answer is None else cls.of(answer, lookups)

    @strawberry.field
    async def model(self) -> Model:
        return await Model.of_id(self.told.model_id, self.lookups)

    @strawberry.field(description="Why there is no answer. Null unless status is FAILED.")
    def problem(self) -> Problem | None:
        if self.told.failure is None:
            return None
        return ProviderFailed.of(errors.ProviderFailed(self.told.failure))

    @strawberry.field(description="Every attempt made for this answer, oldest first (at most 5).")
    async def attempts(self) -> list[LazyUsageRecord]:
        records = await self.lookups.usage_records.load_many(self.told.usage_ids)
        return [
            schema.usage.UsageRecord.of(resolvers.lookups.present(record), self.lookups)
            for record in records
        ]

    @strawberry.field(description="The key the question was asked with, or null for a session.")
    async def api_key(self) -> LazyApiKey | None:
        key_id = key_of(self.told.id.purse.account_id, self.told.api_key_number)
        return await schema.keys.ApiKey.of_id(key_id, self.lookups)

    @strawberry.field(permission_classes=[IsAdmin])
    async def account(self) -> LazyAccount | None:
        return await schema.accounts.Account.of_id(self.told.id.purse.account_id, self.lookups)


@strawberry.type(description=EDGE)
class AnswerEdge:
    cursor: str
    node: Answer


@strawberry.type(description=PAGE)
class AnswerConnection:
    read: strawberry.Private[Read[domain_answers.Answer]]
    nodes: list[Answer]

    @classmethod
    def of(cls, read: Read[domain_answers.Answer], lookups: Lookups) -> Self:
        return cls(read=read, nodes=[Answer.of(answer, lookups) for answer in read.page.items])

    @strawberry.field
    def edges(self) -> list[AnswerEdge]:
        pairs = zip(self.read.cursors(), self.nodes, strict=True)
        return [AnswerEdge(cursor=cursor, node=node) for cursor, node in pairs]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.read)
