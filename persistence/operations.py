"""One operation on its way to the database, and how a batch of them becomes one call."""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from asyncpg.pgproto.pgproto import UUID

from domain.answers import AnswerBeginning, AnswerEnd, AttemptEnd
from domain.units import PurseId


class Kind(IntEnum):
    """What an operation does, as apply() numbers it."""

    HOLD = 1
    CAPTURE = 2
    RELEASE = 3
    EXPIRE = 4


class Outcome(IntEnum):
    """What became of an operation, as apply() and its kin number it."""

    DONE = 0
    REPLAYED = 1
    CONFLICT = 2
    INSUFFICIENT = 3
    NO_HOLD = 4
    NO_PURSE = 5


class Result(NamedTuple):
    """The answer to one operation; the totals are the purse's right after it."""

    outcome: int
    moment: int
    amount: int
    total: int
    held: int
    owed: int


@dataclass(slots=True, eq=False)
class Operation:
    """A hold to be taken or ended, and the future of whoever waits for it."""

    kind: Kind
    purse: PurseId
    amount: int
    done: "Future[Result]"
    hold_moment: int | None = None
    seconds: int = 0
    key: UUID | None = None
    digest: UUID | None = None
    beginning: AnswerBeginning | None = None
    end: AnswerEnd | None = None


_TYPES: Final = (
    "bigint[] int[] uuid bool "
    "int[] smallint[] bigint[] smallint[] "
    "int[] int[] int[] uuid[] uuid[] text[] bigint[] int[] text[] "
    "int[] bigint[] text[] text[] text[] text[] "
    "int[] bigint[] smallint[] text[] bigint[] bigint[] bigint[] bool[] int[] int[] text[] bigint[]"
).split()

APPLY: Final = "SELECT * FROM tallystick.apply({})".format(
    ", ".join(f"${i}::{kind}" for i, kind in enumerate(_TYPES, 1))
)

_NONE: Final[tuple[()]] = ()


def arguments(batch: Sequence[Operation], runner: UUID, *, check: bool) -> list[object]:
    """A batch, sorted by purse, as the arguments of apply()."""
    accounts: list[int] = []
    keys: list[int] = []
    places: list[int] = []
    spans: list[int] = []
    beginnings: list[tuple[object, ...]] = []
    ends: list[tuple[object, ...]] = []
    attempts: list[tuple[object, ...]] = []
    previous: PurseId | None = None
    for place, op in enumerate(batch, 1):
        if op.purse is not previous and op.purse != previous:
            previous = op.purse
            accounts.append(previous.account_id)
            keys.append(previous.key_number)
        places.append(len(accounts))
        if op.kind is Kind.HOLD:
            beginnings.append(_beginning(place, op))
            spans.append(1)
        else:
            ends.append(_end(place, op))
            tried = op.end.attempts if op.end else _NONE
            attempts += [_attempt(place, op.hold_moment, attempt) for attempt in tried]
            spans.append(1 + len(tried))
    return [
        accounts,
        keys,
        runner,
        check,
        places,
        [op.kind for op in batch],
        [op.amount for op in batch],
        spans,
        *_columns(beginnings, 9),
        *_columns(ends, 6),
        *_columns(attempts, 12),
    ]


def _beginning(place: int, op: Operation) -> tuple[object, ...]:
    b = op.beginning
    if b is None:
        return (place, op.seconds, 0, op.key, op.digest, None, None, None, None)
    return (
        place, op.seconds, b.api_key_number, op.key, op.digest,
        b.model_id, b.price_id, b.answer_tokens_max, b.status,
    )  # fmt: skip


def _end(place: int, op: Operation) -> tuple[object, ...]:
    e = op.end
    if e is None:
        return (place, op.hold_moment, None, None, None, None)
    return (place, op.hold_moment, e.status, e.text, e.finish_reason, e.failure)


def _attempt(place: int, hold_moment: int | None, a: AttemptEnd) -> tuple[object, ...]:
    return (
        place, hold_moment, a.attempt, a.outcome, a.input_tokens, a.cached_input_tokens,
        a.output_tokens, a.is_estimated, a.latency_ms, a.first_token_ms, a.problem_code,
        a.provider_cost,
    )  # fmt: skip


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> Sequence[Sequence[object]]:
    return list(zip(*rows, strict=True)) if rows else [_NONE] * width
