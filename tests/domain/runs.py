"""What running answers needs, in memory: a ledger that ends holds, a provider, leases, a queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.answers import AnswerBeginning, AnswerEnd, FinishReason
from domain.ledger import Balance, HoldEnded, HoldTaken, Once
from domain.outside import Completion, ModelCall
from domain.pricing import Model, Price, Tokens
from domain.questions import Message, MessageRole, Question
from domain.running import Errand, Run
from domain.units import (
    OWN_CREDITS,
    AccountId,
    AnswerId,
    HoldId,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
)

Hear = Callable[[str], None]
Script = Callable[[ModelCall, Hear], Awaitable[Completion]]

MODEL = Model(
    id=ModelId("small"),
    name="Small",
    vendor="Tallystick",
    upstream_name="small-1",
    context_window=8_192,
    answer_tokens_max=1_000,
    price=Price(
        id=PriceId(1),
        effective_from=datetime(2026, 1, 1, tzinfo=UTC),
        input_per_1k=Microcredits(1_000),
        cached_input_per_1k=Microcredits(1_000),
        output_per_1k=Microcredits(1_000),
        per_request=Microcredits(0),
    ),
)
"""A token is a micro-credit."""

PURSE = PurseId(AccountId(7))
ENDED_AT = Moment(1_000)


def run_of(number: int, errand: Errand | None = None) -> Run:
    """An accepted question."""
    return Run(
        answer_id=AnswerId(PURSE, Moment(number)),
        question=Question(messages=(Message(MessageRole.USER, "Hello"),)),
        model=MODEL,
        answer_tokens_max=100,
        held=Microcredits(500),
        api_key_number=OWN_CREDITS,
        errand=errand,
    )


def answered(tokens: Tokens | None = Tokens(input=3, output=4), text: str = "one") -> Completion:  # noqa: B008 - it is frozen
    return Completion(text=text, finish_reason=FinishReason.STOP, tokens=tokens, latency_ms=70)


@dataclass(slots=True)
class FakeHolds:
    """Ends holds, each when it may; first it fails as often as it is told to."""

    failing: list[Exception] = field(default_factory=list)
    may_end: asyncio.Event | None = None
    """What it waits for, if for anything."""
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[tuple[str, int, AnswerEnd | None]] = field(default_factory=list)

    async def hold(
        self,
        purse: PurseId,
        amount: Microcredits,
        once: Once,
        *,
        lasts_seconds: int,
        beginning: AnswerBeginning | None = None,
    ) -> HoldTaken:
        raise AssertionError("A run takes no hold.")

    async def capture(
        self, hold_id: HoldId, cost: Microcredits, end: AnswerEnd | None = None
    ) -> HoldEnded:
        return await self._end("CAPTURED", hold_id, cost, end)

    async def release(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        return await self._end("RELEASED", hold_id, Microcredits(0), end)

    async def expire(self, hold_id: HoldId, end: AnswerEnd | None = None) -> HoldEnded:
        return await self._end("EXPIRED", hold_id, Microcredits(0), end)

    async def _end(
        self, status: str, hold_id: HoldId, cost: Microcredits, end: AnswerEnd | None
    ) -> HoldEnded:
        self.is_asked.set()
        if self.may_end is not None:
            await self.may_end.wait()
        if self.failing:
            raise self.failing.pop(0)
        self.ends.append((status, cost, end))
        nothing = Microcredits(0)
        balance = Balance(hold_id.purse, Microcredits(1_000 - cost), nothing, nothing, ENDED_AT)
        return HoldEnded(cost, ENDED_AT, balance, replayed=False)


@dataclass(slots=True)
class FakeProvider:
    """Answers as its script says."""

    script: Script
    calls: int = 0

    async def complete(self, call: ModelCall, hear: Hear) -> Completion:
        self.calls += 1
        return await self.script(call, hear)


@dataclass(slots=True)
class FakeErrand:
    """A run's own way to its provider, which knows better what was used."""

    script: Script

    async def complete(self, call: ModelCall, hear: Hear) -> Completion:
        return await self.script(call, hear)

    def estimated_tokens(self, answer: str, model: Model) -> Tokens:
        return Tokens(input=40, output=len(answer))


async def never(call: ModelCall, hear: Hear) -> Completion:
    """Nothing comes."""
    await asyncio.Event().wait()
    raise AssertionError("Nobody ever sets it.")


async def at_once(call: ModelCall, hear: Hear) -> Completion:
    """All of it comes at once."""
    return answered()


@dataclass(slots=True)
class FakeLeases:
    """Leases that take so long to be renewed, and the clock they are counted by."""

    time: float = 0.0
    takes_seconds: float = 0.0
    unwanted: list[AnswerId] = field(default_factory=list)
    lost: int = 0
    is_ended: bool = False

    def now(self) -> float:
        return self.time

    async def renew(self, seconds: int) -> Sequence[AnswerId]:
        self.time += self.takes_seconds
        return self.unwanted

    async def end(self) -> None:
        self.is_ended = True

    async def give_up_lost(self, seconds: int) -> int:
        return self.lost


@dataclass(slots=True)
class FakeQueue:
    """Answers that wait."""

    waiting: list[Run] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    claims: list[tuple[int, int]] = field(default_factory=list)
    """How many were asked for, and how long their holds were to last."""
    may_claim: asyncio.Event | None = None
    """What a claim waits for, if for anything."""

    async def has_room(self, waiting_max: int) -> bool:
        return len(self.waiting) < waiting_max

    async def keep(self, run: Run) -> None:
        self.waiting.append(run)

    async def claim(self, limit: int, *, lasts_seconds: int) -> Sequence[Run]:
        self.claims.append((limit, lasts_seconds))
        if self.may_claim is not None:
            await self.may_claim.wait()
        if self.failing:
            raise self.failing.pop(0)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def as_held(self, run: Run) -> Run | None:
        return run

    async def hand_back(self, run: Run, *, lasts_seconds: int) -> bool:
        if self.failing:
            raise self.failing.pop(0)
        self.waiting.insert(0, run)
        return True

    async def withdraw(self, answer_id: AnswerId) -> bool:
        return False
