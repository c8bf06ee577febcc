"""The sandbox's checkout page: pay, decline, pay later, refund and dispute, without any money."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from adapters.payments.sandbox import PATH
from app.errors import Refused
from app.http import read_body
from app.logging import kind_and_places
from domain.errors import Problem
from domain.outside import Clock
from domain.paying import Paying
from domain.payments import ReversalState, payment_named
from domain.sandbox import ChargeState, Deed, SandboxCharge, SandboxTill

ASSETS: Final = Path(__file__).parent / "static" / "sandbox"
BODY_BYTES_MAX: Final = 1_024
BODY_SECONDS_MAX: Final = 5.0
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no referrer at all, browsers send forms without saying which page they are from.
    "referrer-policy": "same-origin",
}
_LABELS: Final = {
    Deed.PAY: "Pay {price}",
    Deed.PAY_LATER: "Pay later (M-Pesa, bank transfer)",
    Deed.DECLINE: "Decline the card",
    Deed.REFUND_PART: "Refund a quarter",
    Deed.REFUND: "Refund all that is left",
    Deed.FAIL_REFUND: "Let the last refund fail",
    Deed.DISPUTE: "Dispute the payment",
    Deed.WIN: "Close the dispute: won",
    Deed.LOSE: "Close the dispute: lost",
}
_STATES: Final = {
    ChargeState.OPEN: ("open", "not paid yet"),
    ChargeState.WAITING: ("open", "waiting for the money"),
    ChargeState.PAID: ("paid", "paid"),
    ChargeState.DECLINED: ("declined", "declined"),
}
_DISPUTES: Final = {
    ReversalState.OPEN: ("disputed", "paid, and disputed"),
    ReversalState.WON: ("paid", "paid; a dispute was won"),
    ReversalState.LOST: ("disputed", "lost in a dispute"),
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox checkout</title>
<link rel="stylesheet" href="/static/sandbox/page.css">
</head>
<body>
<header><strong>Sandbox</strong> No real money moves here.</header>
<main>
{body}
</main>
</body>
</html>
"""
_log = structlog.get_logger("sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPages:
    """Shows a charge and does with it what its visitor says."""

    till: SandboxTill
    paying: Paying
    clock: Clock

    def routes(self) -> Sequence[BaseRoute]:
        return (
            Route(f"{PATH}/{{reference}}", self.show),
            Route(f"{PATH}/{{reference}}", self.act, methods=["POST"]),
            Mount("/static/sandbox", StaticFiles(directory=ASSETS)),
        )

    async def show(self, request: Request) -> Response:
        charge = await self._charge(request)
        if charge is None:
            return _page("<h1>There is no such checkout.</h1>", status=HTTPStatus.NOT_FOUND)
        return _page(_checkout(charge))

    async def act(self, request: Request) -> Response:
        """Change the charge first, then let the payment catch up, as a provider's message would."""
        before = await self._charge(request)
        try:
            body = await read_body(
                request.scope,
                request.receive,
                bytes_max=BODY_BYTES_MAX,
                seconds_max=BODY_SECONDS_MAX,
            )
            deed = Deed(parse_qs(body.decode()).get("deed", [""])[0])
        except Refused as refused:
            return _page(f"<h1>{escape(str(refused))}</h1>", status=refused.status)
        except ValueError:
            return _page("<h1>There is no such deed.</h1>", status=HTTPStatus.BAD_REQUEST)
        if before is None:
            return _page("<h1>There is no such checkout.</h1>", status=HTTPStatus.NOT_FOUND)
        after = before.after(deed, self.clock.now())
        if after != before and await self.till.keep(after, before=before):
            await self._catch_up(after)
        return RedirectResponse(request.url.path, status_code=HTTPStatus.SEE_OTHER)

    async def _charge(self, request: Request) -> SandboxCharge | None:
        reference = str(request.path_params["reference"])
        return await self.till.charge(reference) if reference.isalnum() else None

    async def _catch_up(self, charge: SandboxCharge) -> None:
        payment_id = payment_named(charge.payment)
        if payment_id is None:
            return
        try:
            await self.paying.catch_up(payment_id)
        except Problem as problem:
            # As with a provider whose message got lost: polling finds it.
            _log.warning("sandbox message lost", **kind_and_places(problem))


def _checkout(charge: SandboxCharge) -> str:
    kind, told = _STATES[charge.state]
    if charge.dispute is not None:
        kind, told = _DISPUTES[charge.dispute]
    elif charge.refunded:
        refunded = type(charge.price)(charge.refunded, charge.price.currency)
        told = f"paid; {refunded} refunded"
    deeds = charge.deeds()
    note = "Now try what happens afterwards:" if charge.state is ChargeState.PAID else ""
    buttons = "\n".join(
        _button(deed, charge, is_first=deed is Deed.PAY and number == 0)
        for number, deed in enumerate(deeds)
    )
    lead = "Go on in the app" if charge.state is ChargeState.PAID else "Back to the app"
    return f"""<h1>{escape(charge.pack_name)}</h1>
<p class="price">{escape(str(charge.price))}</p>
<dl>
<dt>Stands in for</dt><dd>{escape(charge.provider.capitalize())}</dd>
<dt>Payment</dt><dd class="reference">{escape(charge.payment)}</dd>
<dt>Status</dt><dd id="status" class="state-{kind}">{escape(told)}</dd>
</dl>
{f'<p class="note">{note}</p>' if note else ""}
<form method="post">
{buttons}
</form>
<a class="back" href="{escape(charge.return_url)}">{lead}</a>"""


def _button(deed: Deed, charge: SandboxCharge, *, is_first: bool) -> str:
    label = _LABELS[deed].format(price=charge.price)
    css = ' class="first"' if is_first else ""
    return f'<button{css} name="deed" value="{deed}">{escape(label)}</button>'


def _page(body: str, *, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return HTMLResponse(_PAGE.format(body=body), status_code=status, headers=_HEADERS)
