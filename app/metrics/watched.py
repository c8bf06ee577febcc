"""The parts of this process that count, and what they have counted so far."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Protocol

import asyncpg
from prometheus_client import PROCESS_COLLECTOR
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from app.graphql.streams import Streams
from app.http import Requests
from app.metrics.families import Reading, Series
from domain.counting import Labels, Spread, Tally
from domain.running import Running

Pools = Mapping[str, AsyncEngine | asyncpg.Pool]
"""Connections to the database, by what they are for."""

_ONE: Final = (1.0,)


class Providers(Protocol):
    """Whoever answers, as `adapters.models.routing.RoutedProvider` counts it."""

    @property
    def outcomes(self) -> Tally: ...
    @property
    def durations(self) -> Spread: ...
    @property
    def first_tokens(self) -> Spread: ...


class Ledger(Protocol):
    """The ledger, as `persistence.ledger.PostgresLedger` counts it."""

    @property
    def sizes(self) -> Spread: ...
    @property
    def durations(self) -> Spread: ...
    @property
    def detours(self) -> Tally: ...
    @property
    def refusals(self) -> Tally: ...
    @property
    def waiting(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Everything in this process that counts."""

    running: Running
    providers: Providers
    ledger: Ledger
    upkeep: Tally
    pools: Pools
    deliveries: Tally = field(default_factory=Tally)
    """Tries to tell the operator's systems."""
    requests: Requests = field(default_factory=Requests)
    streams: Streams = field(default_factory=Streams)

    def read(self, *, worker: str = "0") -> Reading:
        """All numbers now; `worker` is this process's place among those of its server."""
        return {
            "tallystick_http_requests": self.requests.answered.read(),
            "tallystick_http_request_duration_seconds": self.requests.durations.read(),
            "tallystick_socket_operations": self.streams.asked.read(),
            "tallystick_streams_open": _gauge(self.streams.open),
            "tallystick_stream_operations": _gauge(self.streams.live),
            "tallystick_answers": self.running.ends.read(),
            "tallystick_answers_in_process": _gauge(self.running.count),
            "tallystick_refused_holds": self.ledger.refusals.read(),
            "tallystick_provider_attempts": self.providers.outcomes.read(),
            "tallystick_provider_attempt_duration_seconds": self.providers.durations.read(),
            "tallystick_provider_first_token_seconds": self.providers.first_tokens.read(),
            "tallystick_ledger_batch_operations": self.ledger.sizes.read(),
            "tallystick_ledger_batch_duration_seconds": self.ledger.durations.read(),
            "tallystick_ledger_waiting_operations": _gauge(self.ledger.waiting),
            "tallystick_ledger_detours": self.ledger.detours.read(),
            "tallystick_event_deliveries": self.deliveries.read(),
            "tallystick_upkeep_runs": self.upkeep.read(),
            "tallystick_database_connections": _connections(self.pools),
            "tallystick_build_info": {(version("tallystick"), platform.python_version()): _ONE},
            "tallystick_processes": _gauge(1),
            **_of_the_process(worker),
        }


def _gauge(value: float) -> Series:
    return {(): (float(value),)}


def _connections(pools: Pools) -> Series:
    found: dict[Labels, tuple[float]] = {}
    for name, pool in pools.items():
        match pool:
            case asyncpg.Pool():
                idle = pool.get_idle_size()
                in_use = pool.get_size() - idle
            case _:
                kept = pool.sync_engine.pool
                idle, in_use = (
                    (kept.checkedin(), kept.checkedout()) if isinstance(kept, QueuePool) else (0, 0)
                )
        found[name, "in use"] = (float(in_use),)
        found[name, "idle"] = (float(idle),)
    return found


def _of_the_process(worker: str) -> Reading:
    found: dict[str, Series] = {}
    for family in PROCESS_COLLECTOR.collect():
        [sample] = family.samples
        found[family.name] = {(worker,): (sample.value,)}
    return found
