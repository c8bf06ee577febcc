"""Several processes of the command line on one database, and a provider on a port for all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import httpx2

from adapters.models.loopback import serve
from adapters.models.simulated import SimulatedProvider
from app.authentication import OwnTokens
from app.clock import SystemClock
from domain.units import AccountId
from persistence import operating, verifying
from persistence.accounts import PostgresAccounts
from schema.ids import account_name
from tests.app.asking import ASK, Json, Reply
from tests.app.shell import Running, running
from tests.journeys.desk import LISTING

EMAIL = "somebody@example.test"
GIVEN = 1_000_000_000
CANCEL = """mutation ($id: ID!) { cancelAnswer(input: {answerId: $id}) { __typename
    ... on CancelAnswerSuccess { answer { status charged } }
    ... on Problem { code message } } }"""
FOLLOW = """subscription ($id: ID!, $after: Int!) { answer(id: $id, after: $after) {
  offset text answer { status charged } } }"""
ANSWER = "query ($id: ID!) { answer(id: $id) { status charged } }"


@dataclass(slots=True)
class Fleet:
    """The processes of one deployment, one account, and a look into the database."""

    settings: dict[str, str]
    stack: ExitStack
    database: asyncpg.Pool
    provider: SimulatedProvider
    token: str
    account_id: AccountId

    async def start(self, *words: str, told: str, **settings: str) -> Running:
        """Start a process and wait until it says that it is ready."""
        process = self.stack.enter_context(running(*words, **{**self.settings, **settings}))
        await asyncio.to_thread(process.wait_for, told)
        return process

    async def server(self, **settings: str) -> Running:
        return await self.start("serve", told='"event":"serving"', **settings)

    async def worker(self, **settings: str) -> Running:
        return await self.start("worker", told='"event":"working"', **settings)

    async def send(self, server: Running, query: str, **variables: object) -> Reply:
        async with httpx2.AsyncClient(timeout=60) as http:
            response = await http.post(
                f"{server.url}/graphql",
                json={"query": query, "variables": variables},
                headers={"authorization": f"Bearer {self.token}"},
            )
        return Reply(response.status_code, response.json())

    async def ask(self, server: Running, content: str, key: str, wait: int = 60) -> Reply:
        return await self.send(server, ASK, content=content, key=key, wait=wait)

    async def cancel(self, server: Running, answer_id: Json) -> Reply:
        return await self.send(server, CANCEL, id=answer_id)

    async def holds(self) -> Sequence[str]:
        rows = await self.database.fetch("SELECT status FROM tallystick.holds ORDER BY moment")
        return [row["status"] for row in rows]

    async def until_ended(self) -> None:
        """Wait until no hold is open."""
        while "OPEN" in await self.holds():  # noqa: ASYNC110 - other processes end them
            await asyncio.sleep(0.05)

    async def total(self) -> int:
        total: int = await self.database.fetchval(
            "SELECT total FROM tallystick.balances WHERE account_id = $1", self.account_id
        )
        return total

    async def outcomes(self) -> list[tuple[str, int]]:
        rows = await self.database.fetch("SELECT outcome, charged FROM tallystick.usage_records")
        return [(row["outcome"], row["charged"]) for row in rows]

    async def differences(self) -> Sequence[str]:
        """What `tallystick verify` would name."""
        report = await verifying.verify(self.settings["DATABASE_URL"])
        return [] if report.is_clean else report.lines()

    async def called(self, times: int) -> None:
        """Wait until the provider was asked so often."""
        while self.provider.calls_received < times:  # noqa: ASYNC110 - it only counts
            await asyncio.sleep(0.01)


def address_of(server: Running) -> tuple[str, int]:
    host, _, port = urlsplit(server.url).netloc.partition(":")
    return host, int(port)


@asynccontextmanager
async def open_fleet(
    database_url: str, secret: str, *, provider: SimulatedProvider | None = None, **settings: str
) -> AsyncIterator[Fleet]:
    """A deployment without processes yet; all that were started are killed in the end."""
    simulated = provider or SimulatedProvider()
    await operating.load_models(database_url, [LISTING])
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=2) as database,
        serve(simulated) as base_url,
    ):
        account = await database.fetchrow(
            "SELECT * FROM tallystick.open_account($1, true, NULL, false, $2)", EMAIL, GIVEN
        )
        assert account is not None
        given = {
            "DATABASE_URL": database_url,
            "TALLYSTICK_SECRET": secret,
            "AI_BASE_URL": base_url,
            "AI_API_KEY": "none",
            "DEMO_MODE": "false",
            "PORT": "0",
            "LEASE_SECONDS": "3",
            "ASKS_PER_MINUTE": "100000",
            **settings,
        }
        account_id = AccountId(account["account_id"])
        with ExitStack() as stack:
            yield Fleet(
                settings=given,
                stack=stack,
                database=database,
                provider=simulated,
                token=await _token(database, account_id, secret),
                account_id=account_id,
            )


async def _token(database: asyncpg.Pool, account_id: AccountId, secret: str) -> str:
    lasts = timedelta(minutes=15)
    session_id = await PostgresAccounts(database).start_session(
        account_id, lasts=lasts, refresh_token_hash=None
    )
    tokens = OwnTokens(secret, clock=SystemClock(), name_of=account_name)
    return tokens.issue(account_id, session_id, lasts=lasts).text
