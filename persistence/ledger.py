"""The ledger's hot path: holds taken and ended, batched into one call and one commit.

`PostgresLedger` is the port; underneath, `_Lane` is one connection and its prepared statements.
What is usual goes the fast way: a function for one operation, or one for many. What is not, or
whose outcome is unknown because the connection broke, goes the careful way, which looks keys and
holds up first: what was done answers as replayed, what was not is done now.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Final, Self

import asyncpg
from asyncpg.pgproto.pgproto import UUID
from asyncpg.prepared_stmt import PreparedStatement

from domain.answers import AnswerBeginning, AnswerEnd
from domain.counting import COMMIT_SECONDS, SIZES, Spread, Tally
from domain.errors import (
    BudgetExceeded,
    IdempotencyKeyReused,
    InsufficientCredits,
    LedgerFault,
    NotFound,
    Problem,
    StateConflict,
    Unavailable,
)
from domain.ledger import Balance, HoldEnded, HoldTaken, Once
from domain.tracing import TRACING
from domain.units import HoldId, Microcredits, Moment, PurseId
from persistence.batching import Answers, Batching
from persistence.operations import (
    APPLY,
    APPLY_CAREFULLY,
    UNKNOWN,
    Batch,
    Ending,
    Kind,
    Operation,
    Outcome,
    Result,
    Taking,
    lone_call,
    lone_result,
    telling,
)

BY_MONTH: Final = frozenset({"entries", "usage_records"})
MAKE_ROOM: Final = "SELECT tallystick.ensure_partitions(now(), now())"
RECONNECT_SECONDS: Final = 10.0
"""How long an operation waits for a database that went away before it is refused."""
STATEMENT_SECONDS: Final = 30.0
TRIES_MAX: Final = 20
HOLDS_REMEMBERED_MAX: Final = 100_000

WRITER_SETTINGS: Final = {
    # Always the plan that walks the arrays and probes primary keys, whatever the statistics say.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "synchronous_commit": "on",
    "application_name": "tallystick-writer",
}

UNFIT: Final = (ValueError, TypeError, OverflowError)
"""What asyncpg raises, some of it as InterfaceError too, for what PostgreSQL cannot take."""
LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg raises when a connection breaks between two messages: its own state is lost too.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
AGAIN: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
)


class _Lane:
    """One connection of the writer, remade when it breaks."""

    def __init__(self, url: str, *, tells: bool) -> None:
        self._url = url
        self._tells = tells
        self._connection: asyncpg.Connection | None = None
        self._statements: dict[str, PreparedStatement[asyncpg.Record]] = {}

    async def call(self, statement: str, values: Sequence[object]) -> Sequence[int] | None:
        """The numbers a function of the hot path answers with."""
        prepared = self._statements.get(statement)
        if prepared is None:
            if self._connection is None:
                self._connection = await asyncpg.connect(
                    self._url, server_settings=WRITER_SETTINGS, timeout=5
                )
            prepared = await self._connection.prepare(
                telling(statement) if self._tells else statement
            )
            self._statements[statement] = prepared
        numbers: Sequence[int] | None
        try:
            numbers = await prepared.fetchval(*values, timeout=STATEMENT_SECONDS)
        except asyncpg.CheckViolationError as error:
            if self._connection is None or not _is_for_want_of_a_month(error):
                raise
            await self._connection.execute(MAKE_ROOM, timeout=STATEMENT_SECONDS)
            numbers = await prepared.fetchval(*values, timeout=STATEMENT_SECONDS)
        return numbers

    async def numbers(self, statement: str, values: Sequence[object]) -> Sequence[int]:
        """The same, of a function that always answers or raises."""
        numbers = await self.call(statement, values)
        if numbers is None:
            raise AssertionError("apply() and apply_carefully() answer every operation")
        return numbers

    def drop(self) -> None:
        """Forget a broken connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
        self._statements.clear()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._connection = None
        self._statements.clear()


