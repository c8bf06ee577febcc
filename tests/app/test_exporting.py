"""What is exported is all there is, in forms that other programs read, in constant memory."""

import asyncio
import csv
import io
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from app import exporting
from app.export_words import Format, Subject
from app.moments import UnusableTime
from app.settings import Settings
from domain.ledger import Once
from domain.reporting import EntryFilter, PageRequest, UsageFilter
from domain.units import ApiKeyId, EntryId, Microcredits
from schema.ids import account_name, entry_name, key_name, usage_name
from tests.app.shell import ROOT, TALLYSTICK, environment
from tests.persistence.bank import Bank, Customer, open_bank
from tests.persistence.programs import make_program
from tests.persistence.records import Making, put

EVIL = '=HYPERLINK("http://evil.test","click"), said\nshe'
MEMORY_KIB = 24_000


@dataclass(frozen=True, slots=True)
class Desk:
    """Books, and an operator who exports them."""

    bank: Bank
    folder: Path

    async def export(
        self,
        subject: Subject,
        format_: Format = Format.CSV,
        *,
        account: str | None = None,
        between: tuple[str | None, str | None] = (None, None),
    ) -> bytes:
        """What a file holds that was exported to."""
        output = self.folder / "exported"
        wanted = exporting.Export(
            subject=subject,
            start=between[0],
            end=between[1],
            account=account,
            format=format_,
            output=output,
        )
        await asyncio.to_thread(exporting.export, Settings.read(**self.settings), wanted)
        return await asyncio.to_thread(output.read_bytes)

    @property
    def settings(self) -> dict[str, str]:
        return {"database_url": self.bank.url, "tallystick_secret": self.bank.secret}


@pytest.fixture
async def desk(database_url: str, deployment_secret: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_bank(database_url, deployment_secret) as bank:
        yield Desk(bank, tmp_path)


@dataclass(frozen=True, slots=True)
class Scene:
    """A customer who asked, by a key too, and was given something back; and another."""

    customer: Customer
    other: Customer
    admin: Customer


@pytest.fixture
async def scene(desk: Desk) -> Scene:
    bank = desk.bank
    scene = Scene(
        await bank.customer(1_000), await bank.customer(2_000), await bank.administrator()
    )
    program = await make_program(bank, scene.customer)
    ended = await bank.answer(scene.customer.purse, charged=40)
    await bank.answer(scene.customer.purse, charged=30, key=program.id.number)
    await bank.office.refund(
        scene.admin.session_id,
        EntryId(scene.customer.purse, ended.ended_at),
        Microcredits(10),
        reason=EVIL,
        once=Once.of("refundCharge", "1"),
    )
    await bank.answer(scene.other.purse, charged=20)
    return scene


def objects(text: bytes) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in text.splitlines()]


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


async def test_the_ledger_is_exported_as_the_api_tells_it(desk: Desk, scene: Scene) -> None:
    exported = await desk.export(
        Subject.LEDGER, Format.NDJSON, account=scene.customer.email.upper()
    )

    page = await desk.bank.books.entry_page(
        scene.customer.reader, EntryFilter(account_id=scene.customer.account_id), PageRequest(100)
    )
    lines = objects(exported)
    assert [line["id"] for line in lines] == [entry_name(each.id) for each in page.items][::-1]
    assert lines[-1] == {
        "id": entry_name(page.items[0].id),
        "createdAt": lines[-1]["createdAt"],
        "accountId": account_name(scene.customer.account_id),
        "apiKeyId": None,
        "kind": "REFUND",
        "amount": "0.00001",
        "totalAfter": "0.00094",
        "answerId": None,
        "reversesId": lines[1]["id"],
        "actorId": account_name(scene.admin.account_id),
        "reason": EVIL,
    }


async def test_usage_is_a_table_that_spreadsheets_read(desk: Desk, scene: Scene) -> None:
    exported = await desk.export(Subject.USAGE, account=account_name(scene.customer.account_id))

    page = await desk.bank.books.usage_page(
        scene.customer.reader, UsageFilter(account_id=scene.customer.account_id), PageRequest(100)
    )
    by_key = page.items[0]
    rows = rows_of(exported)
    assert [row["id"] for row in rows] == [usage_name(each.id) for each in page.items][::-1]
    assert rows[1] == {
        "id": usage_name(by_key.id),
        "createdAt": rows[1]["createdAt"],
        "accountId": account_name(scene.customer.account_id),
        "apiKeyId": key_name(ApiKeyId(scene.customer.account_id, by_key.api_key_number)),
        "answerId": rows[1]["answerId"],
        "attempt": "1",
        "outcome": "SUCCEEDED",
        "model": "small",
        "priceId": rows[1]["priceId"],
        "inputTokens": "30",
        "cachedInputTokens": "10",
        "outputTokens": "20",
        "estimated": "false",
        "charged": "0.00003",
        "latencyMs": "700",
        "firstTokenMs": "90",
        "problemCode": "",
        "providerCost": "0.000017",
    }


