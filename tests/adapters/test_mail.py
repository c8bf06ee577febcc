"""Mails reach a real server as they were meant; of those that do not, no word is told."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.mail.outbox import KEPT_MAX, Outbox
from adapters.mail.smtp import SMTPMailer
from domain.mailing import Mail, MailNotSent
from tests.app.clocks import MovedClock
from tests.mail_server import MailServer, serving_mail, text_of

LINK = "https://app.example.test/a-path?with=a-query&of=some-length#token=lt_" + "x" * 43
MAIL = Mail(to="anna@example.test", subject="Your sign-in link", text=f"Open:\n\n{LINK}\n")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with serving_mail() as server:
        yield server


def mailer_to(url: str) -> SMTPMailer:
    return SMTPMailer.of_url(url, sender="Tallystick <mail@tallystick.test>", clock=MovedClock())


async def test_a_mail_arrives_with_its_link_whole(server: MailServer) -> None:
    await mailer_to(server.url).send(MAIL)

    mail = await server.mail_to("anna@example.test")
    (envelope,) = server.envelopes
    assert envelope.mail_from == "mail@tallystick.test"
    assert envelope.rcpt_tos == ["anna@example.test"]
    assert mail["from"] == "Tallystick <mail@tallystick.test>"
    assert (mail["to"], mail["subject"]) == (MAIL.to, MAIL.subject)
    assert mail["date"] == "Sat, 31 Jan 2026 12:00:00 +0000"
    assert mail["message-id"].endswith("@tallystick.test>")
    assert mail["auto-submitted"] == "auto-generated"
    assert LINK in text_of(mail).split()


@pytest.mark.parametrize(
    ("says", "told"),
    [("451 try later, anna@example.test", "451"), ("554 no, anna@example.test", "554")],
)
async def test_what_a_server_says_is_told_by_its_code_alone(
    server: MailServer, says: str, told: str
) -> None:
    server.says.append(says)

    with pytest.raises(MailNotSent, match=told) as refused:
        await mailer_to(server.url).send(MAIL)

    assert "anna" not in str(refused.value)
    assert not refused.value.is_final


async def test_a_recipient_refused_for_good_is_not_tried_again(server: MailServer) -> None:
    with pytest.raises(MailNotSent, match="refused the recipient") as refused:
        await mailer_to(server.url).send(replace(MAIL, to="nobody@refused.test"))

    assert refused.value.is_final
    assert "nobody" not in str(refused.value)


async def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(MailNotSent, match="no mail server") as refused:
        await mailer_to(f"smtp://127.0.0.1:{port}").send(MAIL)

    assert not refused.value.is_final


async def test_a_link_crosses_no_network_in_the_clear(server: MailServer) -> None:
    careful = replace(mailer_to(server.url), needs_tls=True)

    with pytest.raises(MailNotSent):
        await careful.send(MAIL)

    assert server.envelopes == []
    assert mailer_to("smtp://mail.example.test").needs_tls
    assert not mailer_to("smtp://localhost").needs_tls


@pytest.mark.parametrize(
    ("url", "port", "is_tls"),
    [
        ("smtp://mail.example.test", 587, False),
        ("smtps://mail.example.test", 465, True),
        ("smtp://mail.example.test:2525", 2525, False),
    ],
)
def test_a_url_says_how_to_reach_a_server(url: str, port: int, is_tls: bool) -> None:  # noqa: FBT001
    mailer = mailer_to(url)

    assert (mailer.host, mailer.port) == ("mail.example.test", port)
    assert mailer.is_tls_from_the_start is is_tls


def test_a_url_carries_a_login_that_nothing_shows() -> None:
    mailer = mailer_to("smtp://ann%40example.test:pa%3Ass@mail.example.test")

    assert (mailer.user, mailer.password) == ("ann@example.test", "pa:ss")
    assert "pa:ss" not in repr(mailer)


@pytest.mark.parametrize("url", ["https://mail.test", "smtp://", "mail.test", "smtp://a.test/path"])
def test_what_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write smtp"):
        mailer_to(url)


async def test_an_address_cannot_add_to_a_mail(server: MailServer) -> None:
    forged = replace(MAIL, to="anna@example.test\r\nBcc: eve@example.test")

    with contextlib.suppress(ValueError, MailNotSent):
        await mailer_to(server.url).send(forged)

    assert server.envelopes == []


async def test_an_outbox_keeps_the_newest_mails_and_prints_each() -> None:
    printed: list[str] = []
    outbox = Outbox(printed.append)

    for number in range(KEPT_MAX + 1):
        await outbox.send(replace(MAIL, to=f"a{number}@example.test"))

    assert outbox.kept[0].to == f"a{KEPT_MAX}@example.test"
    assert len(outbox.kept) == KEPT_MAX
    assert len(printed) == KEPT_MAX + 1
    assert LINK in printed[0]
