"""Which ways in the settings open, and which of them are refused before anything is."""

import pytest

from adapters.mail.outbox import Outbox
from adapters.mail.smtp import SMTPMailer
from app.entrance import Entrance, entrance_of, refresh_key
from app.settings import Settings, UnsafeSettings
from domain.offering import SignInMethod
from tests.app.clocks import MovedClock

SMTP: dict[str, object] = {
    "smtp_url": "smtp://ann:hunter2@mail.example.test",
    "mail_from": "Tallystick <mail@example.test>",
    "app_url": "https://app.example.test",
}
BOTH = (SignInMethod.PASSWORD, SignInMethod.MAGIC_LINK)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def entrance(given: dict[str, object], *, demo_mode: bool = False) -> Entrance:
    return entrance_of(Settings.read(**given), demo_mode=demo_mode, clock=MovedClock())


def test_without_mails_nothing_is_open() -> None:
    closed = entrance({})

    assert closed.offer.sign_in_methods == ()
    assert (closed.offer.sign_up_open, closed.offer.email_confirmation) == (False, False)
    assert closed.mailer is None
    assert closed.outbox is None


def test_with_a_mail_server_people_sign_up_and_confirm() -> None:
    opened = entrance({"host": "0.0.0.0", **SMTP})  # noqa: S104 - nothing listens

    assert opened.offer.sign_in_methods == BOTH
    assert (opened.offer.sign_up_open, opened.offer.email_confirmation) == (True, True)
    assert isinstance(opened.mailer, SMTPMailer)
    assert opened.outbox is None


def test_a_demo_on_this_machine_keeps_its_mails_to_itself() -> None:
    opened = entrance({}, demo_mode=True)

    assert opened.offer.sign_in_methods == BOTH
    assert opened.offer.email_confirmation
    assert isinstance(opened.mailer, Outbox)
    assert opened.outbox is opened.mailer


def test_a_demo_that_others_reach_has_no_outbox() -> None:
    opened = entrance({"host": "0.0.0.0"}, demo_mode=True)  # noqa: S104 - nothing listens

    assert opened.outbox is None
    assert opened.offer.sign_in_methods == ()


def test_ways_are_closed_one_by_one() -> None:
    by_link = entrance({"sign_in_methods": "magic_link", **SMTP})
    invited = entrance({"sign_up_open": False, **SMTP})
    quick = entrance({"sign_in_methods": "PASSWORD", "email_confirmation": False})

    assert by_link.offer.sign_in_methods == (SignInMethod.MAGIC_LINK,)
    assert (invited.offer.sign_up_open, invited.offer.sign_in_methods) == (False, BOTH)
    assert (quick.offer.sign_up_open, quick.offer.email_confirmation) == (True, False)
    assert quick.mailer is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sign_in_methods": "MAGIC_LINK"}, "need somebody to carry them"),
        ({"email_confirmation": True}, "need somebody to carry them"),
        ({"mail_outbox": True, "host": "192.0.2.1"}, "of this machine alone"),
        ({"mail_outbox": True, **SMTP}, "of this machine alone"),
        ({"smtp_url": SMTP["smtp_url"]}, "needs MAIL_FROM"),
        ({**SMTP, "smtp_url": "https://mail.example.test"}, "SMTP_URL: write smtp"),
        ({**SMTP, "mail_from": "nobody"}, "MAIL_FROM: write an address"),
        ({**SMTP, "app_url": "https://app.example.test/path"}, "APP_URL"),
        ({**SMTP, "app_url": "*"}, "APP_URL"),
        ({"sign_in_methods": "TELEPATHY"}, "SIGN_IN_METHODS"),
    ],
)
def test_what_cannot_work_is_refused_in_words_without_secrets(
    given: dict[str, object], told: str
) -> None:
    with pytest.raises(UnsafeSettings, match=told) as refused:
        entrance(given)

    assert "hunter2" not in str(refused.value)


def test_refresh_tokens_have_a_key_of_their_own() -> None:
    keys = {refresh_key(secret) for secret in ("a", "b")}

    assert len(keys) == 2
    assert {len(key) for key in keys} == {32}
