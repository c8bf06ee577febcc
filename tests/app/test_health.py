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
