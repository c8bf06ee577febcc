"""A real mail server on a loopback port, which keeps what it is handed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Connection

PATIENCE_SECONDS = 20.0
LINK = re.compile(r"https?://\S+#token=(\S+)")


@dataclass
class MailServer:
    """Accepts mails, unless it is told what to say instead."""

    says: list[str] = field(default_factory=list)
    """Replies to the next mails, before it accepts them again."""

    envelopes: list[Envelope] = field(default_factory=list)
    port: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, connection: Connection, envelope: Envelope
    ) -> str:
        if self.says:
            return self.says.pop(0)
        self.envelopes.append(envelope)
        self._came.set()
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the same
        self, server: SMTP, connection: Connection, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if address.endswith("@refused.test"):
            return "550 nobody here has that address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def mail_to(self, address: str, number: int = 1) -> EmailMessage:
        """The nth mail to an address, which has to come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                self._came.clear()
                found = [e for e in self.envelopes if e.rcpt_tos == [address]]
                if len(found) >= number:
                    return _read(found[number - 1])
                await self._came.wait()

    async def token_to(self, address: str, number: int = 1) -> str:
        """The token in the nth mail to an address."""
        found = LINK.search(text_of(await self.mail_to(address, number)))
        assert found is not None
        return found[1]


def text_of(mail: EmailMessage) -> str:
    content = mail.get_content()
    assert isinstance(content, str)
    return content


def _read(envelope: Envelope) -> EmailMessage:
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@asynccontextmanager
async def serving_mail() -> AsyncIterator[MailServer]:
    mails = MailServer()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mails, loop=asyncio.get_running_loop()), "127.0.0.1", 0
    )
    mails.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mails
