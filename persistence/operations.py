"""Operations on their way to the database, and how one or many of them become one call."""

from asyncio import Future
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from asyncpg.pgproto.pgproto import UUID

from domain.answers import AnswerBeginning, AnswerEnd, AnswerStatus, AttemptEnd
from domain.ledger import Once
from domain.units import PurseId


class Kind(IntEnum):
    """How a hold is to end, as the functions of the hot path number it."""

    CAPTURE = 2
    RELEASE = 3
    EXPIRE = 4


class Outcome(IntEnum):
    """What became of an operation, as apply_carefully() numbers it."""

    DONE = 0
    REPLAYED = 1
    CONFLICT = 2
    INSUFFICIENT = 3
    NO_HOLD = 4
    NO_PURSE = 5


Result = tuple[int, int, int, int, int, int]
"""Outcome, moment and amount of an operation; total, held and owed of its purse right after it."""

Row = tuple[object, ...]


@dataclass(slots=True, eq=False)
class Taking:
    """A hold to be taken, and the future of whoever waits for it in a queue."""

    purse: PurseId
    amount: int
    seconds: int
    once: Once
    beginning: AnswerBeginning | None
    done: "Future[Result] | None" = None


@dataclass(slots=True, eq=False)
class Ending:
    """A hold to be ended, and the future of whoever waits for it in a queue."""

    purse: PurseId
    hold_moment: int
    kind: Kind
    cost: int
    end: AnswerEnd | None
    done: "Future[Result] | None" = None


Operation = Taking | Ending


def _words(types: str) -> list[str]:
    return types.split()


_TAKE: Final = _words("bigint int bigint int uuid uuid uuid int text bigint int bool")
_END: Final = _words(
    "bigint int bigint text bigint text text text smallint "
    "text bigint bigint bigint bool int int text bigint"
)
_PURSES: Final = _words("bigint[] int[] bigint[] bigint[] int[] int[]")
_TAKINGS: Final = _words(
    "int[] int[] bigint[] int[] uuid[] uuid[] int[] text[] bigint[] int[] bool[]"
)
_ENDINGS: Final = _words(
    "int[] int[] bigint[] smallint[] bigint[] int[] bigint[] smallint[] text[] text[] text[]"
)
_ATTEMPTS: Final = _words(
    "int[] smallint[] text[] bigint[] bigint[] bigint[] bool[] int[] int[] text[] bigint[]"
)
_BATCH: Final = ["uuid", *_PURSES, *_TAKINGS, *_ENDINGS, *_ATTEMPTS]
_BARE: Final = {"take_hold": 7, "end_hold": 5}
"""How many arguments say everything about a hold that is not for an answer."""


def _call(function: str, types: Sequence[str]) -> str:
    given = ", ".join(f"${number}::{name}" for number, name in enumerate(types, 1))
    return f"SELECT tallystick.{function}({given})"


APPLY: Final = _call("apply", _BATCH)
APPLY_CAREFULLY: Final = _call("apply_carefully", _BATCH)
TAKE_HOLD: Final = _call("take_hold", _TAKE)
TAKE_BARE_HOLD: Final = _call("take_hold", _TAKE[: _BARE["take_hold"]])
END_HOLD: Final = _call("end_hold", _END)
END_BARE_HOLD: Final = _call("end_hold", _END[: _BARE["end_hold"]])

_BIGINT_MAX: Final = 2**63 - 1
_NO_ANSWER: Final[Row] = (0, None, None, None, False)
_NO_END: Final[Row] = (None, None, None)


def lone_call(operation: Operation, runner: UUID) -> tuple[str, Row] | None:
    """How an operation is sent that is alone in its batch, or None if that is not possible."""
    purse = operation.purse
    if isinstance(operation, Taking):
        once = operation.once
        taken: Row = (
            purse.account_id, purse.key_number, operation.amount, operation.seconds,
            UUID(once.key), UUID(once.digest), runner,
        )  # fmt: skip
        if operation.beginning is None:
            return TAKE_BARE_HOLD, taken
        return TAKE_HOLD, (*taken, *_beginning(operation))
    if operation.kind is Kind.EXPIRE:
        return None
    status = "CAPTURED" if operation.kind is Kind.CAPTURE else "RELEASED"
    ended: Row = (
        purse.account_id, purse.key_number, operation.hold_moment, status, operation.cost,
    )  # fmt: skip
    if operation.end is None:
        return END_BARE_HOLD, ended
    attempts = operation.end.attempts
    if len(attempts) != 1:
        return None
    return END_HOLD, (*ended, *_end(operation), 1, *_attempt(attempts[0]))


