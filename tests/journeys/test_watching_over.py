"""Servers and workers as Prometheus watches them."""

import asyncio
import json
import os
import signal

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from app.asgi import routes_of
from app.http import route_of
from app.metrics import families
from domain.counting import OTHER
from tests.app.shell import Running
from tests.journeys.fleet import Fleet, open_fleet
from tests.journeys.system import open_house
from tests.journeys.test_many_processes import children_of

TOKEN = "a-token-that-only-Prometheus-has"
SUCCEEDED = {"way": "askAI", "model": "simulated", "outcome": "SUCCEEDED"}


class Scraped(dict[str, float]):
    """Samples by name, labels written behind it in their order."""

    def of(self, name: str, **labels: str) -> float:
        wanted = name + "".join(f" {key}={value}" for key, value in sorted(labels.items()))
        return self.get(wanted, 0.0)


def parsed(text: str) -> Scraped:
    found = Scraped()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = "".join(f" {key}={value}" for key, value in sorted(sample.labels.items()))
            found[sample.name + labels] = sample.value
    return found


def metrics_url(server: Running) -> str:
    line = next(line for line in server.told if '"event":"metrics served"' in line)
    return f"http://127.0.0.1:{json.loads(line)['port']}/metrics"


async def scrape(url: str, token: str = TOKEN) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=20) as http:
        return await http.get(url, headers={"authorization": f"Bearer {token}"})


async def until_counted(url: str, times: int, *, like: Scraped | None = None) -> Scraped:
    """Processes write their numbers each second; so long it may take until one is told.

    Nothing that was told before may be missing, but a new process has to have told its part.
    """
    counted, missing = 0.0, set(like or ())
    for _ in range(200):
        found = parsed((await scrape(url)).text)
        counted = found.of("tallystick_answers_total", **SUCCEEDED)
        missing = set(like or ()) - set(found)
        if counted >= times and not missing:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{counted} of {times} were counted; missing: {sorted(missing)}")


async def ask_often(fleet: Fleet, server: Running, name: str, times: int) -> None:
    asks = [fleet.ask(server, "Hello", f"{name}{number}") for number in range(times)]
    replies = await asyncio.gather(*asks)
    assert {reply["askAI.answer.status"] for reply in replies} == {"SUCCEEDED"}


async def test_numbers_of_two_processes_add_up_and_outlive_the_process_that_counted_them(
    database_url: str, deployment_secret: str
) -> None:
    async with open_fleet(
        database_url, deployment_secret, METRICS_PORT="0", METRICS_TOKEN=TOKEN
    ) as fleet:
        server = await fleet.start("serve", "--workers", "2", told='"event":"serving"')
        await asyncio.to_thread(server.wait_for, '"event":"serving"')
        url = metrics_url(server)
        await ask_often(fleet, server, "first", 20)
        failed = await fleet.ask(server, "Hello\nsimulate: empty", "failed")
        before = await until_counted(url, 20)
        refused = await scrape(url, token="x" * 32)

        os.kill(children_of(server)[0], signal.SIGKILL)
        await asyncio.to_thread(server.wait_for, '"event":"serving"')
        await ask_often(fleet, server, "second", 10)
        after = await until_counted(url, 30, like=before)
        ready = await scrape(url.replace("/metrics", "/readyz"), token="none")

        assert (await asyncio.to_thread(server.end, signal.SIGTERM)) == 0
        assert failed["askAI.code"] == "PROVIDER_FAILED"
        assert refused.status_code == 401
        assert ready.status_code == 200
        assert before.of("tallystick_answers_total", **SUCCEEDED) == 20
        assert before.of("tallystick_processes") == 2
        assert after.of("tallystick_answers_total", **SUCCEEDED) == 30
        assert after.of("tallystick_processes") == 2
        assert await fleet.differences() == []


async def test_what_happened_is_found_in_the_metrics(
    database_url: str, deployment_secret: str
) -> None:
    async with open_fleet(database_url, deployment_secret, METRICS_PORT="0") as fleet:
        server = await fleet.server()
        url = metrics_url(server)
        await ask_often(fleet, server, "k", 3)
        await fleet.ask(server, "Hello\nsimulate: timeout", "never", 0)
        await fleet.send(server, "{ balance { available } }")
        found = parsed((await scrape(url)).text)
        worker = await fleet.worker(ANSWERS_AT_ONCE="1")
        of_worker = parsed((await scrape(metrics_url(worker))).text)

    asked = {"route": "/graphql", "method": "POST", "operation": "mutation", "status": "200"}
    assert found.of("tallystick_http_requests_total", **asked) == 4
    assert found.of("tallystick_http_requests_total", **{**asked, "operation": "query"}) == 1
    durations = "tallystick_http_request_duration_seconds_count"
    assert found.of(durations, route="/graphql", operation="mutation") == 4
    assert found.of("tallystick_answers_total", **SUCCEEDED) == 3
    assert found.of("tallystick_answers_in_process") == 1
    assert found.of("tallystick_answers_running") == 1
    assert found.of("tallystick_holds_open") == 1
    assert found.of("tallystick_oldest_hold_seconds") > 0
    assert found.of("tallystick_database_up") == 1
    attempts = {"route": "default", "outcome": "SUCCEEDED"}
    assert found.of("tallystick_provider_attempts_total", **attempts) == 3
    assert found.of("tallystick_provider_attempt_duration_seconds_count", route="default") == 3
    # Seven holds and ends, in at most as many commits.
    assert found.of("tallystick_ledger_batch_operations_sum") == 7
    assert 1 <= found.of("tallystick_ledger_batch_duration_seconds_count") <= 7
    assert found.of("tallystick_upkeep_runs_total", work="sweep", outcome="done") >= 1
    assert found.of("process_resident_memory_bytes", worker="0") > 1_000_000
    told = {name.partition(" ")[0] for name in found}
    for family in families.FAMILIES:
        seen = any(name.startswith(family.name) for name in told)
        assert seen or family.name in NOT_PROVOKED, family.name
    assert of_worker.of("tallystick_processes") == 1
    assert of_worker.of("tallystick_holds_open") == 1


NOT_PROVOKED = {
    "tallystick_socket_operations",
    "tallystick_refused_holds",
    "tallystick_ledger_detours",
    "tallystick_event_deliveries",
}
"""Families that have no series before the first of their kind happens."""


async def test_every_route_there_is_has_its_name_in_the_metrics(
    database_url: str, deployment_secret: str
) -> None:
    async with open_house(database_url, deployment_secret) as house:
        paths = [route.path for route in routes_of(house.system) if isinstance(route, Route)]

    assert [path for path in paths if route_of(path) == OTHER] == []
