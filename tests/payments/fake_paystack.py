"""A Paystack on this machine: its API, with the oddities of its answers, and its messages."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

SECRET = "sk_test_of_the_tests"
PAID_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
Object = dict[str, object]
METADATA = ({"tallystick_payment": "x"}, "", 0, '{"a": 1}')
"""All that metadata has been seen to be."""


@dataclass(slots=True)
class FakePaystack:
    """Transactions by reference, and what went back of them."""

    domain: str = "test"
    transactions: dict[str, Object] = field(default_factory=dict)
    refunds: list[Object] = field(default_factory=list)
    disputes: list[Object] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    given: list[Object] = field(default_factory=list)
    fails: int = 0
    """How many requests are answered 503 from now on."""
    _numbers: "count[int]" = field(default_factory=lambda: count(2_009_945_086))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = Starlette(
            routes=[
                Route("/transaction/initialize", self._initialize, methods=["POST"]),
                Route("/transaction/verify/{reference}", self._verify),
                Route("/transaction/{number:int}", self._find),
                Route("/transaction", self._list_transactions),
                Route("/refund", self._list_refunds),
                Route("/dispute", self._list_disputes),
            ]
        )
        await app(scope, receive, send)

    # What happens there ------------------------------------------------------

    def pay(self, reference: str, *, amount: int | None = None, currency: str = "") -> Object:
        transaction = self.transactions[reference]
        transaction |= {
            "status": "success",
            "gateway_response": "Successful",
            "channel": "mobile_money",
            "paid_at": PAID_AT.isoformat().replace("+00:00", ".000Z"),
            "fees": None,
        }
        if amount is not None:
            transaction["amount"] = amount
        if currency:
            transaction["currency"] = currency
        return transaction

    def stand(self, reference: str, status: str) -> Object:
        """Let it have another status: failed, abandoned, ongoing, reversed."""
        self.transactions[reference]["status"] = status
        return self.transactions[reference]

    def refund(
        self, reference: str, amount: int, status: str = "pending", dispute: object = None
    ) -> Object:
        transaction = self.transactions[reference]
        refund: Object = {
            "id": next(self._numbers),
            "transaction": transaction["id"],
            "dispute": dispute,
            "amount": amount,
            "currency": transaction["currency"],
            "domain": self.domain,
            "status": status,
            "reference": reference,
        }
        self.refunds.append(refund)
        return refund

    def dispute(self, reference: str, amount: int | None) -> Object:
        transaction = self.transactions[reference]
        dispute: Object = {
            "id": next(self._numbers),
            "refund_amount": amount,
            "currency": transaction["currency"],
            "status": "awaiting-merchant-feedback",
            "resolution": None,
            "domain": self.domain,
            "transaction": transaction,
            "transaction_reference": None,
        }
        self.disputes.append(dispute)
        return dispute

    def resolve(self, dispute: Object, resolution: str) -> Object:
        dispute |= {"status": "resolved", "resolution": resolution}
        return dispute

    def message(self, kind: str, about: Mapping[str, object], **changed: object) -> bytes:
        """A message's bytes, as they are sent."""
        return json.dumps({"event": kind, "data": {**about, **changed}}).encode()

    def refund_message(self, refund: Object) -> bytes:
        """As the samples have it: amounts are text until the refund fails, and there is no id."""
        status = str(refund["status"])
        amount = refund["amount"]
        return self.message(
            f"refund.{status}",
            {
                "status": status,
                "transaction_reference": refund["reference"],
                "refund_reference": "132013318360" if status == "processed" else None,
                "amount": amount if status in {"failed", "needs-attention"} else str(amount),
                "currency": refund["currency"],
                "processor": "instant-transfer",
                "customer": {"first_name": "Drew", "last_name": "Berry", "email": "demo@email.com"},
                "integration": 412_829,
                "domain": self.domain,
            },
        )

    # What its API says -------------------------------------------------------

    def _note(self, request: Request) -> Response | None:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.fails > 0:
            self.fails -= 1
            return Response("upstream is away", status_code=503)
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return _refused("Invalid key", 401)
        return None

    async def _initialize(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        given = await request.json()
        self.given.append(given)
        reference = given["reference"]
        if reference in self.transactions:
            return _refused("Duplicate Transaction Reference", 400, code="duplicate_reference")
        number = next(self._numbers)
        self.transactions[reference] = {
            "id": number,
            "domain": self.domain,
            "status": "abandoned",
            "reference": reference,
            "amount": given["amount"],
            "currency": given["currency"],
            "channel": "card",
            "paid_at": None,
            "metadata": METADATA[number % len(METADATA)],
            "fees": None,
            "customer": {"id": 1, "email": given["email"], "customer_code": "CUS_1"},
        }
        data = {
            "authorization_url": f"https://checkout.test/{reference}",
            "access_code": "0peioxfhpn",
            "reference": reference,
        }
        return _told(data)

    async def _verify(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        found = self.transactions.get(request.path_params["reference"])
        if found is None:
            return _refused("Transaction reference not found", 400, code="transaction_not_found")
        return _told(found)

    async def _find(self, request: Request) -> Response:
        if (failure := self._note(request)) is not None:
            return failure
        number = request.path_params["number"]
        return _told(next(each for each in self.transactions.values() if each["id"] == number))

    async def _list_transactions(self, request: Request) -> Response:
        return self._note(request) or self._page(request, list(self.transactions.values()))

    async def _list_refunds(self, request: Request) -> Response:
        number = request.query_params.get("transaction")
        found = [e for e in self.refunds if number in {None, str(e["transaction"])}]
        return self._note(request) or self._page(request, found)

    async def _list_disputes(self, request: Request) -> Response:
        number = request.query_params.get("transaction")
        found = [e for e in self.disputes if number in {None, _number(e["transaction"])}]
        if number is not None and not found:
            return self._note(request) or _refused("No disputes found", 404)
        return self._note(request) or self._page(request, found)

    def _page(self, request: Request, found: list[Object]) -> Response:
        size, page = (int(request.query_params[name]) for name in ("perPage", "page"))
        return _told(found[size * (page - 1) : size * page])


def signed(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """The header that Paystack sends along."""
    return {"x-paystack-signature": hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()}


def _number(transaction: object) -> str:
    return str(transaction["id"]) if isinstance(transaction, Mapping) else ""


def _told(data: object) -> Response:
    return JSONResponse({"status": True, "message": "done", "data": data})


def _refused(message: str, status: int, code: str = "") -> Response:
    return JSONResponse({"status": False, "message": message, "code": code}, status_code=status)
