"""What the operator's own systems are told, and what follows from how they take it.

An event is written by the commit in which it happens. From there it is spread to the endpoints that
want it, and each delivery is tried until the endpoint accepts it or its time is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

from domain.counting import Tally

RETRIES_AFTER: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each failed try the next one is due, as the specification advises: three days."""

JITTER: Final = 0.2
"""By which part of itself a wait is prolonged at most, so that what failed together comes apart."""

RETRY_AFTER_MAX: Final = timedelta(hours=24)


class EventType(StrEnum):
    """What can be told, named by the noun and what became of it."""

    BALANCE_LOW = "balance.low"
    ALERT_RAISED = "alert.raised"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_REVERSED = "payment.reversed"
    ANSWER_FINISHED = "answer.finished"


PING: Final = "ping"
"""The type of an event that only tries whether it arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A system of the operator's, and what it wants to hear."""

    name: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    """Each signs; two, while they are being changed."""

    types: frozenset[EventType] = frozenset(EventType)
    private_network: bool = False
    """Whether it may be reached at addresses of the operator's own network, and in plain http."""


@dataclass(frozen=True, slots=True)
class EventId:
    """The number of an event here, and what makes its name another's nowhere."""

    number: int
    salt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to an endpoint, in the turn that a job stands for."""

    event_id: int
    endpoint: str
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """What happened, in numbers of ours, and how often its delivery has failed so far."""

    id: EventId
    type: EventType
    facts: Mapping[str, object]
    at: datetime
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: the same bytes with every try."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an endpoint answered, or why it did not."""

    status: int | None = None
    fault: str | None = None
    retry_after: timedelta | None = None
    took_ms: int = 0

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and HTTPStatus.OK <= self.status < _OTHERS_FROM


class DeliveryState(StrEnum):
    """Where a delivery is on its way."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    """Given up; somebody should look, and replay or dismiss it."""
    DISMISSED = "DISMISSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a delivery stands after a try."""

    state: DeliveryState
    again_in: timedelta | None = None
    is_gone: bool = False
    """Whether the endpoint wants nothing more."""


_OTHERS_FROM: Final = 300
_SAYS_WHEN: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def judged(reply: Reply, *, failed_before: int, jitter: float) -> Verdict:
    """What follows from a reply. `jitter` is anything from 0 to 1.

    A redirect is a failure like any other: where it leads was never allowed by the operator.
    """
    if reply.is_accepted:
        return Verdict(state=DeliveryState.DELIVERED)
    if reply.status == HTTPStatus.GONE:
        return Verdict(state=DeliveryState.DEAD, is_gone=True)
    if failed_before >= len(RETRIES_AFTER):
        return Verdict(state=DeliveryState.DEAD)
    wait = RETRIES_AFTER[failed_before] * (1 + JITTER * jitter)
    if reply.status in _SAYS_WHEN and reply.retry_after is not None:
        wait = max(wait, min(reply.retry_after, RETRY_AFTER_MAX))
    return Verdict(state=DeliveryState.WAITING, again_in=wait)


class Sender(Protocol):
    """Whoever carries messages to endpoints."""

    async def send(self, endpoint: Endpoint, message: Message) -> Reply:
        """Send one, signed; whatever happens on the way is in the reply."""
        ...


class Deliveries(Protocol):
    """Deliveries, as the database keeps them."""

    async def event(self, delivery: Delivery) -> ToldEvent | None:
        """What is to be delivered; None when somebody did it, or it was replayed since."""
        ...

    async def note(
        self, delivery: Delivery, endpoint: Endpoint, reply: Reply, then: Verdict
    ) -> None:
        """Keep what came of a try, and have the next one done when it is due."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """A try to deliver an event, and what follows from it."""

    event: ToldEvent
    reply: Reply
    then: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Delivers what is due; any number of processes may do it at once."""

    endpoints: Mapping[str, Endpoint]
    deliveries: Deliveries
    sender: Sender
    spell: Callable[[ToldEvent], Message]
    """How an event is put into words of the API."""
    jitter: Callable[[], float]
    outcomes: Tally = field(default_factory=Tally)
    """Tries by endpoint: DELIVERED, FAILED for what is tried again, or DEAD."""

    async def deliver(self, delivery: Delivery) -> Tried | None:
        """Try once, and keep what came of it; None when there was nothing to do any more.

        A process that dies in between has it tried again: what is sent arrives at least once.
        """
        endpoint = self.endpoints.get(delivery.endpoint)
        event = await self.deliveries.event(delivery)
        if endpoint is None or event is None:
            return None
        reply = await self.sender.send(endpoint, self.spell(event))
        then = judged(reply, failed_before=event.tries, jitter=self.jitter())
        await self.deliveries.note(delivery, endpoint, reply, then)
        is_tried_again = then.state is DeliveryState.WAITING
        self.outcomes.add(endpoint.name, "FAILED" if is_tried_again else then.state)
        return Tried(event, reply, then)


def types_wanted(endpoints: Sequence[Endpoint]) -> frozenset[EventType]:
    """What anybody wants to hear."""
    return frozenset[EventType]().union(*(endpoint.types for endpoint in endpoints))


def tells_of_ends(types: frozenset[EventType]) -> bool:
    """Whether anything is wanted that happens when holds end, so that the ledger must tell it."""
    return not types.isdisjoint({EventType.ANSWER_FINISHED, EventType.BALANCE_LOW})
