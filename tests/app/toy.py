"""A schema with one field of each kind, and the view that serves any schema in tests.

It has nothing to do with credits: what stands between a socket and the schema must hold for
whatever the schema is.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import ClassVar
from uuid import UUID

import strawberry
from graphql import GraphQLError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp
from strawberry.permission import BasePermission
from strawberry.types import Info

from app.graphql.limits import Limits
from app.graphql.schema import ServedSchema
from app.graphql.view import GraphQLView
from app.http import RequestIds, SafeHeaders
from domain.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from domain.identity import Role, Scope, Viewer
from domain.units import AccountId, KeyNumber

SECRET = "the launch code is 0000"


ADA = Viewer(account_id=AccountId(1), session_id=UUID(int=1), role=Role.USER)
PEOPLE = {
    "user": ADA,
    "admin": replace(ADA, role=Role.ADMIN),
    "reading-key": replace(ADA, scopes=frozenset({Scope.READ}), api_key_number=KeyNumber(1)),
    "admins-key": replace(ADA, role=Role.ADMIN, api_key_number=KeyNumber(2)),
}


@dataclass(slots=True)
class ToyContext:
    """What the toy's resolvers get."""

    viewer: Viewer | None
    done: list[str] = field(default_factory=list)
    points: int = 0
    allowance: int = 10_000

    @property
    def principal(self) -> str:
        return "nobody" if self.viewer is None else f"account {self.viewer.account_id}"

    async def admit(self, *, points: int) -> None:
        if points > self.allowance:
            raise RateLimited(retry_after_seconds=7)
        self.points = points


ToyInfo = Info[ToyContext, None]


class ToyRole(BasePermission):
    """The shape of the product's permission classes."""

    requires: ClassVar[object]
    scope: ClassVar[object] = None

    def has_permission(self, source: object, info: ToyInfo, **_: object) -> bool:
        viewer = info.context.viewer
        return viewer is not None and (self.requires == "USER" or viewer.is_admin)

    def on_unauthorized(self) -> None:
        raise Forbidden if self.requires == "ADMIN" else Unauthenticated


class IsUser(ToyRole):
    """Signed in, or a key that may read."""

    requires = "USER"
    scope = "READ"


class IsAdmin(ToyRole):
    """Signed in as an administrator."""

    requires = "ADMIN"


@strawberry.type
class Leaf:
    """An end."""

    name: str
    secret: str = strawberry.field(default="shown to administrators", permission_classes=[IsAdmin])


@strawberry.enum
class Mood(Enum):
    """How it goes."""

    CALM = "calm"
    GLAD = "glad"


@strawberry.type
class Piece:
    """A part of something; the last one has a leaf."""

    offset: int
    text: str
    mood: Mood
    leaf: Leaf | None
    note: str | None = None

    @strawberry.field
    def shouted(self) -> str:
        return self.text.upper()


@strawberry.type
class Page:
    """Several at once."""

    nodes: list["Branch"]
    count: int = 0


@strawberry.type
class Branch:
    """Something to go deep into."""

    leaf: Leaf
    name: str = "a branch"

    @strawberry.field
    def branch(self) -> "Branch":
        return Branch(leaf=self.leaf)

    @strawberry.field
    def pages(self, first: int = 20) -> Page:
        return Page(nodes=[self] * first)


@strawberry.input
class Wish:
    """What somebody wants."""

    text: str
    many: list[int] = strawberry.field(default_factory=list)


def _branch() -> Branch:
    return Branch(leaf=Leaf(name="a leaf"))


def _mine() -> str | None:
    return "mine"


def _theirs() -> str | None:
    return "theirs"


def _sign_in() -> str | None:
    return "signed in"


def _rule(info: ToyInfo) -> str | None:
    info.context.done.append("rule")
    return "ruled"


async def _for_ever() -> AsyncIterator[int]:
    while True:
        yield 1
        await asyncio.sleep(0.01)


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def branch(self) -> Branch:
        return _branch()

    @strawberry.field
    def pages(self, first: int = 20) -> Page:
        return Page(nodes=[_branch()] * min(first, 3))

    @strawberry.field
    def points(self, info: ToyInfo) -> int:
        return info.context.points

    mine: str | None = strawberry.field(resolver=_mine, permission_classes=[IsUser])
    theirs: str | None = strawberry.field(resolver=_theirs, permission_classes=[IsAdmin])

    @strawberry.field
    def crash(self) -> str | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    def leak(self) -> str | None:
        raise GraphQLError(SECRET)

    @strawberry.field
    def invalid(self) -> str | None:
        raise InvalidInput.at("first", "must be 1 to 100")

    @strawberry.field
    def wish(self, wish: Wish) -> str:
        return wish.text


