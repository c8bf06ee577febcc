"""Mails that go nowhere: they are printed, and kept for a page on this machine."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from domain.mailing import Mail

KEPT_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Outbox:
    """For developing without a mail server; the newest mail comes first."""

    say: Callable[[str], None]
    kept: deque[Mail] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))

    async def send(self, mail: Mail) -> None:
        self.kept.appendleft(mail)
        self.say(f"Mail to {mail.to}: {mail.subject}\n\n{mail.text}")
