"""Mails with a link: promised in the books, sent when their turn comes.

The promise says to whom and why, never the secret: that is made when the mail is sent, and only its
hash is kept. So the one who asks waits for one small write, the same for every address; no crash
loses a mail; and the database never holds a link that works.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final, Protocol

from domain.errors import TallystickError

LINK_LASTS: Final = timedelta(minutes=15)
LEASE: Final = timedelta(seconds=60)
"""Longer than a mail server may take; the second wait is twice as long, and so on."""

TRIES_MAX: Final = 6
"""Over about an hour. A link that comes later than that is no longer waited for."""

_AT_ONCE: Final = 10
_SECRET_BYTES: Final = 32


class MailKind(StrEnum):
    """What following the link does for somebody who has no account yet."""

    SIGN_IN = "SIGN_IN"
    """Nothing: no such mail is sent."""

    SIGN_UP = "SIGN_UP"
    """It makes the account that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A mail to come, with the sign-up that waits for its link to be followed."""

    kind: MailKind
    email: str
    return_path: str | None = None
    display_name: str | None = None
    password_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMail:
    """A promised mail that this process is about to send, for the nth time."""

    id: int
    email: str
    return_path: str | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is sent."""

    to: str
    subject: str
    text: str


class MailNotSent(TallystickError):
    """A mail could not be handed over. The message says why, without address or content."""

    def __init__(self, why: str, *, is_final: bool) -> None:
        self.is_final = is_final
        """Whether trying again is of no use."""
        super().__init__(why)


class Mailer(Protocol):
    """Whoever carries mails."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail over; raises MailNotSent."""
        ...


class Mails(Protocol):
    """Promised mails, as the database keeps them."""

    async def promise(self, promise: Promise) -> None: ...

    async def claim(self, *, limit: int, lease: timedelta) -> Sequence[ClaimedMail]:
        """Those whose turn it is, for nobody else until the lease has ended."""
        ...

    async def mint_link(
        self, mail: ClaimedMail, token_hash: bytes, *, lasts: timedelta
    ) -> MailKind | None:
        """Make a link known; says what it will do, or None when there is nothing to mail."""
        ...

    async def finish(self, mail: ClaimedMail) -> None:
        """Forget a promise that was kept or is given up."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one round: how many went out, and why the others did not."""

    count: int
    put_off: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """Sends what was promised; any number of processes may do it at once."""

    mails: Mails
    mailer: Mailer
    app_url: str
    """Where links lead: the web app's origin."""

    async def send_due(self) -> Sent:
        """Send every mail whose turn it is."""
        outcomes: list[MailNotSent | None] = []
        while claimed := await self.mails.claim(limit=_AT_ONCE, lease=LEASE):
            outcomes += await asyncio.gather(*(self._send(mail) for mail in claimed))
        failures = [outcome for outcome in outcomes if outcome is not None]
        return Sent(
            len(outcomes) - len(failures),
            tuple(str(failure) for failure in failures if not failure.is_final),
            tuple(str(failure) for failure in failures if failure.is_final),
        )

    async def _send(self, claimed: ClaimedMail) -> MailNotSent | None:
        """Keep one promise; a failure that can pass leaves it for when its lease has ended."""
        token = f"lt_{token_urlsafe(_SECRET_BYTES)}"
        kind = await self.mails.mint_link(claimed, hash_of_link(token), lasts=LINK_LASTS)
        if kind is None:
            return None
        link = f"{self.app_url}{claimed.return_path or '/'}#token={token}"
        try:
            await self.mailer.send(_mail(kind, claimed.email, link))
        except MailNotSent as failure:
            if not failure.is_final and claimed.tries < TRIES_MAX:
                return failure
            await self.mails.finish(claimed)
            return MailNotSent(str(failure), is_final=True)
        await self.mails.finish(claimed)
        return None


def hash_of_link(token: str) -> bytes:
    """What is kept of a link's token: of 256 random bits a plain hash cannot be reversed."""
    return sha256(token.encode()).digest()


_SUBJECTS: Final = {
    MailKind.SIGN_IN: "Your sign-in link",
    MailKind.SIGN_UP: "Confirm your address",
}
_ACTS: Final = {
    MailKind.SIGN_IN: "Open this link to sign in:",
    MailKind.SIGN_UP: "Open this link to confirm your address and finish signing up:",
}


def _mail(kind: MailKind, to: str, link: str) -> Mail:
    minutes = int(LINK_LASTS.total_seconds() // 60)
    return Mail(
        to=to,
        subject=_SUBJECTS[kind],
        text=(
            f"{_ACTS[kind]}\n\n{link}\n\n"
            f"It works once, within {minutes} minutes. If you did not ask for it, do nothing: "
            "nobody can use it without this mail.\n"
        ),
    )
