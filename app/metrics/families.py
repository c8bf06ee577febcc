"""The metrics there are: their names, meanings and labels; and readings of them, which add up.

A reading holds numbers only, so that those of several processes can be written down and added: one
for a counter or a gauge; for a histogram how many values lie in each bucket, and their sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.counting import COMMIT_SECONDS, SECONDS, SIZES, Labels

Series = Mapping[Labels, Sequence[float]]
Reading = Mapping[str, Series]
"""Families by their name, each with its series."""


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"
    """Only up, and over all processes there have been."""
    GAUGE = "gauge"
    """Up and down, and of processes that live."""
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    kind: Kind
    told: str
    labels: Sequence[str] = ()
    bounds: Sequence[float] = ()


FAMILIES: Final = (
    Family(
        "tallystick_http_requests",
        Kind.COUNTER,
        "HTTP requests answered; operation is GraphQL's.",
        ("route", "method", "operation", "status"),
    ),
    Family(
        "tallystick_http_request_duration_seconds",
        Kind.HISTOGRAM,
        "Time from a request to the end of its response; of a stream, all of it.",
        ("route", "operation"),
        SECONDS,
    ),
    Family(
        "tallystick_socket_operations",
        Kind.COUNTER,
        "GraphQL operations begun over WebSockets.",
        ("operation",),
    ),
    Family("tallystick_streams_open", Kind.GAUGE, "Open WebSockets and streams of events."),
    Family(
        "tallystick_stream_operations", Kind.GAUGE, "Operations that run on sockets and streams."
    ),
    Family(
        "tallystick_answers",
        Kind.COUNTER,
        "Answers that ended in these processes; way is askAI or v1.",
        ("way", "model", "outcome"),
    ),
    Family("tallystick_answers_in_process", Kind.GAUGE, "Answers that run in these processes."),
    Family(
        "tallystick_refused_holds",
        Kind.COUNTER,
        "Holds the ledger refused, by reason.",
        ("reason",),
    ),
    Family(
        "tallystick_provider_attempts",
        Kind.COUNTER,
        "Tries at providers; outcome is SUCCEEDED, CANCELED, or why it failed.",
        ("route", "outcome"),
    ),
    Family(
        "tallystick_provider_attempt_duration_seconds",
        Kind.HISTOGRAM,
        "How long tries at providers took, failed ones too.",
        ("route",),
        SECONDS,
    ),
    Family(
        "tallystick_provider_first_token_seconds",
        Kind.HISTOGRAM,
        "How long providers took to their first text, where it came in pieces.",
        ("route",),
        SECONDS,
    ),
    Family(
        "tallystick_ledger_batch_operations",
        Kind.HISTOGRAM,
        "Ledger operations in one commit.",
        (),
        SIZES,
    ),
    Family(
        "tallystick_ledger_batch_duration_seconds",
        Kind.HISTOGRAM,
        "Time of a batch from Python to its commit and back, retries included.",
        (),
        COMMIT_SECONDS,
    ),
    Family("tallystick_ledger_waiting_operations", Kind.GAUGE, "Operations that wait for a batch."),
    Family(
        "tallystick_ledger_detours",
        Kind.COUNTER,
        "Batches that could not go the usual way: repeated keys, lost connections, faults.",
        ("reason",),
    ),
    Family(
        "tallystick_event_deliveries",
        Kind.COUNTER,
        "Tries to tell the operator's systems: DELIVERED, FAILED (tried again) or DEAD.",
        ("endpoint", "outcome"),
    ),
    Family(
        "tallystick_upkeep_runs",
        Kind.COUNTER,
        "Rounds of background work.",
        ("work", "outcome"),
    ),
    Family(
        "tallystick_database_connections",
        Kind.GAUGE,
        "Connections of these processes by pool: in use, or idle.",
        ("pool", "state"),
    ),
    Family("tallystick_build_info", Kind.GAUGE, "Always 1; what runs here.", ("version", "python")),
    Family("tallystick_processes", Kind.GAUGE, "Processes whose numbers are added up here."),
    Family("process_cpu_seconds", Kind.COUNTER, "User and system time.", ("worker",)),
    Family("process_resident_memory_bytes", Kind.GAUGE, "Memory in use.", ("worker",)),
    Family("process_virtual_memory_bytes", Kind.GAUGE, "Memory mapped.", ("worker",)),
    Family("process_open_fds", Kind.GAUGE, "Open files and sockets.", ("worker",)),
    Family("process_max_fds", Kind.GAUGE, "How many there may be.", ("worker",)),
    Family(
        "process_start_time_seconds", Kind.GAUGE, "When it was started, in Unix time.", ("worker",)
    ),
)
"""What processes count. What the database knows is in `app.metrics.books`."""


def added(readings: Iterable[Reading]) -> Reading:
    """One reading for several: numbers of the same series are added."""
    total: dict[str, dict[Labels, Sequence[float]]] = {}
    for reading in readings:
        for name, series in reading.items():
            sums = total.setdefault(name, {})
            for labels, numbers in series.items():
                before = sums.get(labels)
                if before is None or len(before) != len(numbers):
                    sums[labels] = numbers
                else:
                    sums[labels] = [a + b for a, b in zip(before, numbers, strict=True)]
    return total


def lasting(reading: Reading) -> Reading:
    """What is left of a reading when its process is gone: what only goes up."""
    return {
        family.name: reading[family.name]
        for family in FAMILIES
        if family.kind is not Kind.GAUGE and family.name in reading
    }
