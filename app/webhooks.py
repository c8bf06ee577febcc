"""Where payment providers send their messages: believed by their signature, dealt with to the end.

A message that has been dealt with is answered 200, one that could not be is answered 503, so that
its sender tries again, and one that is not authentic 400. None of the answers says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import Refused
from app.http import read_body
from app.logging import kind_and_places
from domain.charging import Heard, NotAuthentic, ProcessorFailed
from domain.errors import Problem
from domain.offering import PaymentProvider
from domain.paying import Paying

BODY_BYTES_MAX: Final = 512 * 1_024
BODY_SECONDS_MAX: Final = 10.0

_log = structlog.get_logger("webhooks")


class NotesRejections(Protocol):
    """Counts messages that were not authentic."""

    def webhook_rejected(self, provider: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Hears the providers of this deployment."""

    paying: Paying
    watch: NotesRejections

    def routes(self) -> Sequence[BaseRoute]:
        return (
            Route("/webhooks/stripe", self.stripe, methods=["POST"]),
            Route("/webhooks/paystack", self.paystack, methods=["POST"]),
        )

    async def stripe(self, request: Request) -> Response:
        return await self._hear(PaymentProvider.STRIPE, request)

    async def paystack(self, request: Request) -> Response:
        return await self._hear(PaymentProvider.PAYSTACK, request)

    async def _hear(self, provider: PaymentProvider, request: Request) -> Response:
        try:
            body = await read_body(
                request.scope,
                request.receive,
                bytes_max=BODY_BYTES_MAX,
                seconds_max=BODY_SECONDS_MAX,
            )
            heard = self.paying.hear(provider, body, request.headers)
        except Refused as refused:
            return _told(refused.status)
        except NotAuthentic as error:
            _log.warning("webhook rejected", provider=provider, reason=str(error))
            if provider in self.paying.processors:
                self.watch.webhook_rejected(provider)
            return _told(HTTPStatus.BAD_REQUEST)
        return _told(HTTPStatus.OK if heard is None else await self._deal_with(heard))

    async def _deal_with(self, heard: Heard) -> HTTPStatus:
        try:
            await self.paying.deal_with(heard)
        except (ProcessorFailed, Problem) as error:
            _log.warning(
                "webhook postponed",
                provider=heard.provider,
                type=heard.kind,
                message_id=heard.key,
                reason=str(error),
                **kind_and_places(error),
            )
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK


def _told(status: HTTPStatus) -> Response:
    return PlainTextResponse(status.phrase, status_code=status)
