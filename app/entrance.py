"""How people get in: which ways are open, and who carries mails."""

import hmac
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from adapters.mail.outbox import Outbox
from adapters.mail.smtp import SMTPMailer
from app.settings import Settings, UnsafeSettings
from domain.mailing import Mailer
from domain.offering import Offer, SignInMethod
from domain.outside import Clock

_BY_ADDRESS: Final = (SignInMethod.PASSWORD, SignInMethod.MAGIC_LINK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What is open, and who carries mails if anybody does."""

    offer: Offer
    mailer: Mailer | None
    outbox: Outbox | None
    """The mailer, when it is one that is read at a page of ours."""


def entrance_of(settings: Settings, *, demo_mode: bool, clock: Clock) -> Entrance:
    """What the settings open. Raises UnsafeSettings where they need a mail that nobody carries."""
    outbox = Outbox(_print) if keeps_mails(settings, demo_mode=demo_mode) else None
    mailer = outbox if settings.smtp_url is None else _smtp(settings, clock)
    methods = _methods(settings, has_mail=mailer is not None)
    confirms = settings.email_confirmation
    if confirms is None:
        confirms = bool(methods) and mailer is not None
    if mailer is None and (confirms or SignInMethod.MAGIC_LINK in methods):
        raise UnsafeSettings(
            "Links by mail (SIGN_IN_METHODS, EMAIL_CONFIRMATION) need somebody to carry them: set "
            "SMTP_URL, MAIL_FROM and APP_URL (docs/configuration.md)."
        )
    is_open = bool(methods) if settings.sign_up_open is None else settings.sign_up_open
    return Entrance(
        offer=Offer(
            version=version("tallystick"),
            demo_mode=demo_mode,
            sign_up_credits=settings.sign_up_credits,
            sign_up_open=is_open and bool(methods),
            email_confirmation=confirms,
            sign_in_methods=(*methods, *_by_others(settings)),
        ),
        mailer=mailer,
        outbox=outbox,
    )


def keeps_mails(settings: Settings, *, demo_mode: bool) -> bool:
    """Whether mails are kept for a page of ours rather than sent.

    Whoever reaches that page can sign in as anybody, so only this machine ever may.
    """
    if settings.mail_outbox and (settings.smtp_url is not None or not settings.is_local):
        raise UnsafeSettings(
            "MAIL_OUTBOX shows everybody's sign-in links: it is for a HOST of this machine alone, "
            "and without SMTP_URL."
        )
    if settings.smtp_url is not None or not settings.is_local:
        return False
    return demo_mode if settings.mail_outbox is None else settings.mail_outbox


def _smtp(settings: Settings, clock: Clock) -> SMTPMailer:
    if settings.smtp_url is None or settings.mail_from is None:
        raise AssertionError("settings with SMTP_URL have MAIL_FROM")
    return SMTPMailer.of_url(
        settings.smtp_url.get_secret_value(), sender=settings.mail_from, clock=clock
    )


def _methods(settings: Settings, *, has_mail: bool) -> tuple[SignInMethod, ...]:
    if settings.sign_in_methods is None:
        return _BY_ADDRESS if has_mail else ()
    return tuple(method for method in _BY_ADDRESS if method in settings.sign_in_methods)


def _by_others(settings: Settings) -> Iterator[SignInMethod]:
    if settings.google_client_id is not None:
        yield SignInMethod.GOOGLE
    if settings.supabase_url is not None:
        yield SignInMethod.SUPABASE


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def refresh_key(secret: str) -> bytes:
    """What refresh tokens are derived with, of the deployment's secret and for this use alone."""
    return hmac.digest(secret.encode(), b"refresh tokens", "sha256")
