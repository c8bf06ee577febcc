"""Metrics as Prometheus finds them: well-formed, added up over processes, and never going back."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.http import route_of
from app.metrics import books, families
from app.metrics.books import Books
from app.metrics.door import lookout
from app.metrics.exposing import exposed
from app.metrics.families import Kind, Reading, added
from app.metrics.sharing import Shared
from app.settings import Settings, UnsafeSettings
from domain.counting import OTHER, SIZES, Spread
from domain.errors import Unavailable
from persistence.machinery import Machinery

STATE = Machinery(
    queued_answers=1,
    running_answers=2,
    open_holds=3,
    oldest_hold_seconds=None,
    pending_payments=4,
    open_alerts=5,
    waiting_deliveries=6,
    dead_deliveries=7,
    imbalances=0,
    checked_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def told(reading: Reading) -> dict[str, float]:
    """Each sample by how it is written."""
    text, content_type = exposed(reading, accept="text/plain")
    assert content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_names_follow_prometheus_and_are_told_once() -> None:
    everything = (*families.FAMILIES, *books.FAMILIES)
    names = [family.name for family in everything]

    assert len(set(names)) == len(names)
    for family in everything:
        assert family.name.startswith(("tallystick_", "process_"))
        assert not family.name.endswith("_total")
        assert (family.kind is Kind.HISTOGRAM) == bool(family.bounds)


def test_a_histogram_is_told_by_buckets_that_include_those_below() -> None:
    spread = Spread(SIZES)
    for size in (1, 3, 200):
        spread.add(size)

    samples = told({"tallystick_ledger_batch_operations": spread.read()})

    name = "tallystick_ledger_batch_operations"
    assert samples[f"{name}_bucket{{le=1.0}}"] == 1
    assert samples[f"{name}_bucket{{le=4.0}}"] == 2
    assert samples[f"{name}_bucket{{le=128.0}}"] == 2
    assert samples[f"{name}_bucket{{le=+Inf}}"] == 3
    assert samples[f"{name}_count{{}}"] == 3
    assert samples[f"{name}_sum{{}}"] == 204


def test_a_label_may_hold_anything() -> None:
    strange = 'a "model"\\with\nlines'

    samples = told({"tallystick_answers": {("v1", strange, "SUCCEEDED"): (2,)}})

    [(name, value)] = samples.items()
    assert strange in name
    assert value == 2


def test_readings_of_two_processes_add_up() -> None:
    one: Reading = {"tallystick_answers": {("v1", "small", "SUCCEEDED"): (2.0,)}}
    two: Reading = {
        "tallystick_answers": {("v1", "small", "SUCCEEDED"): (3.0,), ("v1", "big", "ERROR"): (1.0,)}
    }

    assert added([one, two]) == {
        "tallystick_answers": {("v1", "small", "SUCCEEDED"): [5.0], ("v1", "big", "ERROR"): (1.0,)}
    }


def reading(answers: float, running: float) -> Reading:
    return {
        "tallystick_answers": {("v1", "small", "SUCCEEDED"): (answers,)},
        "tallystick_answers_in_process": {(): (running,)},
    }


def numbers(found: Reading) -> tuple[float, float]:
    [answers] = found["tallystick_answers"].values()
    [running] = found["tallystick_answers_in_process"].values()
    return answers[0], running[0]


async def test_processes_of_one_server_are_told_by_whichever_is_asked(tmp_path: Path) -> None:
    one = Shared(read=lambda: reading(2, 1), folder=tmp_path, place=0)
    two = Shared(read=lambda: reading(3, 4), folder=tmp_path, place=1)

    async with one.going_on(), two.going_on():
        await anyio.sleep(0.1)
        from_one, from_two = one.total(), two.total()

    assert numbers(from_one) == numbers(from_two) == (5, 5)


async def test_what_a_dead_process_counted_stays_and_whoever_takes_its_place_goes_on_from_there(
    tmp_path: Path,
) -> None:
    ended = await anyio.open_process([sys.executable, "-c", ""])
    await ended.wait()
    left = [
        [name, list(labels), list(values)]
        for name, series in reading(7, 9).items()
        for labels, values in series.items()
    ]
    (tmp_path / "1.json").write_bytes(orjson.dumps({"pid": ended.pid, "series": left}))
    one = Shared(read=lambda: reading(2, 1), folder=tmp_path, place=0)
    successor = Shared(read=lambda: reading(1, 1), folder=tmp_path, place=1)

    meanwhile = numbers(one.total())
    async with successor.going_on():
        await anyio.sleep(0.1)
        after = numbers(one.total())

    assert [meanwhile, after] == [(9, 1), (10, 2)]


async def test_a_file_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b'{"pid": 1, "series": [[')
    (tmp_path / "2.json").write_bytes(b'{"pid": "x", "series": []}')

    assert numbers(Shared(read=lambda: reading(2, 1), folder=tmp_path).total()) == (2, 1)


@dataclass(slots=True)
class Watcher:
    """A database that is asked, and a clock."""

    away: bool = False
    looks: int = 0
    time: float = 0.0
    seen: list[Mapping[str, object]] = field(default_factory=list)

    async def look(self) -> Machinery:
        self.looks += 1
        await anyio.lowlevel.checkpoint()
        if self.away:
            raise Unavailable("away")
        return STATE


async def test_the_database_is_asked_every_ten_seconds_at_most() -> None:
    watcher = Watcher()
    kept = Books(watcher.look, clock=lambda: watcher.time)

    async with anyio.create_task_group() as scrapes:
        for _ in range(5):
            scrapes.start_soon(kept.read)
    first = await kept.read()
    watcher.time += 10
    await kept.read()

    assert watcher.looks == 2
    assert told(first)["tallystick_holds_open{}"] == 3
    assert told(first)["tallystick_oldest_hold_seconds{}"] == 0
    assert {family.name for family in books.FAMILIES} == set(first)


async def test_a_database_that_is_away_is_told_rather_than_old_numbers() -> None:
    watcher = Watcher(away=True)

    found = await Books(watcher.look, clock=lambda: watcher.time).read()

    assert told(found) == {"tallystick_database_up{}": 0}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/graphql", "/graphql"),
        ("/v1/models/deepseek/deepseek-chat", "/v1/models/{model}"),
        ("/sandbox/checkout/abc", "/sandbox/{reference}"),
        ("/graphql/", OTHER),
        ("/wp-login.php", OTHER),
    ],
)
def test_paths_that_callers_invent_are_one_route(path: str, route: str) -> None:
    assert route_of(path) == route


def test_a_machine_on_which_nothing_can_be_written_is_told_what_to_mount(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    settings = Settings.read(metrics_port=0)

    with lookout(settings) as alone:
        assert alone is not None
    with pytest.raises(UnsafeSettings, match="mount a tmpfs"), lookout(settings, processes=2):
        pass
