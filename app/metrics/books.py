"""What the database knows of the whole deployment, asked of it seldom."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from app.metrics.families import Family, Kind, Reading
from domain.errors import TallystickError
from persistence.machinery import Machinery

ASKED_EVERY_SECONDS: Final = 10.0

FAMILIES: Final = (
    Family("tallystick_database_up", Kind.GAUGE, "1 if the database answered when last asked."),
    Family("tallystick_answers_queued", Kind.GAUGE, "Answers that wait, in the whole deployment."),
    Family("tallystick_answers_running", Kind.GAUGE, "Answers that run, in the whole deployment."),
    Family("tallystick_holds_open", Kind.GAUGE, "Open holds, in the whole deployment."),
    Family(
        "tallystick_oldest_hold_seconds", Kind.GAUGE, "Age of the oldest open hold; 0 without one."
    ),
    Family("tallystick_payments_pending", Kind.GAUGE, "Payments that are not final yet."),
    Family("tallystick_alerts_open", Kind.GAUGE, "Alerts nobody has acknowledged."),
    Family(
        "tallystick_event_deliveries_waiting", Kind.GAUGE, "Events on their way to an endpoint."
    ),
    Family(
        "tallystick_event_deliveries_dead",
        Kind.GAUGE,
        "Deliveries of events that were given up, and neither replayed nor dismissed.",
    ),
    Family(
        "tallystick_ledger_imbalances",
        Kind.GAUGE,
        "Rows that broke a rule about balances when the system last checked its books.",
    ),
    Family(
        "tallystick_ledger_checked_timestamp_seconds",
        Kind.GAUGE,
        "When the system last checked its books, in Unix time.",
    ),
)


@dataclass(slots=True)
class Books:
    """Asks the database every ten seconds at most, however often it is scraped."""

    look: Callable[[], Awaitable[Machinery]]
    clock: Callable[[], float] = monotonic
    _seen: Reading = field(default_factory=dict)
    _fresh_until: float = float("-inf")
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self) -> Reading:
        async with self._turn:
            if self.clock() >= self._fresh_until:
                self._seen = await self._look()
                self._fresh_until = self.clock() + ASKED_EVERY_SECONDS
        return self._seen

    async def _look(self) -> Reading:
        try:
            found = await self.look()
        except TallystickError:
            return {"tallystick_database_up": {(): (0.0,)}}
        told: dict[str, float] = {
            "tallystick_database_up": 1,
            "tallystick_answers_queued": found.queued_answers,
            "tallystick_answers_running": found.running_answers,
            "tallystick_holds_open": found.open_holds,
            "tallystick_oldest_hold_seconds": found.oldest_hold_seconds or 0.0,
            "tallystick_payments_pending": found.pending_payments,
            "tallystick_alerts_open": found.open_alerts,
            "tallystick_event_deliveries_waiting": found.waiting_deliveries,
            "tallystick_event_deliveries_dead": found.dead_deliveries,
        }
        if found.checked_at is not None and found.imbalances is not None:
            told["tallystick_ledger_imbalances"] = found.imbalances
            told["tallystick_ledger_checked_timestamp_seconds"] = found.checked_at.timestamp()
        return {name: {(): (float(value),)} for name, value in told.items()}
