"""Sends promised mails in the background: its own process's at once, others' by and by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from app.logging import kind_and_places
from domain.mailing import Mailing
from domain.waiting import happening

LOOKED_FOR_EVERY_SECONDS: Final = 5.0
"""Mails of a process that died, and those that could not be handed over at first."""

_log = structlog.get_logger("mail")


@dataclass(frozen=True, slots=True)
class MailRounds:
    """Goes its rounds while the process serves; any number of processes may."""

    mailing: Mailing
    poked: asyncio.Event

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """A mail that is under way when this is left is sent by another process, or the next."""
        task = asyncio.create_task(self._go_on(), name="mail rounds")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            self.poked.clear()
            try:
                await self._round()
            except Exception as fault:  # noqa: BLE001 - the edge: it must go on after a bad hour
                _log.error("mails failed", **kind_and_places(fault))
            await happening(self.poked, within_seconds=LOOKED_FOR_EVERY_SECONDS)

    async def _round(self) -> None:
        sent = await self.mailing.send_due()
        if sent.count:
            _log.info("mails sent", count=sent.count)
        for why in sent.put_off:
            _log.warning("mail put off", why=why)
        for why in sent.given_up:
            _log.error("mail given up", why=why)
