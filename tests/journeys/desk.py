"""Everything a question needs, for real: the ledger, a PostgreSQL, and a provider on a port."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
from asyncpg.pgproto import pgproto

from adapters.models.loopback import serve
from adapters.models.routes import Route
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import SimulatedProvider
from domain.asking import Asking
from domain.canceling import Canceling
from domain.errors import RateLimited
from domain.identity import Role, Viewer
from domain.keys import ApiKey
from domain.leasing import Lease
from domain.ledger import Balance
from domain.pricing import Model, ModelListing, Price, Rates
from domain.questions import Message, MessageRole, Question
from domain.queueing import Queueing
from domain.reporting import Reader
from domain.running import Running
from domain.sweeping import Sweeping
from domain.units import AccountId, ApiKeyId, Microcredits, ModelId, Moment, PriceId, PurseId
from persistence import operating, verifying
from persistence.answers import PostgresAnswers
from persistence.ledger import PostgresLedger
from persistence.roles import Login, url_of
from persistence.runners import PostgresRunners

MODEL = Model(
    id=ModelId("simulated"),
    name="Simulated",
    vendor="Tallystick",
    upstream_name="simulated",
    context_window=8_192,
    answer_tokens_max=1_000,
    is_default=True,
    price=Price(
        id=PriceId(1),
        input_per_1k=Microcredits(300_000),
        cached_input_per_1k=Microcredits(100_000),
        output_per_1k=Microcredits(1_200_000),
        per_request=Microcredits(0),
        effective_from=datetime(2026, 1, 1, tzinfo=UTC),
    ),
)


LISTING = ModelListing(
    id=MODEL.id,
    name=MODEL.name,
    vendor=MODEL.vendor,
    upstream_name=MODEL.upstream_name,
    context_window=MODEL.context_window,
    answer_tokens_max=MODEL.answer_tokens_max,
    is_default=True,
    rates=Rates(
        input_per_1k=MODEL.price.input_per_1k,
        cached_input_per_1k=MODEL.price.cached_input_per_1k,
        output_per_1k=MODEL.price.output_per_1k,
        per_request=MODEL.price.per_request,
    ),
)


class OneModel:
    """A price book of one page."""

    async def find(self, model_id: ModelId | None) -> Model | None:
        return MODEL if model_id in {None, MODEL.id} else None


class NoLimit:
    """Lets everybody ask as often as they like, after a moment's thought."""

    async def admit(self, viewer: Viewer) -> None:
        await asyncio.sleep(0)


@dataclass(slots=True)
class SoMany:
    """Lets so many through, and nobody after them."""

    left: int

    async def admit(self, viewer: Viewer) -> None:
        if self.left == 0:
            raise RateLimited(60)
        self.left -= 1


