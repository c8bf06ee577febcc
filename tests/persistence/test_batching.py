"""Operations gather while others are sent: none is lost, none is kept waiting, none goes twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from domain.errors import LedgerFault, RateLimited
from domain.ledger import Once
from domain.units import AccountId, PurseId
from persistence.batching import BATCH_MAX, JOIN_AT, Answers, Batching
from persistence.operations import Operation, Result, Taking


@dataclass(slots=True)
class Sending:
    """What is on its way, batch by batch, until the test lets it arrive."""

    batches: list[list[Operation]] = field(default_factory=list)
    arriving: list[asyncio.Event] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)

    async def send(self, batch: list[Operation]) -> Answers:
        arrived = asyncio.Event()
        self.batches.append(batch)
        self.arriving.append(arrived)
        await arrived.wait()
        return [(each, self._answer(each)) for each in batch]

    @property
    def amounts(self) -> list[list[int]]:
        """The operations of each batch, by their numbers."""
        return [[number_of(each) for each in batch] for batch in self.batches]

    async def arrive(self, place: int) -> None:
        self.arriving[place].set()
        await turns()

    async def arrive_all(self) -> None:
        place = 0
        while place < len(self.arriving):
            await self.arrive(place)
            place += 1

    def _answer(self, operation: Operation) -> Result | Exception:
        number = number_of(operation)
        return LedgerFault("refused") if number in self.failing else (0, number, 0, 0, 0, 0)


def number_of(operation: Operation) -> int:
    assert isinstance(operation, Taking)
    return operation.amount


def taking(account: int, number: int) -> Taking:
    return Taking(PurseId(AccountId(account)), number, 60, Once("hold", b"", b""), None)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def performing(batching: Batching, operations: Sequence[Taking]) -> "list[asyncio.Future[Result]]":
    return [asyncio.ensure_future(batching.perform(each)) for each in operations]


async def opened(lanes: int = 2, waiting_max: int = 10_000) -> tuple[Sending, Batching]:
    sending = Sending()
    return sending, Batching(sending.send, lanes=lanes, waiting_max=waiting_max)


async def test_a_lone_caller_waits_for_nobody() -> None:
    sending, batching = await opened()

    [told] = performing(batching, [taking(1, 1)])
    await turns()
    await sending.arrive(0)

    assert (await told)[1] == 1
    assert sending.amounts == [[1]]


async def test_what_comes_meanwhile_goes_together_in_the_order_in_which_it_came() -> None:
    sending, batching = await opened()

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(1, 2), taking(2, 3), taking(1, 4)])
    await turns()
    waiting = batching.waiting
    await sending.arrive_all()

    assert sending.amounts[0] == [1]
    assert sorted(number for batch in sending.amounts[1:] for number in batch) == [2, 3, 4]
    assert [number for batch in sending.amounts for number in batch if number != 3] == [1, 2, 4]
    assert waiting in {2, 3}
    assert batching.waiting == 0
    assert [(await each)[1] for each in told] == [1, 2, 3, 4]


async def test_a_purse_is_in_no_two_batches_unless_it_fills_one_alone() -> None:
    sending, batching = await opened()

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(1, number) for number in range(2, JOIN_AT)])
    await turns()
    before = len(sending.batches)
    told += performing(batching, [taking(1, number) for number in (JOIN_AT, JOIN_AT + 1)])
    await turns()
    joined = len(sending.batches)
    told += performing(batching, [taking(1, JOIN_AT + 2)])
    await turns()
    while_two_are_sent = len(sending.batches)
    await sending.arrive_all()

    assert (before, joined, while_two_are_sent) == (1, 2, 2)
    numbers = [number for batch in sending.amounts for number in batch]
    assert numbers == list(range(1, JOIN_AT + 3))
    assert [(await each)[1] for each in told] == numbers


async def test_no_batch_is_larger_than_it_may_be_and_the_rest_keeps_its_order() -> None:
    sending, batching = await opened(lanes=1)
    many = 2 * BATCH_MAX + 3

    told = performing(batching, [taking(1, 0)])
    await turns()
    told += performing(batching, [taking(1, number) for number in range(1, many)])
    await turns()
    await sending.arrive(0)
    told += performing(batching, [taking(1, many)])
    await sending.arrive_all()

    assert [len(batch) for batch in sending.batches] == [1, BATCH_MAX, BATCH_MAX, 3]
    numbers = [number for batch in sending.amounts for number in batch]
    assert numbers == list(range(many + 1))
    assert batching.waiting == 0
    assert [(await each)[1] for each in told] == numbers


async def test_what_is_left_of_a_full_batch_goes_before_what_came_while_it_was_made() -> None:
    sending, batching = await opened()

    told = performing(batching, [taking(1, 0)])
    await turns()
    numbers = iter(range(1, 1_000))
    for many in (JOIN_AT, BATCH_MAX + 20):
        told += performing(batching, [taking(1, next(numbers)) for _ in range(many)])
        await turns()
    sending.arriving[0].set()
    for _ in range(10):
        await asyncio.sleep(0)
        told += performing(batching, [taking(1, next(numbers))])
    await sending.arrive_all()

    sent = [number for batch in sending.amounts for number in batch]
    assert sent == list(range(len(told)))
    assert [len(batch) for batch in sending.batches][:3] == [1, JOIN_AT, BATCH_MAX]


async def test_when_too_many_wait_the_next_is_refused_and_those_that_wait_are_done() -> None:
    sending, batching = await opened(waiting_max=2)

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(1, 2), taking(1, 3)])
    with pytest.raises(RateLimited):
        batching.perform(taking(1, 4))
    await sending.arrive_all()
    again = performing(batching, [taking(1, 5)])
    await turns()
    await sending.arrive_all()

    assert [(await each)[1] for each in (*told, *again)] == [1, 2, 3, 5]


@pytest.mark.parametrize("number", [1, 2])
async def test_what_failed_is_told_to_its_caller_alone(number: int) -> None:
    sending, batching = await opened()
    sending.failing.add(number)

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(1, 2), taking(1, 3)])
    await turns()
    await sending.arrive_all()

    await asyncio.wait(told)
    failed = [number for number, each in enumerate(told, 1) if each.exception() is not None]
    assert failed == [number]


async def test_what_a_caller_left_is_done_before_what_came_later() -> None:
    sending, batching = await opened(waiting_max=2)

    [leaving] = performing(batching, [taking(1, 1)])
    await turns()
    told = performing(batching, [taking(1, 2)])
    leaving.cancel()
    await turns()
    await sending.arrive_all()

    assert leaving.cancelled()
    assert sending.amounts == [[1], [1, 2]]
    assert (await told[0])[1] == 2
    assert batching.waiting == 0


async def test_a_caller_who_leaves_a_batch_keeps_no_other_from_its_answer() -> None:
    sending, batching = await opened()

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(1, 2), taking(1, 3)])
    await turns()
    told[1].cancel()
    await sending.arrive_all()

    assert (await asyncio.wait_for(told[2], 5))[1] == 3
    assert sending.amounts == [[1], [2, 3]]


async def test_settling_waits_for_all_that_was_begun() -> None:
    sending, batching = await opened()
    performing(batching, [taking(1, 1)])
    await turns()
    performing(batching, [taking(1, 2), taking(2, 3)])
    await turns()

    settling = asyncio.ensure_future(batching.settle())
    await turns()
    before = settling.done()
    await sending.arrive_all()

    assert not before
    await asyncio.wait_for(settling, 5)
    assert sorted(number for batch in sending.amounts for number in batch) == [1, 2, 3]


async def test_a_second_lane_is_taken_only_when_enough_wait() -> None:
    sending, batching = await opened(lanes=3)

    told = performing(batching, [taking(1, 1)])
    await turns()
    told += performing(batching, [taking(number, number) for number in range(2, JOIN_AT + 1)])
    await turns()
    few = len(sending.batches)
    told += performing(batching, [taking(JOIN_AT + 1, JOIN_AT + 1)])
    await turns()
    enough = len(sending.batches)
    await sending.arrive_all()

    assert (few, enough) == (1, 2)
    assert [(await each)[1] for each in told] == list(range(1, JOIN_AT + 2))
