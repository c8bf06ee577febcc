"""The part of the API that the page at /graphiql asks by itself, over accounts in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import strawberry
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp
from strawberry.types import Info

from app import graphiql
from app.graphql.schema import ServedSchema
from app.graphql.view import GraphQLView
from app.http import RequestIds, SafeHeaders
from domain.identity import Viewer as Caller
from tests.app.toy import ADA


@dataclass(slots=True)
class DemoContext:
    """Which demo account is asking."""

    viewer: Caller | None
    number: int | None
    demo: "Demo"

    @property
    def principal(self) -> str:
        return str(self.number)

    async def admit(self, *, points: int) -> None:
        """Everybody may."""


DemoInfo = Info[DemoContext, None]


@strawberry.type
class Account:
    """A demo account."""

    id: strawberry.ID
    email: str
    role: str = "USER"
    created_at: str = "2026-01-31T09:30:00Z"


@strawberry.type
class Viewer:
    """Who is asking."""

    account: Account
    scopes: list[str]


@strawberry.type
class Balance:
    """What can be spent."""

    available: str = "1000"
    held: str = "0"
    total: str = "1000"


@strawberry.type
class ServiceInfo:
    """What this deployment is."""

    demo_mode: bool


@strawberry.interface
class Problem:
    """What can go wrong."""

    message: str


@strawberry.type
class Unavailable(Problem):
    """Not here."""


@strawberry.type
class Session:
    """A token."""

    access_token: str


@strawberry.type
class SessionStarted:
    """Signed in."""

    session: Session
    account: Account


SessionResult = Annotated[SessionStarted | Unavailable, strawberry.union("SessionResult")]


def _account(number: int) -> Account:
    return Account(id=strawberry.ID(f"acct_{number}"), email=f"demo-{number}@demo.test")


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    def service(self, info: DemoInfo) -> ServiceInfo:
        return ServiceInfo(demo_mode=info.context.demo.is_open)

    @strawberry.field
    def viewer(self, info: DemoInfo) -> Viewer | None:
        number = info.context.number
        return None if number is None else Viewer(account=_account(number), scopes=["READ", "ASK"])

    @strawberry.field
    def balance(self, info: DemoInfo) -> Balance | None:
        return None if info.context.number is None else Balance()


@strawberry.type
class Mutation:
    """Changes."""

    @strawberry.mutation
    def start_demo_session(self, info: DemoInfo) -> SessionResult:
        demo = info.context.demo
        demo.started += 1
        return SessionStarted(
            session=Session(access_token=f"token-{demo.started}"), account=_account(demo.started)
        )


@dataclass(slots=True)
class Demo:
    """The page and the API it asks, with or without demo mode."""

    is_open: bool = True
    started: int = 0
    schema: ServedSchema = field(default_factory=lambda: ServedSchema(Query, Mutation))

    async def context(
        self, connection: HTTPConnection, authorization: Sequence[str]
    ) -> DemoContext:
        token = next(iter(authorization), "").removeprefix("Bearer token-")
        number = int(token) if token else None
        return DemoContext(ADA if number else None, number, self)

    def app(self) -> ASGIApp:
        view = GraphQLView(self.schema, self.context)
        routes = [Route("/graphql", view), *graphiql.routes(str(self.schema))]
        return RequestIds(SafeHeaders(Starlette(routes=routes)))
