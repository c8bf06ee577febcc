"""Servers and workers on one database: they share the work, and take over from those that die."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from websockets.exceptions import ConnectionClosed

from adapters.models.simulated import Gate, SimulatedProvider
from tests.app.shell import Running
from tests.app.streaming import listening, talking
from tests.journeys.fleet import ANSWER, FOLLOW, GIVEN, address_of, open_fleet

GONE = (httpx2.TransportError, ConnectionClosed, OSError)
NEVER_BEGINS = "Hello\nsimulate: timeout"
STALLS = "Hello\nsimulate: stall"
IN_FLIGHT = 50
LEASE_SECONDS = 3


async def by_events(server: Running, token: str, **variables: object) -> AsyncIterator[object]:
    async with listening(address_of(server), FOLLOW, token, **variables) as events:
        async for name, body in events.each():
            if name == "next":
                yield body


async def by_socket(server: Running, token: str, **variables: object) -> AsyncIterator[object]:
    async with talking(address_of(server)) as talk:
        await talk.begin(token)
        payload = {"query": FOLLOW, "variables": variables}
        await talk.say({"id": "1", "type": "subscribe", "payload": payload})
        while (message := await talk.hear())["type"] == "next":
            yield message["payload"]


@dataclass(slots=True)
class Follower:
    """Somebody who shows an answer, on the next server when one is gone."""

    token: str
    answer_id: str
    way: Callable[..., AsyncIterator[object]]
    shown: str = ""
    servers: int = 0
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, *servers: Running) -> object:
        """The answer as its last piece tells it."""
        for server in servers:
            self.servers += 1
            try:
                async for body in self.way(
                    server, self.token, id=self.answer_id, after=len(self.shown)
                ):
                    if (answer := self._show(body)) is not None:
                        return answer
            except GONE:
                continue
        raise AssertionError(f"no server told the end; shown: {self.shown}")

    def _show(self, body: object) -> object:
        match body:
            case {"data": {"answer": {"offset": int(offset), "text": str(text), "answer": answer}}}:
                self.shown = self.shown[:offset] + text
                self.has_begun.set()
                return answer
            case _:
                raise AssertionError(body)


async def test_a_server_is_killed_with_fifty_answers_in_flight(
    database_url: str, deployment_secret: str
) -> None:
    async with open_fleet(database_url, deployment_secret) as fleet:
        doomed, other = await asyncio.gather(fleet.server(), fleet.server())
        asks = [
            fleet.ask(doomed, STALLS if number % 2 else NEVER_BEGINS, f"k{number}", 0)
            for number in range(IN_FLIGHT)
        ]
        running = await asyncio.gather(*asks)
        await fleet.called(IN_FLIGHT)
        held = await fleet.holds()
        begun = running[1].text("askAI.answer.id")
        followers = [Follower(fleet.token, begun, way) for way in (by_events, by_socket)]
        following = [asyncio.create_task(each.follow(doomed, other)) for each in followers]
        await asyncio.gather(*(each.has_begun.wait() for each in followers))

        doomed.process.kill()
        # The lease, what is left of its last renewal, and a round of the sweep.
        await asyncio.wait_for(fleet.until_ended(), timeout=LEASE_SECONDS + 8)
        last_pieces = await asyncio.wait_for(asyncio.gather(*following), timeout=20)
        again = await fleet.ask(other, NEVER_BEGINS, "k0", 5)
        answer = await fleet.send(other, ANSWER, id=running[1]["askAI.answer.id"])

        assert [each["askAI.answer.status"] for each in running] == ["RUNNING"] * IN_FLIGHT
        assert held == ["OPEN"] * IN_FLIGHT
        assert await fleet.holds() == ["EXPIRED"] * IN_FLIGHT
        assert await fleet.outcomes() == [("FAILED", 0)] * IN_FLIGHT
        assert await fleet.total() == GIVEN
        assert again["askAI.code"] == "PROVIDER_FAILED"
        assert answer["answer"] == {"status": "FAILED", "charged": "0"}
        assert last_pieces == [{"status": "FAILED", "charged": "0"}] * 2
        assert [each.servers for each in followers] == [2, 2]
        assert all(each.shown for each in followers)
        assert await fleet.differences() == []


async def test_two_servers_and_two_workers_answer_everything_once(
    database_url: str, deployment_secret: str
) -> None:
    async with open_fleet(database_url, deployment_secret, ANSWERS_AT_ONCE="2") as fleet:
        one, two, _, _ = await asyncio.gather(
            fleet.server(), fleet.server(), fleet.worker(), fleet.worker()
        )
        asks = [
            fleet.ask((one, two)[number % 2], "Hello\nsimulate: slow 0.2", f"k{number // 2}")
            for number in range(60)
        ]
        told = await asyncio.gather(*asks)
        stalled = await fleet.ask(one, STALLS, "to be canceled", 0)
        await fleet.called(31)
        canceled = await fleet.cancel(two, stalled["askAI.answer.id"])

        runners = await fleet.database.fetchval(
            "SELECT count(DISTINCT runner) FROM tallystick.holds"
        )
        outcomes = await fleet.outcomes()
        assert {each["askAI.answer.status"] for each in told} == {"SUCCEEDED"}
        assert len({each.text("askAI.answer.id") for each in told}) == 30
        assert canceled["cancelAnswer.answer.status"] == "CANCELED"
        assert fleet.provider.calls_received == 31
        assert sorted(outcome for outcome, _ in outcomes) == ["CANCELED", *["SUCCEEDED"] * 30]
        assert await fleet.total() == GIVEN - sum(charged for _, charged in outcomes)
        assert runners == 4
        assert await fleet.differences() == []


async def test_a_server_that_is_stopped_hands_its_answers_on(
    database_url: str, deployment_secret: str
) -> None:
    # The first call gets no answer before the second has come.
    provider = SimulatedProvider(gate=Gate(2))
    async with open_fleet(
        database_url, deployment_secret, provider=provider, SHUTDOWN_SECONDS="1"
    ) as fleet:
        server, worker = await asyncio.gather(fleet.server(), fleet.worker(SHUTDOWN_SECONDS="20"))
        asked = await fleet.ask(server, "Hello\nsimulate: slow 1", "k", 0)
        await fleet.called(1)

        code = await asyncio.to_thread(server.end, signal.SIGTERM)
        await fleet.called(2)
        worker.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(fleet.until_ended(), timeout=20)
        worker_code = await asyncio.to_thread(worker.process.wait, 20)

        assert asked["askAI.answer.status"] == "RUNNING"
        assert (code, worker_code) == (0, 0)
        assert await fleet.holds() == ["CAPTURED"]
        [(outcome, charged)] = await fleet.outcomes()
        assert outcome == "SUCCEEDED"
        assert await fleet.total() == GIVEN - charged
        assert await fleet.differences() == []


async def test_a_supervisor_replaces_the_dead_and_takes_all_with_it(
    database_url: str, deployment_secret: str
) -> None:
    async with open_fleet(database_url, deployment_secret) as fleet:
        parent = await fleet.start("serve", "--workers", "2", told='"event":"serving"')
        await asyncio.to_thread(parent.wait_for, '"event":"serving"')
        first, second = children_of(parent)

        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(parent.wait_for, '"event":"process died"')
        meanwhile = await fleet.ask(parent, "Hello", "k1")
        await asyncio.to_thread(parent.wait_for, '"event":"serving"')
        replaced = children_of(parent)
        code = await asyncio.to_thread(parent.end, signal.SIGTERM)

        assert meanwhile["askAI.answer.status"] == "SUCCEEDED"
        assert len(replaced) == 2
        assert first not in replaced
        assert second in replaced
        assert code == 0
        assert not any(lives(pid) for pid in replaced)


def children_of(parent: Running) -> list[int]:
    pid = parent.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


def lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