class PostgresLedger:
    """Holds and their ends, as `domain.ledger.Ledger` promises them."""

    def __init__(
        self,
        url: str,
        *,
        runner: UUID,
        lanes: int = 2,
        waiting_max: int = 10_000,
        tells: bool = False,
    ) -> None:
        """With `tells`, what the operator's systems want to hear is written as well."""
        self._lanes = [_Lane(url, tells=tells) for _ in range(lanes)]
        self._runner = runner
        self._batching = Batching(self._send, lanes=lanes, waiting_max=waiting_max)
        self._held: dict[tuple[int, int], int] = {}
        """What holds taken here are for, so that nobody must ask before they end."""
        self.sizes = Spread(SIZES)
        self.durations = Spread(COMMIT_SECONDS)
        self.detours = Tally()
        """Batches that could not go the usual way, by the reason."""
        self.refusals = Tally()
        """Holds that were refused, by the reason."""

    @property
    def waiting(self) -> int:
        """How many operations no batch has taken yet."""
        return self._batching.waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._batching.settle()
        for lane in self._lanes:
            await lane.close()

    async def hold(
        self,
        purse: PurseId,
        amount: Microcredits,
        once: Once,
        *,
        lasts_seconds: int,
        beginning: AnswerBeginning | None = None,
    ) -> HoldTaken:
        outcome, moment, granted, total, held, owed = await self._batching.perform(
            Taking(purse, amount, lasts_seconds, once, beginning)
        )
        if outcome > Outcome.REPLAYED:
            refusal = _refusal(outcome, required=amount, available=Microcredits(total - held))
            self.refusals.add(refusal.code)
            raise refusal
        named = Moment(moment)
        if len(self._held) >= HOLDS_REMEMBERED_MAX:
            # Holds that end elsewhere stay here; forgetting one costs its end a look-up.
            del self._held[next(iter(self._held))]
        self._held[purse.account_id, moment] = granted
        return HoldTaken(
            HoldId(purse, named),
            Microcredits(granted),
            Balance(purse, Microcredits(total), Microcredits(held), Microcredits(owed), named),
            outcome == 1,
        )

    async def capture(
        self, hold_id: HoldId, cost: Microcredits, end: AnswerEnd | None = None
    ) -> HoldEnded:
        return await self._end(Kind.CAPTURE, hold_id, cost, end)

    async def release(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        return await self._end(Kind.RELEASE, hold_id, Microcredits(0), end)

    async def expire(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        return await self._end(Kind.EXPIRE, hold_id, Microcredits(0), end)

    async def _end(
        self, kind: Kind, hold_id: HoldId, cost: Microcredits, end: AnswerEnd | None
    ) -> HoldEnded:
        purse = hold_id.purse
        size = self._held.pop((purse.account_id, hold_id.moment), UNKNOWN)
        outcome, moment, charged, total, held, owed = await self._batching.perform(
            Ending(purse, hold_id.moment, kind, cost, end, size)
        )
        if outcome > Outcome.REPLAYED:
            raise StateConflict("The hold is not open, or ended in another way.")
        named = Moment(moment)
        return HoldEnded(
            Microcredits(charged),
            named,
            Balance(purse, Microcredits(total), Microcredits(held), Microcredits(owed), named),
            outcome == 1,
        )

    async def _send(self, batch: list[Operation]) -> Answers:
        lane = self._lanes.pop()
        began = perf_counter()
        try:
            if (tracing := TRACING.get()) is None:
                return await self._commit(lane, batch)
            asked_at = [operation.asked_at for operation in batch]
            with tracing.shared("ledger batch", {"tallystick.operations": len(batch)}, of=asked_at):
                return await self._commit(lane, batch)
        finally:
            self._lanes.append(lane)
            self.sizes.add(len(batch))
            self.durations.add(perf_counter() - began)

    async def _commit(self, lane: _Lane, operations: list[Operation]) -> Answers:
        """Give every operation of a batch its outcome, whatever that takes."""
        is_careful = False
        give_up_at = asyncio.get_running_loop().time() + RECONNECT_SECONDS
        for attempt in range(TRIES_MAX):
            try:
                answers = await self._attempt(lane, operations, is_careful=is_careful)
            except AGAIN:
                self.detours.add("conflict")
                is_careful = True
            except UNFIT as error:
                return await self._isolate(lane, operations, error)
            except LOST:
                self.detours.add("connection")
                lane.drop()
                is_careful = True
                if asyncio.get_running_loop().time() > give_up_at:
                    break
                await asyncio.sleep(min(0.05 * 2**attempt, 1.0))
            except asyncpg.PostgresError as error:
                return await self._isolate(lane, operations, error)
            except Exception as error:  # noqa: BLE001 - the edge: whoever sends has nobody above
                # Callers must hear something, and the purses must not stay taken.
                lane.drop()
                return [(operation, _fault(error)) for operation in operations]
            else:
                if answers is not None:
                    return answers
                self.detours.add("repeat")
                is_careful = True
        away = Unavailable("The database cannot be reached. Try again shortly.")
        return [(operation, away) for operation in operations]

    async def _attempt(
        self, lane: _Lane, operations: list[Operation], *, is_careful: bool
    ) -> Answers | None:
        """Commit a batch, or return None with nothing done because it needs the careful way."""
        if len(operations) == 1 and not is_careful:
            [operation] = operations
            call = lone_call(operation, self._runner)
            if call is not None:
                numbers = await lane.call(*call)
                return None if numbers is None else [(operation, lone_result(operation, numbers))]
        batch = Batch(operations)
        if not is_careful and batch.is_usual:
            return batch.usual_results(await lane.numbers(APPLY, batch.arguments(self._runner)))
        answers: list[tuple[Operation, Result | Exception]] = []
        for part in _without_twins(operations):
            batch = Batch(part)
            numbers = await lane.numbers(APPLY_CAREFULLY, batch.arguments(self._runner))
            answers += batch.careful_results(numbers)
        return answers

    async def _isolate(self, lane: _Lane, operations: list[Operation], error: Exception) -> Answers:
        """One operation the database cannot take must not fail its neighbours."""
        self.detours.add("fault")
        if len(operations) > 1:
            half = len(operations) // 2
            first = await self._commit(lane, operations[:half])
            return [*first, *await self._commit(lane, operations[half:])]
        return [(operations[0], _fault(error))]


def _is_for_want_of_a_month(error: asyncpg.CheckViolationError) -> bool:
    """Whether the partition of this month is missing.

    It is made long before; only a machine that was asleep meanwhile finds none. A check that was
    violated has a name; a partition that is missing has only its table's.
    """
    return error.constraint_name is None and error.table_name in BY_MONTH


def _fault(error: Exception) -> LedgerFault:
    fault = LedgerFault(f"the ledger refused an operation: {type(error).__name__}")
    fault.__cause__ = error
    return fault


def _refusal(outcome: int, *, required: Microcredits, available: Microcredits) -> Problem:
    match outcome:
        case Outcome.INSUFFICIENT:
            return InsufficientCredits(required=required, available=available)
        case Outcome.OVER_BUDGET:
            return BudgetExceeded(required=required)
        case Outcome.CONFLICT:
            return IdempotencyKeyReused()
        case _:
            return NotFound("account")


def _without_twins(batch: list[Operation]) -> list[list[Operation]]:
    """Split a batch so that no key and no hold stands in one part twice.

    The later one then finds what the earlier one did.
    """
    names = {_name(operation) for operation in batch}
    if len(names) == len(batch):
        return [batch]
    parts: list[list[Operation]] = []
    seen: dict[object, int] = {}
    for operation in batch:
        name = _name(operation)
        place = seen.get(name, 0)
        seen[name] = place + 1
        if place == len(parts):
            parts.append([])
        parts[place].append(operation)
    return parts


def _name(operation: Operation) -> tuple[int, int, bytes | int]:
    """What may stand in a part once: an account's key, or a purse's hold."""
    purse = operation.purse
    if isinstance(operation, Taking):
        return purse.account_id, 0, operation.once.key
    return purse.account_id, purse.key_number, operation.hold_moment
