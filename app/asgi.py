"""The whole of HTTP: GraphQL, GraphiQL, /v1 and health, behind what every request passes."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app import graphiql, outbox
from app.gateway.door import PREFIX, Gateway
from app.graphql.door import FindsCaller
from app.graphql.limits import Limits
from app.graphql.schema import ServedSchema
from app.graphql.view import GraphQLView
from app.http import RequestIds, SafeHeaders
from app.logging import REQUEST_ID
from app.origins import GuardedOrigins
from app.refresh_cookies import RefreshCookies, cookie_of
from app.wiring import System
from resolvers.context import Context, Services
from schema import root


def application(system: System) -> ASGIApp:
    """Everything this process answers over HTTP."""
    served: ASGIApp = Starlette(routes=routes_of(system))
    if system.has_refresh_cookie:
        served = RefreshCookies(served, system.origins)
    app = _Doors(served, system.gateway)
    guarded = GuardedOrigins(app, system.origins, with_cookies=system.has_refresh_cookie)
    return RequestIds(SafeHeaders(guarded), system.watched.requests)


def routes_of(system: System) -> list[BaseRoute]:
    """All that is routed; calls of OpenAI's clients go past the router."""
    schema = root.build(ServedSchema)
    schema.limits = Limits(is_introspection_open=system.is_introspection_open)
    view = GraphQLView(schema, _context_of(system.services), streams=system.watched.streams)
    routes: list[BaseRoute] = [
        Route("/", _welcome),
        Route("/graphql", view),
        WebSocketRoute("/graphql", view),
        *graphiql.routes(root.printed()),
        *system.health.routes(),
        *system.routes_of_payments,
    ]
    if system.outbox is not None:
        routes += outbox.routes(system.outbox)
    return routes


@dataclass(frozen=True, slots=True)
class _Doors:
    """Sends calls of OpenAI's clients to their door, and everything else to the routes."""

    routes: ASGIApp
    gateway: Gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_call = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self.gateway if is_call else self.routes)(scope, receive, send)


def _context_of(services: Services) -> FindsCaller[Context]:
    async def context(connection: HTTPConnection, authorization: Sequence[str]) -> Context:
        """Who asks, from where; raises for a credential that is not in force."""
        return Context(
            viewer=await services.callers.viewer(authorization),
            services=services,
            request_id=REQUEST_ID.get() or "",
            # Behind a trusted proxy uvicorn has put the forwarded address here.
            address=connection.client.host if connection.client else "",
            cookie=cookie_of(connection),
        )

    return context


async def _welcome(_: Request) -> Response:
    return RedirectResponse("/graphiql")
