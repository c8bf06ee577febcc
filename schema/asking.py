"""Asking a model: the input and its outcomes."""

from typing import Annotated, Self, TypeAlias

import strawberry

from domain.asking import Asked
from domain.questions import Message, Question
from domain.units import ModelId
from schema.answers import Answer
from schema.balances import Balance
from schema.enums import MessageRole
from schema.inputs import given
from schema.lookups import Lookups
from schema.problems import (
    AccountSuspended,
    BudgetExceeded,
    Conflict,
    InsufficientCredits,
    InvalidInput,
    NotFound,
    ProviderFailed,
    RateLimited,
    Unavailable,
)


@strawberry.input(description="One message of the conversation.")
class MessageInput:
    role: MessageRole = MessageRole.USER
    content: str


@strawberry.input(description="For askAI.")
class AskAIInput:
    messages: list[MessageInput] = strawberry.field(
        description="1 to 100 messages, oldest first, together at most 32 KB."
    )
    model: str | None = strawberry.field(
        description="A model's id; the default model when left out.", default=strawberry.UNSET
    )
    max_output_tokens: int | None = strawberry.field(
        description="Upper bound for the answer's length, and for what is held.",
        default=strawberry.UNSET,
    )
    temperature: float | None = strawberry.field(description="0 to 2.", default=strawberry.UNSET)
    wait_seconds: int = strawberry.field(
        description="How long to wait for the finished answer: 0 to 120.", default=60
    )
    idempotency_key: str = strawberry.field(
        description="Any string of 1 to 128 characters, new for every question, such as a UUID."
    )

    def question(self) -> Question:
        model = given(self.model)
        return Question(
            messages=tuple(Message(message.role, message.content) for message in self.messages),
            model=None if model is None else ModelId(model),
            answer_tokens_max=given(self.max_output_tokens),
            temperature=given(self.temperature),
        )


@strawberry.type(description="The question was accepted.")
class AskAISuccess:
    answer: Answer = strawberry.field(
        description="Finished, or still QUEUED or RUNNING when waitSeconds ran out."
    )
    balance: Balance
    replayed: bool = strawberry.field(
        description="True when this idempotencyKey had been used before and nothing new was done."
    )

    @classmethod
    def of(cls, asked: Asked, lookups: Lookups) -> Self:
        return cls(
            answer=Answer.of(asked.answer, lookups),
            balance=Balance.of(asked.balance, lookups),
            replayed=asked.replayed,
        )


AskAIResult: TypeAlias = Annotated[
    AskAISuccess
    | InvalidInput
    | InsufficientCredits
    | BudgetExceeded
    | AccountSuspended
    | NotFound
    | Conflict
    | RateLimited
    | ProviderFailed
    | Unavailable,
    strawberry.union(
        "AskAIResult",
        description=(
            "Outcome of askAI. Problems found before anything is held do not use up the "
            "idempotencyKey."
        ),
    ),
]
