"""A Stripe on this machine: its API as the SDK calls it, and its events as it signs them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from time import time
from urllib.parse import parse_qsl

import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

SECRET = "whsec_of_the_tests"
Object = dict[str, object]


@dataclass(slots=True)
class FakeStripe:
    """Sessions, payment intents, refunds and disputes, and who asked for what."""

    livemode: bool = False
    sessions: dict[str, Object] = field(default_factory=dict)
    intents: dict[str, Object] = field(default_factory=dict)
    refunds: dict[str, Object] = field(default_factory=dict)
    disputes: dict[str, Object] = field(default_factory=dict)
    used_keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    fails: int = 0
    """How many requests are answered 503 from now on."""
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = Starlette(
            routes=[
                Route("/v1/checkout/sessions", self._create_session, methods=["POST"]),
                Route("/v1/checkout/sessions", self._list_sessions),
                Route("/v1/checkout/sessions/{id}", self._find_session),
                Route("/v1/payment_intents/{id}", self._find_intent),
                Route("/v1/refunds", self._list_refunds),
                Route("/v1/disputes", self._list_disputes),
                Route("/v1/billing_portal/sessions", self._open_portal, methods=["POST"]),
            ]
        )
        await app(scope, receive, send)

    # What happens there ------------------------------------------------------

    def pay(self, session_id: str, *, amount: int | None = None, currency: str = "") -> Object:
        """A customer pays; with another amount than was asked, if one is given."""
        session = self.sessions[session_id]
        self._complete(session)
        if amount is not None:
            session["amount_total"] = amount
        if currency:
            session["currency"] = currency
        session["payment_status"] = "paid"
        intent = self.intents[str(session["payment_intent"])]
        intent["status"] = "succeeded"
        intent["latest_charge"] = {
            "id": f"ch_{intent['id']}",
            "object": "charge",
            "created": int(time()),
            "receipt_url": f"https://receipts.test/{intent['id']}",
        }
        return session

    def pay_later(self, session_id: str) -> Object:
        """A customer completes the page by a way that takes days."""
        session = self.sessions[session_id]
        self._complete(session)
        self.intents[str(session["payment_intent"])]["status"] = "processing"
        return session

    def fail(self, session_id: str) -> Object:
        """The money of such a customer does not come."""
        session = self.sessions[session_id]
        self.intents[str(session["payment_intent"])]["status"] = "requires_payment_method"
        return session

    def expire(self, session_id: str) -> Object:
        session = self.sessions[session_id]
        session["status"] = "expired"
        return session

    def refund(self, session_id: str, amount: int, status: str = "succeeded") -> Object:
        intent = self.sessions[session_id]["payment_intent"]
        refund: Object = {
            "id": f"re_{next(self._numbers)}",
            "object": "refund",
            "amount": amount,
            "currency": self.sessions[session_id]["currency"],
            "payment_intent": intent,
            "charge": f"ch_{intent}",
            "status": status,
            "created": int(time()),
        }
        self.refunds[str(refund["id"])] = refund
        return refund

    def dispute(self, session_id: str, amount: int, status: str = "needs_response") -> Object:
        intent = self.sessions[session_id]["payment_intent"]
        dispute: Object = {
            "id": f"dp_{next(self._numbers)}",
            "object": "dispute",
            "amount": amount,
            "currency": self.sessions[session_id]["currency"],
            "payment_intent": intent,
            "charge": f"ch_{intent}",
            "status": status,
            "created": int(time()),
        }
        self.disputes[str(dispute["id"])] = dispute
        return dispute

    def charge(self, session_id: str) -> Object:
        """The charge as events tell of it: what went back is cumulative there."""
        session = self.sessions[session_id]
        intent = session["payment_intent"]
        back = sum(
            int(str(each["amount"]))
            for each in self.refunds.values()
            if each["payment_intent"] == intent and each["status"] != "failed"
        )
        return {
            "id": f"ch_{intent}",
            "object": "charge",
            "payment_intent": intent,
            "amount": session["amount_total"],
            "amount_refunded": back,
            "refunded": back == session["amount_total"],
        }

    def event(
        self, kind: str, about: Mapping[str, object], *, livemode: bool | None = None
    ) -> bytes:
        """An event's bytes, as they are sent."""
        return json.dumps(
            {
                "id": f"evt_{next(self._numbers)}",
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": int(time()),
                "livemode": self.livemode if livemode is None else livemode,
                "type": kind,
                "data": {"object": about},
            },
            indent=2,
        ).encode()

    # What its API says -------------------------------------------------------

    def _complete(self, session: Object) -> None:
        session["status"] = "complete"
        session["customer"] = session["customer"] or f"cus_{next(self._numbers)}"
        if session["payment_intent"] is None:
            intent_id = f"pi_{next(self._numbers)}"
            self.intents[intent_id] = {
                "id": intent_id,
                "object": "payment_intent",
                "livemode": self.livemode,
                "metadata": session["intent_metadata"],
                "status": "requires_payment_method",
                "latest_charge": None,
            }
            session["payment_intent"] = intent_id

    def _note(self, request: Request) -> Response | None:
        self.asked.append(f"{request.method} {request.url.path}")
        self.headers.append(dict(request.headers))
        if self.fails > 0:
            self.fails -= 1
            return JSONResponse({"error": {"type": "api_error"}}, status_code=503)
        return None

    async def _create_session(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        body = (await request.body()).decode()
        given = dict(parse_qsl(body))
        key = request.headers.get("idempotency-key", "")
        if key in self.used_keys:
            first, session_id = self.used_keys[key]
            if first != body:
                error = {"type": "idempotency_error", "message": "other parameters"}
                return JSONResponse({"error": error}, status_code=400)
            return self._told(self.sessions[session_id])
        session_id = f"cs_test_{next(self._numbers)}"
        self.used_keys[key] = (body, session_id)
        self.sessions[session_id] = {
            "id": session_id,
            "object": "checkout.session",
            "mode": given["mode"],
            "livemode": self.livemode,
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(given["line_items[0][price_data][unit_amount]"]),
            "currency": given["line_items[0][price_data][currency]"],
            "client_reference_id": given["client_reference_id"],
            "metadata": {"tallystick_payment": given["metadata[tallystick_payment]"]},
            "intent_metadata": {
                "tallystick_payment": given["payment_intent_data[metadata][tallystick_payment]"]
            },
            "customer": given.get("customer"),
            "customer_email": given.get("customer_email"),
            "payment_intent": None,
            "success_url": given["success_url"],
            "url": f"https://checkout.test/{session_id}",
            "created": int(time()),
        }
        return self._told(self.sessions[session_id])

    async def _find_session(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        return self._told(self.sessions.get(request.path_params["id"]), expand=True)

    async def _list_sessions(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        intent = request.query_params.get("payment_intent")
        since = int(request.query_params.get("created[gte]", "0"))
        found = [
            self._expanded(each)
            for each in self.sessions.values()
            if intent in {None, each["payment_intent"]} and int(str(each["created"])) >= since
        ]
        return self._page(request, found)

    async def _find_intent(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        return self._told(self.intents.get(request.path_params["id"]))

    async def _list_refunds(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        return self._page(request, list(self._of(request, self.refunds)))

    async def _list_disputes(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        return self._page(request, list(self._of(request, self.disputes)))

    async def _open_portal(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        given = dict(parse_qsl((await request.body()).decode()))
        url = f"https://portal.test/{given['customer']}?back={given['return_url']}"
        return self._told({"id": "bps_1", "object": "billing_portal.session", "url": url})

    def _of(self, request: Request, objects: Mapping[str, Object]) -> Iterator[Object]:
        intent = request.query_params.get("payment_intent")
        return (each for each in objects.values() if intent in {None, each["payment_intent"]})

    def _page(self, request: Request, found: list[Object]) -> Response:
        """Two at a time, so that whoever asks has to turn pages."""
        after = request.query_params.get("starting_after")
        ids = [each["id"] for each in found]
        start = ids.index(after) + 1 if after else 0
        shown = found[start : start + 2]
        return self._told(
            {
                "object": "list",
                "url": request.url.path,
                "data": shown,
                "has_more": start + 2 < len(found),
            }
        )

    def _expanded(self, session: Object) -> Object:
        return session | {"payment_intent": self.intents.get(str(session["payment_intent"]))}

    def _told(self, found: Object | None, *, expand: bool = False) -> Response:
        if found is None:
            error = {"type": "invalid_request_error", "code": "resource_missing"}
            return JSONResponse({"error": error}, status_code=404)
        return JSONResponse(self._expanded(found) if expand else found)


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The header that Stripe sends along."""
    header = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(time() if at is None else at)
    )
    return {"stripe-signature": header}
