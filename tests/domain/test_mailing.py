"""Promised mails are sent once, again when that failed, and given up in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from domain.mailing import (
    TRIES_MAX,
    ClaimedMail,
    Mail,
    Mailing,
    MailKind,
    MailNotSent,
    Promise,
    Sent,
    hash_of_link,
)

ANNA = ClaimedMail(id=1, email="anna@example.test", return_path=None, tries=1)


@dataclass(slots=True)
class Queue:
    """Promised mails whose turn it is, all of one kind."""

    due: list[ClaimedMail]
    kind: MailKind | None = MailKind.SIGN_IN
    minted: list[bytes] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)

    async def promise(self, promise: Promise) -> None: ...

    async def claim(self, *, limit: int, lease: timedelta) -> Sequence[ClaimedMail]:
        claimed, self.due = self.due[:limit], self.due[limit:]
        return claimed

    async def mint_link(
        self, mail: ClaimedMail, token_hash: bytes, *, lasts: timedelta
    ) -> MailKind | None:
        self.minted.append(token_hash)
        return self.kind

    async def finish(self, mail: ClaimedMail) -> None:
        self.finished.append(mail.id)


@dataclass(slots=True)
class Postman:
    """Carries mails, or fails as told."""

    fails_with: MailNotSent | None = None
    carried: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.carried.append(mail)


def mailing(queue: Queue, postman: Postman) -> Mailing:
    return Mailing(mails=queue, mailer=postman, app_url="https://app.test")


async def test_every_mail_that_is_due_goes_out_with_a_link_of_its_own() -> None:
    queue = Queue([replace(ANNA, id=number) for number in range(25)])
    postman = Postman()

    sent = await mailing(queue, postman).send_due()

    tokens = [mail.text.partition("#token=")[2].split()[0] for mail in postman.carried]
    assert sent == Sent(25)
    assert len(set(tokens)) == 25
    assert sorted(map(hash_of_link, tokens)) == sorted(queue.minted)
    assert sorted(queue.finished) == list(range(25))


async def test_a_mail_says_what_it_is_for_and_to_do_nothing_otherwise() -> None:
    for kind, subject in (
        (MailKind.SIGN_IN, "Your sign-in link"),
        (MailKind.SIGN_UP, "Confirm your address"),
    ):
        postman = Postman()
        queue = Queue([replace(ANNA, return_path="/keys")], kind)

        await mailing(queue, postman).send_due()

        (mail,) = postman.carried
        assert (mail.to, mail.subject) == (ANNA.email, subject)
        assert "\nhttps://app.test/keys#token=lt_" in mail.text
        assert "15 minutes" in mail.text
        assert "If you did not ask for it, do nothing" in mail.text


async def test_nothing_is_mailed_to_whom_nothing_is_to_be_said() -> None:
    postman = Postman()

    await mailing(Queue([ANNA], kind=None), postman).send_due()

    assert postman.carried == []


async def test_a_failure_that_can_pass_leaves_the_promise_standing() -> None:
    queue = Queue([ANNA])

    sent = await mailing(queue, Postman(MailNotSent("away", is_final=False))).send_due()

    assert sent == Sent(0, put_off=("away",))
    assert queue.finished == []


async def test_a_mail_is_given_up_when_it_cannot_arrive_or_would_come_too_late() -> None:
    never = Queue([ANNA])
    late = Queue([replace(ANNA, tries=TRIES_MAX)])

    refused = await mailing(never, Postman(MailNotSent("no such", is_final=True))).send_due()
    tired = await mailing(late, Postman(MailNotSent("away", is_final=False))).send_due()

    assert refused == Sent(0, given_up=("no such",))
    assert tired == Sent(0, given_up=("away",))
    assert never.finished == late.finished == [ANNA.id]
