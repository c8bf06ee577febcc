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


UNKNOWN: Final = -1
"""Of a hold's size: only apply_carefully() can end it then."""


class Outcome(IntEnum):
    """What became of an operation, as apply_carefully() numbers it."""

    DONE = 0
    REPLAYED = 1
    CONFLICT = 2
    INSUFFICIENT = 3
    NO_HOLD = 4
    NO_PURSE = 5
    OVER_BUDGET = 6


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
    asked_at: object | None = None
    """Where whoever asked stood, if that is traced."""


@dataclass(slots=True, eq=False)
class Ending:
    """A hold to be ended, and the future of whoever waits for it in a queue."""

    purse: PurseId
    hold_moment: int
    kind: Kind
    cost: int
    end: AnswerEnd | None
    held: int
    """What was held, or UNKNOWN: believed only if it is true."""
    done: "Future[Result] | None" = None
    asked_at: object | None = None
    """Where whoever asked stood, if that is traced."""


Operation = Taking | Ending


def _words(types: str) -> list[str]:
    return types.split()


_TAKE: Final = _words("bigint int bigint int uuid uuid uuid int text bigint int bool")
_END: Final = _words(
    "bigint int bigint text bigint text text text smallint "
    "text bigint bigint bigint bool int int text bigint"
)
_BATCH: Final = [
    "uuid", "text[]", "text::bigint[]", "text::bigint[]", "text[]", "text::bigint[]",
    "text::uuid[]", "text::bigint[]",
]  # fmt: skip
"""Numbers and keys are sent as PostgreSQL writes arrays, each array as one text.

The driver looks at every element of an array by itself, which took longer than all else together.
"""
_BARE: Final = {"take_hold": 7, "end_hold": 5}
"""How many arguments say everything about a hold that is not for an answer."""


def _call(function: str, types: Sequence[str]) -> str:
    given = ", ".join(f"${number}::{name}" for number, name in enumerate(types, 1))
    return f"SELECT tallystick.{function}({given})"


_END_AND_TELL: Final = "SELECT tallystick.tell_of_end({}, $1, $2, $3, $5)"

APPLY: Final = _call("apply", _BATCH)
APPLY_CAREFULLY: Final = _call("apply_carefully", _BATCH)
TAKE_HOLD: Final = _call("take_hold", _TAKE)
TAKE_BARE_HOLD: Final = _call("take_hold", _TAKE[: _BARE["take_hold"]])
END_HOLD: Final = _call("end_hold", _END)
END_BARE_HOLD: Final = _call("end_hold", _END[: _BARE["end_hold"]])

_TELLING: Final = {
    APPLY: _call("apply_and_tell", _BATCH),
    APPLY_CAREFULLY: _call("apply_carefully_and_tell", _BATCH),
    END_HOLD: _END_AND_TELL.format(END_HOLD.removeprefix("SELECT ")),
    END_BARE_HOLD: _END_AND_TELL.format(END_BARE_HOLD.removeprefix("SELECT ")),
}
"""What is called instead where somebody wants to be told what ends."""

_BIGINT_MAX: Final = 2**63 - 1
_NO_ANSWER: Final[Row] = (0, None, None, None, False)
_NO_END: Final[Row] = (None, None, None)
_NOTHING_BEGUN: Final = (0, 0, -1, -1, 0)


