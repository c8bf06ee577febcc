"""Probes are told what is wrong, and do not wear the database out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import httpx2
from starlette.applications import Starlette

from app.health import Health

AWAY = {"database": "No PostgreSQL can be reached."}


@dataclass(slots=True)
class Doctor:
    """Finds what the test says."""

    faults: Mapping[str, str] = field(default_factory=dict)
    looks: int = 0
    time: float = 0.0

    async def look(self) -> Mapping[str, str]:
        self.looks += 1
        await anyio.lowlevel.checkpoint()
        return self.faults

    async def probe(self, health: Health, path: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(Starlette(routes=health.routes()))
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)


async def test_a_process_is_alive_whatever_is_wrong_with_its_database() -> None:
    doctor = Doctor(AWAY)

    reply = await doctor.probe(Health(doctor.look), "/healthz")

    assert (reply.status_code, reply.json()) == (200, {"status": "alive"})
    assert doctor.looks == 0


async def test_a_process_is_ready_as_soon_as_nothing_is_wrong() -> None:
    doctor = Doctor(AWAY)
    health = Health(doctor.look, clock=lambda: doctor.time)
    away = await doctor.probe(health, "/readyz")
    doctor.faults = {}
    doctor.time += 2

    ready = await doctor.probe(health, "/readyz")

    assert (away.status_code, away.json()) == (503, {"status": "not ready", "faults": AWAY})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_many_probes_at_once_look_once_and_are_told_the_same() -> None:
    doctor = Doctor(AWAY)
    health = Health(doctor.look, clock=lambda: doctor.time)
    codes = []

    async def probe() -> None:
        codes.append((await doctor.probe(health, "/readyz")).status_code)

    async with anyio.create_task_group() as probes:
        for _ in range(20):
            probes.start_soon(probe)

    assert codes == [503] * 20
    assert doctor.looks == 1


@dataclass(slots=True)
class Silence:
    """A database that says nothing until the test lets it."""

    broken: anyio.Event = field(default_factory=anyio.Event)
    looks: int = 0

    async def look(self) -> Mapping[str, str]:
        self.looks += 1
        await self.broken.wait()
        return {}


async def test_a_probe_is_answered_while_the_database_is_silent_and_asks_it_once() -> None:
    silence = Silence()
    health = Health(silence.look, patience_seconds=0.01)

    answers = [await health.faults() for _ in range(3)]
    silence.broken.set()
    later = await health.faults()

    assert [list(faults) for faults in answers] == [["database"]] * 3
    assert later == {}
    assert silence.looks == 1


async def test_a_look_that_never_ends_is_given_up_for_a_new_one() -> None:
    silence = Silence()
    doctor = Doctor()
    health = Health(
        silence.look, clock=lambda: doctor.time, patience_seconds=5, look_seconds_max=0.01
    )

    hung = await health.faults()
    health.look = doctor.look
    doctor.time += 2
    back = await health.faults()

    assert list(hung) == ["database"]
    assert back == {}
    assert (silence.looks, doctor.looks) == (1, 1)


async def test_a_process_that_is_stopping_says_so_and_lives() -> None:
    doctor = Doctor()
    health = Health(doctor.look)
    before = await doctor.probe(health, "/readyz")

    health.drain()
    ready, alive = await doctor.probe(health, "/readyz"), await doctor.probe(health, "/healthz")

    assert before.status_code == 200
    assert ready.status_code == 503
    assert list(ready.json()["faults"]) == ["draining"]
    assert alive.status_code == 200


async def test_a_silent_look_is_let_go_of_in_the_end() -> None:
    health = Health(Silence().look, patience_seconds=0.01)
    await health.faults()

    with anyio.fail_after(5):
        await health.aclose()