@strawberry.type
class Mutation:
    """Changes."""

    @strawberry.mutation
    def change(self, info: ToyInfo, note: str = "") -> str | None:
        info.context.done.append(note)
        return note

    @strawberry.mutation
    async def change_slowly(self, info: ToyInfo) -> str | None:
        info.context.done.append("begun")
        await asyncio.sleep(0.3)
        info.context.done.append("done")
        return "changed"

    sign_in: str | None = strawberry.mutation(resolver=_sign_in)
    rule: str | None = strawberry.mutation(resolver=_rule, permission_classes=[IsAdmin])


@strawberry.type
class Subscription:
    """Streams."""

    @strawberry.subscription
    async def ticks(self, count: int = 1) -> AsyncIterator[int]:
        for number in range(1, count + 1):
            yield number

    @strawberry.subscription
    async def forever(self, info: ToyInfo) -> AsyncIterator[int]:
        for number in itertools.count():
            yield number
            await asyncio.sleep(0.01)

    @strawberry.subscription
    async def quiet(self) -> AsyncIterator[int]:
        await asyncio.sleep(60)
        yield 1

    @strawberry.subscription
    async def flood(self, info: ToyInfo) -> AsyncIterator[str]:
        for number in itertools.count():
            info.context.done.append(str(number))
            yield "x" * 10_000

    @strawberry.subscription
    async def pieces(self, count: int = 3) -> AsyncIterator[Piece]:
        for number in range(1, count + 1):
            leaf = Leaf(name="the end") if number == count else None
            yield Piece(offset=number, text=f"piece {number}", mood=Mood.CALM, leaf=leaf)

    @strawberry.subscription
    async def crash_later(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError(SECRET)

    @strawberry.subscription
    async def leak_later(self) -> AsyncIterator[int]:
        yield 1
        raise GraphQLError(SECRET)

    @strawberry.subscription
    async def crash_at_once(self) -> AsyncIterator[int]:
        if SECRET:
            raise RuntimeError(SECRET)
        yield 1

    @strawberry.subscription
    async def missing(self) -> AsyncIterator[int]:
        if SECRET:
            raise NotFound("answer")
        yield 1

    my_ticks: AsyncIterator[int] = strawberry.subscription(
        resolver=_for_ever, permission_classes=[IsUser]
    )
    their_ticks: AsyncIterator[int] = strawberry.subscription(
        resolver=_for_ever, permission_classes=[IsAdmin]
    )


@dataclass(slots=True)
class Toy:
    """A served schema with the people who may ask it."""

    schema: ServedSchema = field(
        default_factory=lambda: ServedSchema(Query, Mutation, Subscription)
    )
    serves_get: bool = True
    body_seconds_max: float = 5.0
    allowance: int = 10_000
    people: dict[str, Viewer] = field(default_factory=lambda: dict(PEOPLE))
    done: list[str] = field(default_factory=list)
    """What the mutations did."""
    init_seconds_max: float = 20.0
    look_seconds: float = 60.0
    view: "GraphQLView[ToyContext]" = field(init=False)

    def opens_introspection(self) -> None:
        self.schema.limits = Limits(is_introspection_open=True)

    async def context(self, connection: HTTPConnection, authorization: Sequence[str]) -> ToyContext:
        name = next(iter(authorization), "").removeprefix("Bearer ")
        if name == "broken":
            raise RuntimeError(SECRET)
        if name == "busy":
            raise RateLimited(retry_after_seconds=3)
        if name == "early":
            raise Unavailable("Starting. Try again shortly.")
        if name and name not in self.people:
            raise Unauthenticated
        return ToyContext(self.people.get(name), self.done, allowance=self.allowance)

    def app(self) -> ASGIApp:
        self.view = GraphQLView(
            self.schema,
            self.context,
            serves_get=self.serves_get,
            body_seconds_max=self.body_seconds_max,
            init_seconds_max=self.init_seconds_max,
        )
        self.view.door.streams.look_seconds = self.look_seconds
        return RequestIds(SafeHeaders(self.view))
