"""What streams tell: pieces of an answer, and what becomes of a balance."""

from typing import Self

import strawberry

from domain import balance_changes, following
from schema.answers import Answer
from schema.balances import Balance
from schema.enums import AnswerStatus
from schema.ledger import LedgerEntry
from schema.lookups import Lookups


@strawberry.type(
    description="A piece of an answer. The final piece of every stream has `answer` set."
)
class AnswerChunk:
    offset: int = strawberry.field(
        description=(
            "Where `text` begins, counted as JavaScript counts string length (UTF-16 units). "
            "The rule for\nclients is `shown = shown.slice(0, offset) + text`: repeats and "
            "reconnects are then harmless."
        )
    )
    text: str
    status: AnswerStatus
    answer: Answer | None = strawberry.field(
        description=(
            "The finished answer with its charge or problem; null on every piece but the last."
        )
    )

    @classmethod
    def of(cls, piece: following.Piece, lookups: Lookups) -> Self:
        return cls(
            offset=piece.offset,
            text=piece.text,
            status=piece.status,
            answer=None if piece.answer is None else Answer.of(piece.answer, lookups),
        )


@strawberry.type(description="A balance, and what moved it.")
class BalanceChange:
    balance: Balance
    entry: LedgerEntry | None = strawberry.field(
        description=(
            "The ledger line behind the change; null for the first event and when only holds "
            "changed."
        )
    )

    @classmethod
    def of(cls, change: balance_changes.BalanceChange, lookups: Lookups) -> Self:
        return cls(
            balance=Balance.of(change.balance, lookups),
            entry=None if change.entry is None else LedgerEntry.of(change.entry, lookups),
        )
