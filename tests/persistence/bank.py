"""The whole of persistence on one database, and customers to try it with."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from uuid import UUID, uuid4

import asyncpg
from asyncpg.pgproto import pgproto

from app.clock import SystemClock
from domain.answers import (
    AnswerBeginning,
    AnswerEnd,
    AnswerStatus,
    AttemptEnd,
    FinishReason,
    UsageOutcome,
)
from domain.errors import ProblemCode, ProviderFailure
from domain.identity import Role
from domain.ledger import HoldEnded, HoldTaken, Once
from domain.money import MicroUSD
from domain.pricing import ModelListing, ProviderRates, Rates
from domain.reporting import Reader
from domain.units import (
    OWN_CREDITS,
    AccountId,
    KeyNumber,
    Microcredits,
    ModelId,
    PriceId,
    PurseId,
)
from persistence.accounts import PostgresAccounts
from persistence.books import PostgresBooks
from persistence.engine import Engines
from persistence.folding import PostgresFolding
from persistence.keys import PostgresKeyRing, PostgresKeysInForce
from persistence.ledger import PostgresLedger
from persistence.office import PostgresOffice
from persistence.operating import load_models, set_role
from persistence.payments import PostgresPayments
from persistence.pools import pool_of
from persistence.postings import PostgresPostings
from persistence.roles import Login, url_of
from persistence.sessions import PostgresSessions

RATES = Rates(
    input_per_1k=Microcredits(300_000),
    cached_input_per_1k=Microcredits(100_000),
    output_per_1k=Microcredits(1_200_000),
    per_request=Microcredits(0),
    provider=ProviderRates(
        input_per_1m=MicroUSD(150_000),
        cached_input_per_1m=MicroUSD(75_000),
        output_per_1m=MicroUSD(600_000),
    ),
)

MODEL = ModelListing(
    id=ModelId("small"),
    name="Small",
    vendor="Tallystick",
    upstream_name="small-1",
    context_window=8_192,
    answer_tokens_max=1_000,
    is_default=True,
    rates=RATES,
)


ANSWERED = AnswerEnd(
    status=AnswerStatus.SUCCEEDED,
    text="an answer",
    finish_reason=FinishReason.STOP,
    failure=None,
    attempts=(
        AttemptEnd(
            attempt=1,
            outcome=UsageOutcome.SUCCEEDED,
            input_tokens=30,
            cached_input_tokens=10,
            output_tokens=20,
            latency_ms=700,
            first_token_ms=90,
            provider_cost=17,
        ),
    ),
)
"""An answer of one attempt."""

GIVEN_UP = AnswerEnd(
    status=AnswerStatus.FAILED,
    text=None,
    finish_reason=None,
    failure=ProviderFailure.ERROR,
    attempts=(
        AttemptEnd(
            attempt=1, outcome=UsageOutcome.FAILED, problem_code=ProblemCode.PROVIDER_FAILED
        ),
    ),
)
"""No answer, after one attempt."""

SUSPEND = """
UPDATE tallystick.accounts SET status = 'SUSPENDED', suspension_reason = 'a test' WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Customer:
    """An account with a session."""

    account_id: AccountId
    session_id: UUID
    email: str

    @property
    def purse(self) -> PurseId:
        return PurseId(self.account_id)

    @property
    def key_purse(self) -> PurseId:
        """The credits of the account's first API key."""
        return PurseId(self.account_id, KeyNumber(1))

    @property
    def reader(self) -> Reader:
        return Reader(self.session_id)

    @property
    def admin(self) -> Reader:
        return Reader(self.session_id, as_admin=True)


