"""The ledger's hot path: holds taken and ended, batched into one call and one commit.

`PostgresLedger` is the port; underneath, `_Lane` is one connection and its prepared statement. A batch
whose outcome is unknown, because the connection broke, is sent again with its keys looked up first:
what was done answers as replayed, what was not is done now.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import asyncpg
from asyncpg.pgproto.pgproto import UUID
from asyncpg.prepared_stmt import PreparedStatement

from domain.answers import AnswerBeginning, AnswerEnd
from domain.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    LedgerFault,
    NotFound,
    StateConflict,
    Unavailable,
)
from domain.ledger import Balance, HoldEnded, HoldTaken, Once
from domain.units import HoldId, Microcredits, Moment, PurseId
from persistence.batching import Batching, answer, refuse
from persistence.operations import APPLY, Kind, Operation, Outcome, Result, arguments

RECONNECT_SECONDS: Final = 10.0
"""How long an operation waits for a database that went away before it is refused."""
STATEMENT_SECONDS: Final = 30.0
TRIES_MAX: Final = 20

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

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class _Lane:
    """One connection of the writer, remade when it breaks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._apply: PreparedStatement[asyncpg.Record] | None = None

    async def call(self, values: Sequence[object]) -> asyncpg.Record | None:
        if self._apply is None:
            self._connection = await asyncpg.connect(
                self._url, server_settings=WRITER_SETTINGS, timeout=5
            )
            self._apply = await self._connection.prepare(APPLY)
        return await self._apply.fetchrow(*values, timeout=STATEMENT_SECONDS)

    def drop(self) -> None:
        """Forget a broken connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = self._apply = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._connection = self._apply = None


class PostgresLedger:
    """Holds and their ends, as `domain.ledger.Ledger` promises them."""

    def __init__(
        self, url: str, *, runner: UUID, lanes: int = 2, waiting_max: int = 10_000
    ) -> None:
        self._lanes = [_Lane(url) for _ in range(lanes)]
        self._runner = runner
        self._batching = Batching(self._send, lanes=lanes, waiting_max=waiting_max)

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
        operation = Operation(
            Kind.HOLD,
            purse,
            amount,
            asyncio.get_running_loop().create_future(),
            seconds=lasts_seconds,
            key=UUID(once.key),
            digest=UUID(once.digest),
            beginning=beginning,
        )
        self._batching.submit(operation)
        result = await operation.done
        if result.outcome == Outcome.INSUFFICIENT:
            available = Microcredits(result.total - result.held)
            raise InsufficientCredits(required=amount, available=available)
        if result.outcome == Outcome.CONFLICT:
            raise IdempotencyKeyReused
        if result.outcome == Outcome.NO_PURSE:
            raise NotFound("account")
        return HoldTaken(
            HoldId(purse, Moment(result.moment)),
            Microcredits(result.amount),
            _balance(purse, result),
            result.outcome == Outcome.REPLAYED,
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
        operation = Operation(
            kind,
            hold_id.purse,
            cost,
            asyncio.get_running_loop().create_future(),
            hold_moment=hold_id.moment,
            end=end,
        )
        self._batching.submit(operation)
        result = await operation.done
        if result.outcome not in {Outcome.DONE, Outcome.REPLAYED}:
            raise StateConflict("The hold is not open, or ended in another way.")
        return HoldEnded(
            Microcredits(result.amount),
            Moment(result.moment),
            _balance(hold_id.purse, result),
            result.outcome == Outcome.REPLAYED,
        )

    async def _send(self, batch: list[Operation]) -> None:
        lane = self._lanes.pop()
        try:
            for part in _without_twins(batch):
                await self._commit(lane, part)
        finally:
            self._lanes.append(lane)

    async def _commit(self, lane: _Lane, batch: list[Operation]) -> None:
        """Give every operation of a batch its outcome, whatever that takes."""
        batch.sort(key=_by_purse)
        check = False
        deadline = asyncio.get_running_loop().time() + RECONNECT_SECONDS
        for attempt in range(TRIES_MAX):
            try:
                record = await lane.call(arguments(batch, self._runner, check=check))
            except asyncpg.UniqueViolationError:
                check = True
            except AGAIN:
                pass
            except LOST:
                lane.drop()
                check = True
                if asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(min(0.05 * 2**attempt, 1.0))
            except (asyncpg.PostgresError, ValueError, TypeError, OverflowError) as error:
                await self._isolate(lane, batch, error)
                return
            else:
                if record is None:
                    raise AssertionError("apply() answers with one row")
                for operation, *result in zip(batch, *record.values(), strict=True):
                    answer(operation, Result(*result))
                return
        for operation in batch:
            refuse(operation, Unavailable("The database cannot be reached. Try again shortly."))

    async def _isolate(self, lane: _Lane, batch: list[Operation], error: Exception) -> None:
        """One operation the database cannot take must not fail its neighbours."""
        if len(batch) == 1:
            fault = LedgerFault(f"the ledger refused an operation: {type(error).__name__}")
            fault.__cause__ = error
            refuse(batch[0], fault)
            return
        for operation in batch:
            await self._commit(lane, [operation])


def _balance(purse: PurseId, result: Result) -> Balance:
    return Balance(
        purse,
        Microcredits(result.total),
        Microcredits(result.held),
        Microcredits(result.owed),
        Moment(result.moment),
    )


def _by_purse(operation: Operation) -> tuple[int, int]:
    return operation.purse.account_id, operation.purse.key_number


def _without_twins(batch: list[Operation]) -> list[list[Operation]]:
    """Split a batch so that no key and no hold stands in one part twice: the later one then finds
    what the earlier one did.
    """
    parts: list[list[Operation]] = []
    seen: dict[object, int] = {}
    for operation in batch:
        name = (operation.purse.account_id, operation.key or operation.hold_moment)
        place = seen.get(name, 0)
        seen[name] = place + 1
        if place == len(parts):
            parts.append([])
        parts[place].append(operation)
    return parts
