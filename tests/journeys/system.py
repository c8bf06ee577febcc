"""The whole system in this process, as it is wired for production, and people who call it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx2

from adapters.models.routing import RoutedProvider
from adapters.models.simulated import SimulatedProvider
from adapters.price_book import read_price_book
from app.asgi import application
from app.demo import DEMO_ACCOUNTS, open_account
from app.deployment import Deployment
from app.settings import Settings
from app.wiring import System, wired
from domain.identity import Role
from domain.units import AccountId, Microcredits
from persistence import operating, verifying
from persistence.accounts import PostgresAccounts
from persistence.pools import pool_of
from persistence.roles import Login
from tests.app.asking import ASK, DEMO, Reply

PRICE_BOOK = Path(__file__).parents[2] / "models.toml"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who calls the API."""

    http: httpx2.AsyncClient
    token: str = ""

    async def send(self, query: str, **variables: object) -> Reply:
        headers = {"accept": "application/graphql-response+json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        response = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
        return Reply(response.status_code, response.json())

    async def ask(self, content: str, key: str, wait: int = 30) -> Reply:
        return await self.send(ASK, content=content, key=key, wait=wait)

    async def balance(self) -> dict[str, object]:
        found = (await self.send("{ balance { available held total owed } }"))["balance"]
        assert isinstance(found, dict)
        return dict(found)


@dataclass(frozen=True, slots=True)
class House:
    """A running system, its provider, and a look into its database."""

    system: System
    deployment: Deployment
    http: httpx2.AsyncClient
    provider: SimulatedProvider
    database: asyncpg.Pool

    @property
    def stranger(self) -> Person:
        return Person(self.http)

    async def visitor(self) -> tuple[Person, str]:
        """Somebody with a throw-away account, and its id."""
        started = await self.stranger.send(DEMO)
        token = started.text("startDemoSession.session.accessToken")
        return Person(self.http, token), started.text("startDemoSession.account.id")

    async def demo_person(self, role: Role) -> Person:
        """The demo user or the demo administrator, with a fresh session."""
        account = next(each for each in DEMO_ACCOUNTS if each.role is role)
        found = await self.database.fetchval(
            "SELECT tallystick.account_of_email($1)", account.email
        )
        return Person(self.http, await self._token(AccountId(found)))

    async def account(self, email: str) -> AccountId:
        """A new account with this address, confirmed."""
        opened = await PostgresAccounts(self.database).open_account(
            email=email,
            display_name=None,
            is_confirmed=True,
            is_demo=False,
            sign_up_credits=Microcredits(1_000_000_000),
        )
        return opened.account_id

    async def person(self, account_id: AccountId) -> Person:
        """Somebody with a fresh session of an account."""
        return Person(self.http, await self._token(account_id))

    async def _token(self, account_id: AccountId) -> str:
        lasts = timedelta(minutes=15)
        session_id = await PostgresAccounts(self.database).start_session(
            account_id, lasts=lasts, refresh_token_hash=None
        )
        return self.system.tokens.issue(account_id, session_id, lasts=lasts).text

    async def differences(self) -> Sequence[str]:
        """What `tallystick verify` would name."""
        report = await verifying.verify(self.deployment.url)
        return [] if report.is_clean else report.lines()


@asynccontextmanager
async def open_house(
    database_url: str,
    secret: str,
    *,
    provider: SimulatedProvider | None = None,
    routed: RoutedProvider | None = None,
    demo_mode: bool = True,
    address: str = "http://tallystick.test",
    **given: object,
) -> AsyncIterator[House]:
    """A system on a migrated database with the price book and the demo accounts."""
    simulated = provider or SimulatedProvider()
    settings = Settings.read(
        database_url=database_url, tallystick_secret=secret, demo_mode=demo_mode, **given
    )
    deployment = Deployment(url=database_url, settings=settings, makes_secret=False, cluster=None)
    await operating.load_models(database_url, read_price_book(PRICE_BOOK))
    async with pool_of(Login.AUTH, deployment.url_of(Login.AUTH), connections_max=1) as accounts:
        for account in DEMO_ACCOUNTS:
            await open_account(
                PostgresAccounts(accounts), account, sign_up_credits=settings.sign_up_credits
            )
            await operating.set_role(database_url, account.email, account.role)
    async with (
        asyncpg.create_pool(database_url, min_size=0, max_size=2) as database,
        wired(
            settings,
            deployment,
            routed or RoutedProvider.in_process(simulated),
            demo_mode=demo_mode,
            address=address,
        ) as system,
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(application(system)),
            base_url="http://tallystick.test",
            timeout=60,
        ) as http,
    ):
        yield House(system, deployment, http, simulated, database)