def lone_result(operation: Operation, numbers: Sequence[int]) -> Result:
    """What became of an operation that was sent alone."""
    moment, total, held = numbers
    amount = operation.amount if isinstance(operation, Taking) else operation.cost
    return (0, moment, amount, total, held, 0)


@dataclass(slots=True)
class _Purse:
    """What a batch does to one purse: ends first, for what they free can be held again."""

    endings: list[Ending] = field(default_factory=list)
    takings: list[Taking] = field(default_factory=list)


class Batch:
    """Operations that are sent in one call, sorted as apply() wants them."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._size = len(operations)
        purses: dict[tuple[int, int], _Purse] = {}
        for operation in operations:
            name = (operation.purse.account_id, operation.purse.key_number)
            purse = purses.get(name)
            if purse is None:
                purse = purses[name] = _Purse()
            if isinstance(operation, Ending):
                purse.endings.append(operation)
            else:
                purse.takings.append(operation)
        self._purses = sorted(purses.items())

    @property
    def is_usual(self) -> bool:
        """Whether apply() may be asked: it knows no expiry, and its sums have 64 bits."""
        return not any(
            sum(taking.amount for taking in purse.takings) > _BIGINT_MAX
            or sum(ending.cost for ending in purse.endings) > _BIGINT_MAX
            or any(ending.kind is Kind.EXPIRE for ending in purse.endings)
            for _, purse in self._purses
        )

    def arguments(self, runner: UUID) -> list[object]:
        """The arguments of apply() and of apply_carefully()."""
        purses: list[Row] = []
        takings: list[Row] = []
        endings: list[Row] = []
        attempts: list[Row] = []
        for place, ((account_id, key_number), purse) in enumerate(self._purses, 1):
            at = line = through = wanted = 0
            for ending in purse.endings:
                cost = ending.cost
                if cost:
                    line += 1
                    through += cost
                tried = ending.end.attempts if ending.end else ()
                endings.append((
                    place, at, ending.hold_moment, ending.kind, cost, line, through,
                    len(tried), *_end(ending),
                ))  # fmt: skip
                attempts += [(len(endings), each.attempt, *_attempt(each)) for each in tried]
                at += 1 + len(tried)
            for taking in purse.takings:
                wanted += taking.amount
                once = taking.once
                takings.append((
                    place, at, taking.amount, taking.seconds,
                    UUID(once.key), UUID(once.digest), *_beginning(taking),
                ))  # fmt: skip
                at += 1
            purses.append((account_id, key_number, wanted, through, line, at))
        return [
            runner,
            *_columns(purses, len(_PURSES)),
            *_columns(takings, len(_TAKINGS)),
            *_columns(endings, len(_ENDINGS)),
            *_columns(attempts, len(_ATTEMPTS)),
        ]

    def usual_results(self, numbers: Sequence[int]) -> Iterator[tuple[Operation, Result]]:
        """Each operation with what apply() made of it."""
        count = len(self._purses)
        amounts = iter(numbers[3 * count :])
        for place, (_, purse) in enumerate(self._purses):
            moment, total, held = numbers[place : 3 * count : count]
            for ending in purse.endings:
                total -= ending.cost
                held -= next(amounts)
                yield ending, (0, moment, ending.cost, total, held, 0)
                moment += 1 + (len(ending.end.attempts) if ending.end else 0)
            for taking in purse.takings:
                held += taking.amount
                yield taking, (0, moment, taking.amount, total, held, 0)
                moment += 1

    def careful_results(self, numbers: Sequence[int]) -> Iterator[tuple[Operation, Result]]:
        """Each operation with what apply_carefully() made of it."""
        operations: list[Operation] = []
        for _, purse in self._purses:
            operations += purse.endings
        for _, purse in self._purses:
            operations += purse.takings
        size = self._size
        columns = (numbers[start : start + size] for start in range(0, 6 * size, size))
        yield from zip(operations, zip(*columns, strict=True), strict=True)


def _beginning(taking: Taking) -> Row:
    """The API key's number, model, price, most tokens, and whether the answer is only queued."""
    begun = taking.beginning
    if begun is None:
        return _NO_ANSWER
    is_queued = begun.status is AnswerStatus.QUEUED
    return (
        begun.api_key_number,
        begun.model_id,
        begun.price_id,
        begun.answer_tokens_max,
        is_queued,
    )


def _end(ending: Ending) -> Row:
    end = ending.end
    return _NO_END if end is None else (end.text, end.finish_reason, end.failure)


def _attempt(each: AttemptEnd) -> Row:
    return (
        each.outcome, each.input_tokens, each.cached_input_tokens, each.output_tokens,
        each.is_estimated, each.latency_ms, each.first_token_ms, each.problem_code,
        each.provider_cost,
    )  # fmt: skip


def _columns(rows: Sequence[Row], width: int) -> Sequence[Sequence[object]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
