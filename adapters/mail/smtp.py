"""Mails over SMTP, encrypted unless the server is this machine."""

from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from domain.mailing import Mail, MailNotSent
from domain.outside import Clock

TIMEOUT_SECONDS: Final = 15.0
_SUBMISSION: Final = 587
_SUBMISSIONS: Final = 465
_PERMANENT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SMTPMailer:
    """Hands mails to one server, each over a connection of its own."""

    host: str
    port: int
    sender: str
    clock: Clock
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls_from_the_start: bool = False
    needs_tls: bool = True
    """A password or a link never crosses a network in the clear."""

    @classmethod
    def of_url(cls, url: str, *, sender: str, clock: Clock) -> Self:
        """A server named as smtp://login:password@host:port, or smtps:// for TLS from the start.

        Raises ValueError for what is not one, without its password.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path.strip("/"):
            raise ValueError("write smtp://login:password@host:587 or smtps://…:465.")
        is_tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (_SUBMISSIONS if is_tls else _SUBMISSION),
            sender=sender,
            clock=clock,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            is_tls_from_the_start=is_tls,
            needs_tls=not _is_this_machine(parts.hostname),
        )

    async def send(self, mail: Mail) -> None:
        """Raises MailNotSent; what a server refuses for good is not tried again."""
        try:
            await aiosmtplib.send(
                self._message(mail),
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                use_tls=self.is_tls_from_the_start,
                start_tls=self.needs_tls and not self.is_tls_from_the_start,
                timeout=TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise MailNotSent(
                f"the mail server refused the recipient ({codes[0]})",
                is_final=all(code >= _PERMANENT for code in codes),
            ) from error
        except aiosmtplib.SMTPResponseException as error:
            # Its words may quote the address; its code may not.
            raise MailNotSent(f"the mail server said {error.code}", is_final=False) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotSent(f"no mail server: {type(error).__name__}", is_final=False) from error

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(self.clock.now())
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        message["Message-ID"] = make_msgid(domain=domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
