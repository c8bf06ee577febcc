"""The mails of a trial at /outbox, on this machine only: whoever reads them can sign in."""

from collections.abc import Sequence
from html import escape
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.mail.outbox import Outbox
from domain.mailing import Mail

# Nothing is loaded, run, framed or sent from here; a link is only ever followed by hand.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "article{border-top:1px solid #8888;padding:1rem 0}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}"
)


def routes(outbox: Outbox) -> list[BaseRoute]:
    async def show(request: Request) -> Response:
        if not _is_of_this_machine(request):
            return PlainTextResponse("Only on this machine.\n", HTTPStatus.FORBIDDEN)
        return HTMLResponse(_page(list(outbox.kept)), headers={"content-security-policy": POLICY})

    return [Route("/outbox", show)]


def _is_of_this_machine(request: Request) -> bool:
    """Whether it came from here, by a name that means here.

    The name matters as well: a page elsewhere can give its own name our address, and read as its
    own what is answered under it.
    """
    client = request.client.host if request.client else ""
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    return _is_loopback(client) and (named == "localhost" or _is_loopback(named))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _page(mails: Sequence[Mail]) -> str:
    shown = "".join(map(_shown, mails)) or "<p>No mail yet. Sign up, or ask for a link.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Outbox</title>'
        f"<style>{_STYLE}</style><h1>Outbox</h1>"
        "<p>Mails that would have been sent, newest first, as long as this process runs.</p>"
        f"{shown}</html>"
    )


def _shown(mail: Mail) -> str:
    lines = (
        f'<a href="{escape(line)}" rel="noreferrer">{escape(line)}</a>'
        if line.startswith(("https://", "http://"))
        else escape(line)
        for line in mail.text.split("\n")
    )
    text = "\n".join(lines)
    return (
        f"<article><h2>{escape(mail.subject)}</h2><p>To {escape(mail.to)}</p>"
        f"<pre>{text}</pre></article>"
    )