def telling(statement: str) -> str:
    """The same, with what the operator's systems are told about it in the same commit."""
    return _TELLING.get(statement, statement)


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
        """Whether apply() may be asked: it is told each hold's size, and knows no expiry.

        Its sums have 64 bits.
        """
        return not any(
            sum(taking.amount for taking in purse.takings) > _BIGINT_MAX
            or sum(ending.cost for ending in purse.endings) > _BIGINT_MAX
            or any(ending.kind is Kind.EXPIRE or ending.held == UNKNOWN for ending in purse.endings)
            for _, purse in self._purses
        )

    def arguments(self, runner: UUID) -> list[object]:
        """The arguments of apply() and of apply_carefully(), which explain them."""
        words = _Words()
        purses: list[int] = []
        endings: list[int] = []
        texts: list[str | None] = []
        takings: list[int] = []
        keys: list[str] = []
        attempts: list[int] = []
        for place, ((account_id, key_number), purse) in enumerate(self._purses):
            at = line = through = wanted = 0
            for ending in purse.endings:
                cost, end = ending.cost, ending.end
                if cost:
                    line += 1
                    through += cost
                endings += (place, at, ending.hold_moment, int(ending.kind), cost, line, through)
                if end is None:
                    endings += (0, 0, 0, ending.held)
                    texts.append(None)
                    at += 1
                    continue
                tried = end.attempts
                endings += (
                    len(tried), words.place(end.finish_reason), words.place(end.failure),
                    ending.held,
                )  # fmt: skip
                for each in tried:
                    attempts += (len(texts), *_numbers(each, words))
                texts.append(end.text)
                at += 1 + len(tried)
            for taking in purse.takings:
                wanted += taking.amount
                takings += (place, at, taking.amount, taking.seconds)
                begun = taking.beginning
                takings += _NOTHING_BEGUN if begun is None else _numbers_of_beginning(begun, words)
                keys.append(taking.once.key.hex())
                keys.append(taking.once.digest.hex())
                at += 1
            purses += (account_id, key_number, wanted, through, line, at)
        return [
            runner,
            words.all,
            _array(purses),
            _array(endings),
            texts if any(text is not None for text in texts) else [],
            _array(takings),
            f"{{{','.join(keys)}}}",
            _array(attempts),
        ]

    def usual_results(self, numbers: Sequence[int]) -> Iterator[tuple[Operation, Result]]:
        """Each operation with what apply() made of it."""
        count = len(self._purses)
        for place, (_, purse) in enumerate(self._purses):
            moment, total, held = numbers[place::count]
            for ending in purse.endings:
                total -= ending.cost
                held -= ending.held
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


class _Words:
    """The words of one batch, each sent once; no word is 0."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, word: str | None) -> int:
        if word is None:
            return 0
        place = self._places.get(word)
        if place is None:
            self.all.append(word)
            place = self._places[word] = len(self.all)
        return place


def _array(numbers: list[int]) -> str:
    """As PostgreSQL writes it; printing a list is the quickest way to print its numbers."""
    return f"{{{str(numbers)[1:-1]}}}"


def _numbers_of_beginning(begun: AnswerBeginning, words: _Words) -> tuple[int, ...]:
    return (
        begun.api_key_number, words.place(begun.model_id), begun.price_id, begun.answer_tokens_max,
        int(begun.status is AnswerStatus.QUEUED),
    )  # fmt: skip


def _numbers(each: AttemptEnd, words: _Words) -> tuple[int, ...]:
    return (
        each.attempt, words.place(each.outcome), each.input_tokens, each.cached_input_tokens,
        each.output_tokens, int(each.is_estimated), _known(each.latency_ms),
        _known(each.first_token_ms), words.place(each.problem_code), _known(each.provider_cost),
    )  # fmt: skip


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _beginning(taking: Taking) -> Row:
    """The API key's number, model, price, most tokens, and whether the answer is only queued."""
    begun = taking.beginning
    if begun is None:
        return _NO_ANSWER
    return (
        begun.api_key_number, begun.model_id, begun.price_id, begun.answer_tokens_max,
        begun.status is AnswerStatus.QUEUED,
    )  # fmt: skip


def _end(ending: Ending) -> Row:
    end = ending.end
    return _NO_END if end is None else (end.text, end.finish_reason, end.failure)


def _attempt(each: AttemptEnd) -> Row:
    return (
        each.outcome, each.input_tokens, each.cached_input_tokens, each.output_tokens,
        each.is_estimated, each.latency_ms, each.first_token_ms, each.problem_code,
        each.provider_cost,
    )  # fmt: skip
