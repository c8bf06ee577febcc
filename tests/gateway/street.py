"""The door for OpenAI's clients, on a port of this machine, and people who come to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import httpx2

from adapters.models.loopback import serve
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import SimulatedProvider
from app.asgi import application
from tests.journeys.system import House, Person, open_house

MODEL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with an account of their own, and a token for it."""

    person: Person
    account_id: str

    @property
    def token(self) -> str:
        return self.person.token

    async def available(self) -> Decimal:
        return Decimal(str((await self.person.balance())["available"]))

    async def held(self) -> Decimal:
        return Decimal(str((await self.person.balance())["held"]))

    async def outcomes(self) -> list[tuple[str, str]]:
        """The outcome and charge of each attempt, oldest first."""
        told = await self.person.send("{ usage(first: 100) { nodes { outcome charged } } }")
        nodes = told["usage.nodes"]
        assert isinstance(nodes, list)
        found = [
            (told.text(f"usage.nodes.{n}.outcome"), told.text(f"usage.nodes.{n}.charged"))
            for n in range(len(nodes))
        ]
        return found[::-1]


@dataclass(frozen=True, slots=True)
class Street:
    """A running system, and where its /v1 is."""

    house: House
    base_url: str

    async def visitor(self) -> Visitor:
        person, account_id = await self.house.visitor()
        return Visitor(person, account_id)

    def http(self, visitor: Visitor) -> httpx2.AsyncClient:
        """A client without an SDK."""
        return httpx2.AsyncClient(
            base_url=self.base_url,
            headers={"authorization": f"Bearer {visitor.token}"},
            timeout=30,
            limits=httpx2.Limits(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The settings that some tests need otherwise than most."""

    asks_per_minute: int = 100_000
    ai_timeout_seconds: float = 30
    gateway_body_mib: int = 20
    free_cancels_per_minute: int = 100


@asynccontextmanager
async def open_street(
    database_url: str,
    secret: str,
    *,
    provider: SimulatedProvider | None = None,
    routed: RoutedProvider | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Street]:
    """A system on a migrated database, with its door on a port."""
    limits = limits or Limits()
    async with (
        open_house(
            database_url,
            secret,
            provider=provider,
            routed=routed,
            asks_per_minute=limits.asks_per_minute,
            ai_timeout_seconds=limits.ai_timeout_seconds,
            gateway_body_mib=limits.gateway_body_mib,
            free_cancels_per_minute=limits.free_cancels_per_minute,
        ) as house,
        serve(application(house.system)) as base_url,
    ):
        yield Street(house, base_url)