async def test_a_table_keeps_every_line_and_no_text_becomes_a_formula(
    desk: Desk, scene: Scene
) -> None:
    exported = await desk.export(Subject.LEDGER)

    assert exported.startswith(b"id,createdAt,accountId,apiKeyId,kind,amount,totalAfter,")
    rows = rows_of(exported)
    assert exported.count(b"\r\n") == len(rows) + 1
    assert {row["accountId"] for row in rows} == {
        account_name(each.account_id) for each in (scene.customer, scene.other)
    }
    assert [row["amount"] for row in rows if row["kind"] == "CHARGE"] == [
        "-0.00004", "-0.00003", "-0.00002",
    ]  # fmt: skip
    assert [row["reason"] for row in rows if row["reason"]] == [f"'{EVIL}"]


async def test_an_export_is_of_the_range_asked_for(desk: Desk) -> None:
    start = datetime(2026, 3, 30, tzinfo=UTC)
    customer = await desk.bank.customer()
    records = Making(1, start, start + timedelta(days=4)).records(customer.account_id, 300)
    await put(desk.bank, records)
    since, until = start + timedelta(days=1), start + timedelta(days=2, hours=7, minutes=30)
    within = [
        usage_name(each.id)
        for each in records
        if since.timestamp() <= each.id.moment / 1e6 < until.timestamp()
    ]

    exported = await desk.export(
        Subject.USAGE, Format.NDJSON, between=("2026-03-31", "2026-04-01T09:30:00+02:00")
    )

    assert [line["id"] for line in objects(exported)] == within
    assert within


@pytest.mark.parametrize(
    ("start", "end", "account", "told"),
    [
        ("yesterday", None, None, "--from must be a day such as 2026-01-31"),
        ("1066-10-14", None, None, "--from must be a day such as 2026-01-31"),
        (None, "2026-01-31T09:30:00", None, "--to must be a day such as 2026-01-31"),
        ("2999-01-01", None, None, "--from must be earlier than --to"),
        (None, None, "nobody@demo.test", "There is no account nobody@demo.test."),
        (None, None, "acct_06u0gm3pk8r3y", "There is no account acct_06u0gm3pk8r3y."),
    ],
)
async def test_what_cannot_be_exported_is_told_and_leaves_no_file(
    desk: Desk, start: str | None, end: str | None, account: str | None, told: str
) -> None:
    with pytest.raises((exporting.UnusableExport, UnusableTime), match=told):
        await desk.export(Subject.LEDGER, account=account, between=(start, end))

    assert list_of(desk.folder) == []


async def test_a_file_that_cannot_be_written_is_told(desk: Desk) -> None:
    elsewhere = Desk(desk.bank, Path("/nowhere"))

    with pytest.raises(exporting.UnusableExport, match="/nowhere/exported cannot be written"):
        await elsewhere.export(Subject.USAGE)


async def test_a_file_takes_the_place_of_an_old_one_and_is_for_its_owner_only(desk: Desk) -> None:
    await desk.export(Subject.USAGE)

    exported = await desk.export(Subject.LEDGER)

    assert exported.startswith(b"id,createdAt,accountId,apiKeyId,kind")
    assert list_of(desk.folder) == [("exported", 0o600)]


def list_of(folder: Path) -> list[tuple[str, int]]:
    """The files of a folder, and who may read and write them."""
    return [(each.name, each.stat().st_mode & 0o777) for each in folder.iterdir()]


async def test_a_long_history_takes_no_more_memory_and_may_be_left(desk: Desk) -> None:
    customer = await desk.bank.customer()
    short = exported_until(desk, lines=10**9)
    start = datetime(2026, 3, 30, tzinfo=UTC)
    await desk.bank.owner.execute("SELECT tallystick.ensure_partitions($1, $1)", start)
    await desk.bank.owner.execute(LONG, customer.account_id, int(start.timestamp()) * 1_000_000)

    whole, left = exported_until(desk, lines=10**9), exported_until(desk, lines=10)

    assert (whole.lines, left.lines) == (60_001, 10)
    assert (whole.returncode, left.returncode, left.stderr) == (0, 0, "")
    assert whole.memory_kib - short.memory_kib < MEMORY_KIB


LONG = """
INSERT INTO tallystick.usage_records (account_id, moment, key_number, api_key_number, attempt,
       outcome, model_id, price_id, input_tokens, cached_input_tokens, output_tokens, is_estimated,
       charged)
SELECT $1, $2::bigint + g * 100, 0, 0, 1, 'CANCELED', 'small', 1, 10, 0, 20, false, 10
  FROM generate_series(1, 60000) g
"""


@dataclass(frozen=True, slots=True)
class Read:
    """What came of an export, of which so many lines were read."""

    lines: int
    returncode: int
    stderr: str
    memory_kib: int


def exported_until(desk: Desk, *, lines: int) -> Read:
    """Export usage, read so many lines, and hang up; the memory is the most the program had."""
    with subprocess.Popen(
        [TALLYSTICK, "export", "usage"],
        cwd=ROOT,
        env=environment(DATABASE_URL=desk.bank.url, TALLYSTICK_SECRET=desk.bank.secret),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        read = 0
        for _ in process.stdout:
            read += 1
            if read == lines:
                break
        process.stdout.close()
        stderr = process.stderr.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Read(read, process.returncode, stderr, used.ru_maxrss)