@dataclass(frozen=True, slots=True)
class OwnerBalances:
    """Balances as the owner of the books reads them."""

    database: asyncpg.Pool

    async def balances(self, reader: Reader, purses: Sequence[PurseId]) -> dict[PurseId, Balance]:
        return {purse: await self.balance(purse) for purse in purses}

    async def api_keys(self, reader: Reader, ids: Sequence[ApiKeyId]) -> dict[ApiKeyId, ApiKey]:
        return {}

    async def balance(self, purse: PurseId) -> Balance:
        row = await self.database.fetchrow(
            "SELECT * FROM tallystick.balances WHERE account_id = $1 AND key_number = $2",
            purse.account_id,
            purse.key_number,
        )
        assert row is not None
        return Balance(
            purse,
            Microcredits(row["total"]),
            Microcredits(row["held"]),
            Microcredits(row["owed"]),
            Moment(row["moment"]),
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """An asking service, and a look into its books."""

    asking: Asking
    canceling: Canceling
    sweeping: Sweeping
    database: asyncpg.Pool
    provider: SimulatedProvider
    runners: PostgresRunners
    url: str

    @property
    def running(self) -> Running:
        return self.asking.running

    @property
    def queueing(self) -> Queueing:
        return self.asking.queueing

    @property
    def lease(self) -> Lease:
        return self.queueing.lease

    async def differences(self) -> Sequence[str]:
        """What `tallystick verify` would name."""
        report = await verifying.verify(self.url)
        return [] if report.is_clean else report.lines()

    async def viewer(self, credits_given: int) -> Viewer:
        """A new account with this many micro-credits."""
        row = await self.database.fetchrow(
            "SELECT * FROM tallystick.open_account(NULL, false, NULL, false, $1)", credits_given
        )
        assert row is not None
        account_id = AccountId(row["account_id"])
        return Viewer(account_id=account_id, session_id=uuid4(), role=Role.USER)

    async def balance(self, viewer: Viewer) -> Balance:
        return await OwnerBalances(self.database).balance(viewer.purse)

    async def outcomes(self, viewer: Viewer) -> list[tuple[str, int]]:
        """Each usage record's outcome and charge, oldest first."""
        rows = await self.database.fetch(
            "SELECT outcome, charged FROM tallystick.usage_records WHERE account_id = $1"
            " ORDER BY moment",
            viewer.account_id,
        )
        return [(row["outcome"], row["charged"]) for row in rows]

    async def holds(self, viewer: Viewer) -> list[str]:
        """How each hold stands, oldest first."""
        rows = await self.database.fetch(
            "SELECT status FROM tallystick.holds WHERE account_id = $1 ORDER BY moment",
            viewer.account_id,
        )
        return [row["status"] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a desk puts up with."""

    deadline_seconds: float = 20.0
    idle_seconds: float = 20.0
    runs_max: int = 1_000
    waiting_max: int = 1_000
    lease_seconds: int = 15
    free_cancels_max: int = 1_000


@asynccontextmanager
async def open_desk(
    database_url: str,
    secret: str,
    *,
    provider: SimulatedProvider | None = None,
    limits: Limits = Limits(),
) -> AsyncIterator[Desk]:
    """A desk that is open for questions; whatever is in progress ends with it."""
    simulated = provider or SimulatedProvider()
    runner = uuid4()
    await operating.load_models(database_url, [LISTING])
    worker_url = url_of(Login.WORKER, database_url, secret=secret)
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=2) as database,
        asyncpg.create_pool(worker_url, min_size=1, max_size=2) as worker,
        serve(simulated) as base_url,
        PostgresLedger(worker_url, runner=pgproto.UUID(runner.bytes)) as ledger,
    ):
        routed = RoutedProvider.over_network(
            [Route(name="simulated", base_url=base_url, api_key="of no use")]
        )
        stored, balances = PostgresAnswers(worker), OwnerBalances(database)
        runners = PostgresRunners(worker, runner)
        running = Running(
            ledger=ledger,
            provider=routed,
            deadline_seconds=limits.deadline_seconds,
            idle_seconds=limits.idle_seconds,
            runs_max=limits.runs_max,
        )
        lease = Lease(leases=runners, running=running, seconds=limits.lease_seconds)
        queueing = Queueing(
            queue=runners, running=running, lease=lease, waiting_max=limits.waiting_max
        )
        await lease.renew()
        asking = Asking(
            ledger=ledger,
            prices=OneModel(),
            running=running,
            queueing=queueing,
            stored=stored,
            balances=balances,
            admission=NoLimit(),
            runner=runner,
        )
        canceling = Canceling(
            ledger=ledger,
            running=running,
            queue=runners,
            requests=runners,
            stored=stored,
            balances=balances,
            free_cancels=SoMany(limits.free_cancels_max),
        )
        sweeping = Sweeping(ledger=ledger, overdue=stored, lost=lease)
        yield Desk(asking, canceling, sweeping, database, simulated, runners, database_url)
        await running.stop(within_seconds=0)
        await routed.aclose()


def question(content: str, answer_tokens_max: int | None = 100) -> Question:
    return Question(
        messages=(Message(MessageRole.USER, content),), answer_tokens_max=answer_tokens_max
    )
