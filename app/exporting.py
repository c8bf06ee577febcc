"""Exports: a history written out for other programs, streamed, however long it is."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from app.clock import SystemClock
from app.deployment import deployed
from app.export_lines import (
    LEDGER,
    USAGE,
    Line,
    ledger_line,
    usage_line,
    writer_of,
)
from app.export_words import Format, Subject
from app.moments import EARLIEST, moment
from app.settings import Settings
from domain.answers import UsageRecord
from domain.errors import NotFound, TallystickError
from domain.ledger import Entry
from domain.reporting import Span
from domain.units import AccountId
from persistence import exporting, reaching
from persistence.exporting import Histories
from persistence.reaching import DatabaseUnusable
from schema.ids import account_named

Found = TypeVar("Found", Entry, UsageRecord)

TOLD_EVERY: Final = 10_000


class _ReaderLeft(TallystickError):
    """Nobody reads what is written any more."""


class UnusableExport(TallystickError):
    """What was asked for cannot be exported; says what to ask for instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What an operator wants written out, in the operator's words."""

    subject: Subject
    start: str | None
    end: str | None
    account: str | None
    format: Format
    output: Path | None


def export(settings: Settings, wanted: Export) -> None:
    """Write it out; raises UnusableExport. Quiet when whoever reads it has enough."""
    span = _span(wanted.start, wanted.end)
    account = None if wanted.account is None else account_named(wanted.account) or wanted.account
    with deployed(settings) as deployment:
        if faults := asyncio.run(reaching.faults_of_books(deployment.url)):
            raise DatabaseUnusable("\n".join(faults.values()))
        with _opened(wanted.output) as file:
            try:
                count = asyncio.run(_write(deployment.url, span, account, wanted, _Sink(file)))
            except _ReaderLeft:
                # What is still buffered is for nobody.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
    if wanted.output is not None:
        _tell(f"{count} lines written to {wanted.output}.\n")


async def _write(
    url: str, span: Span, account: AccountId | str | None, wanted: Export, sink: "_Sink"
) -> int:
    count = 0
    try:
        async with exporting.opened(url, span, account) as histories:
            lines, columns = _lines(wanted.subject, histories)
            head, written = writer_of(wanted.format, columns)
            sink.write(head)
            async for line in lines:
                sink.write(written(line))
                count += 1
                if count % TOLD_EVERY == 0:
                    _tell(f"\r{count} lines")
    except NotFound:
        raise UnusableExport(f"There is no account {wanted.account}.") from None
    if count >= TOLD_EVERY:
        _tell(f"\r{count} lines\n")
    sink.flush()
    return count


def _lines(subject: Subject, histories: Histories) -> tuple[AsyncIterator[Line], tuple[str, ...]]:
    match subject:
        case Subject.USAGE:
            return _each(histories.usage(), usage_line), USAGE
        case Subject.LEDGER:
            return _each(histories.entries(), ledger_line), LEDGER


@dataclass(frozen=True, slots=True)
class _Sink:
    """Where lines go; what is wrong there is not taken for the database's fault."""

    file: BinaryIO

    def write(self, data: bytes) -> None:
        with _telling_faults():
            self.file.write(data)

    def flush(self) -> None:
        with _telling_faults():
            self.file.flush()


@contextmanager
def _telling_faults() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise _ReaderLeft from None
    except OSError as error:
        raise UnusableExport(f"The export cannot be written: {error.strerror}.") from None


async def _each(found: AsyncIterator[Found], line: Callable[[Found], Line]) -> AsyncIterator[Line]:
    async for one in found:
        yield line(one)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Where lines go: standard output, or a file that appears whole or not at all.

    What customers did is for its owner's eyes only, and so is the file.
    """
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        draft, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    except OSError as error:
        raise UnusableExport(f"{output} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(draft, "wb") as file:
            yield file
        Path(name).replace(output)
    except OSError as error:
        raise UnusableExport(f"{output} cannot be written: {error.strerror}.") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _tell(text: str) -> None:
    """Say how far it is to whoever looks on."""
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()


def _span(start: str | None, end: str | None) -> Span:
    now = SystemClock().now()
    since = EARLIEST if start is None else moment("--from", start)
    until = now if end is None else moment("--to", end)
    if since >= until:
        raise UnusableExport("--from must be earlier than --to, which is now if it is left out.")
    return Span(since, until)