@dataclass(frozen=True, slots=True)
class Bank:
    """Every keeper of the books; `owner` reaches the tables past all of them."""

    url: str
    secret: str
    books: PostgresBooks
    office: PostgresOffice
    accounts: PostgresAccounts
    sessions: PostgresSessions
    key_ring: PostgresKeyRing
    keys: PostgresKeysInForce
    postings: PostgresPostings
    payments: PostgresPayments
    ledger: PostgresLedger
    folding: PostgresFolding
    auth: asyncpg.Pool
    owner: asyncpg.Pool
    _numbers: "count[int]" = field(default_factory=count)

    async def customer(self, credits_given: int = 0) -> Customer:
        """A new account with this many micro-credits."""
        email = f"customer{next(self._numbers)}@bank.test"
        opened = await self.accounts.open_account(
            email=email,
            display_name="A customer",
            is_confirmed=True,
            is_demo=False,
            sign_up_credits=Microcredits(credits_given),
        )
        return Customer(opened.account_id, await self.session(opened.account_id), email)

    async def administrator(self) -> Customer:
        customer = await self.customer()
        await set_role(self.url, customer.email, Role.ADMIN)
        return customer

    async def session(self, account_id: AccountId) -> UUID:
        return await self.accounts.start_session(
            account_id, lasts=timedelta(hours=1), refresh_token_hash=None
        )

    async def ask(
        self,
        purse: PurseId,
        held: int = 100,
        *,
        lasts_seconds: int = 60,
        key: KeyNumber = OWN_CREDITS,
        price: PriceId = PriceId(1),  # noqa: B008 - a number with a name
    ) -> HoldTaken:
        """An answer in progress."""
        return await self.ledger.hold(
            purse,
            Microcredits(held),
            Once.of("askAI", str(uuid4())),
            lasts_seconds=lasts_seconds,
            beginning=AnswerBeginning(
                model_id=MODEL.id,
                price_id=price,
                answer_tokens_max=1_000,
                api_key_number=key,
            ),
        )

    async def vacuum(self, tables: str) -> None:
        """Leave tables as maintenance leaves them, with all that it has read counted already."""
        async with self.owner.acquire() as owner:
            await owner.execute(f"VACUUM ANALYZE {tables}")
            await owner.execute("SELECT pg_stat_force_next_flush()")
            await owner.execute("SELECT")

    async def answer(
        self, purse: PurseId, held: int = 100, charged: int = 40, *, key: KeyNumber = OWN_CREDITS
    ) -> HoldEnded:
        """A finished answer, of one attempt."""
        taken = await self.ask(purse, held, key=key)
        return await self.ledger.capture(taken.hold_id, Microcredits(charged), ANSWERED)


@asynccontextmanager
async def open_bank(url: str, secret: str, *, tells: bool = False) -> AsyncIterator[Bank]:
    """A bank with one model in its price book; with `tells`, its ledger tells what ends."""
    async with AsyncExitStack() as stack:

        async def pool(login: Login) -> asyncpg.Pool:
            login_url = url_of(login, url, secret=secret)
            return await stack.enter_async_context(pool_of(login, login_url, connections_max=4))

        engines = Engines.connecting(url, secret=secret, connections_max=4)
        stack.push_async_callback(engines.dispose)
        await load_models(url, [MODEL])
        auth = await pool(Login.AUTH)
        ledger = PostgresLedger(
            url_of(Login.WORKER, url, secret=secret),
            runner=pgproto.UUID(uuid4().bytes),
            tells=tells,
        )
        paying = await pool(Login.PAYMENTS)
        yield Bank(
            url=url,
            secret=secret,
            books=PostgresBooks(engines),
            office=PostgresOffice(engines),
            accounts=PostgresAccounts(auth),
            sessions=PostgresSessions(auth),
            key_ring=PostgresKeyRing(engines),
            keys=PostgresKeysInForce(auth, SystemClock()),
            postings=PostgresPostings(paying),
            payments=PostgresPayments(paying, engines),
            folding=PostgresFolding(await pool(Login.WORKER), spared=0),
            auth=auth,
            ledger=await stack.enter_async_context(ledger),
            owner=await stack.enter_async_context(asyncpg.create_pool(url, min_size=0, max_size=4)),
        )
