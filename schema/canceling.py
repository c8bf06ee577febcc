"""Stopping an answer: the input and its outcomes."""

from typing import Annotated, Self, TypeAlias

import strawberry

from domain.canceling import Canceled
from schema.answers import Answer
from schema.balances import Balance
from schema.lookups import Lookups
from schema.problems import Conflict, NotFound


@strawberry.input(description="For cancelAnswer.")
class CancelAnswerInput:
    answer_id: strawberry.ID


@strawberry.type(description="The answer was stopped.")
class CancelAnswerSuccess:
    answer: Answer
    balance: Balance

    @classmethod
    def of(cls, canceled: Canceled, lookups: Lookups) -> Self:
        return cls(
            answer=Answer.of(canceled.answer, lookups),
            balance=Balance.of(canceled.balance, lookups),
        )


CancelAnswerResult: TypeAlias = Annotated[
    CancelAnswerSuccess | NotFound | Conflict,
    strawberry.union(
        "CancelAnswerResult",
        description="Outcome of cancelAnswer; Conflict when it had already finished.",
    ),
]
