"""The one place where the parts are joined into a system."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from asyncpg.pgproto import pgproto
from starlette.routing import BaseRoute

from adapters.mail.outbox import Outbox
from adapters.models.routing import RoutedProvider
from app.allowance import QuestionsPerAccount
from app.authentication import Callers, OwnTokens
from app.clock import SystemClock
from app.deployment import Deployment
from app.doors import Doors, opened_doors
from app.entrance import entrance_of
from app.gateway.door import Gateway
from app.health import Health
from app.key_authentication import KeyCallers
from app.key_limits import QuestionsPerKey
from app.live import Live, going_live
from app.metrics.watched import Pools, Watched
from app.mirroring import opened_mirror
from app.origins import Origins
from app.outside_callers import OutsideCallers
from app.oversight import opened_oversight
from app.price_list import AskableBooks
from app.runner import Runner
from app.settings import Settings
from app.shared_allowances import Counting
from app.telling import telling_goes_on, types_told
from app.tills import Tills, opened_tills
from app.upkeep import MonthsAhead, Upkeep
from domain.asking import Asking
from domain.canceling import Canceling
from domain.key_keeping import KeyKeeping
from domain.passing import Passing
from domain.price_book import FreshPrices
from domain.recharging import Recharging
from domain.running import Running
from domain.summarizing import Summarizing
from domain.sweeping import Sweeping
from domain.telling import tells_of_ends
from persistence import reaching
from persistence.allowing import PostgresBuckets
from persistence.answers import PostgresAnswers
from persistence.available import PostgresAvailable
from persistence.books_metrics import PostgresMeasures
from persistence.engine import Engines
from persistence.folding import PostgresFolding
from persistence.forgetting import PostgresTexts
from persistence.keys import PostgresKeyRing, PostgresKeysInForce
from persistence.ledger import PostgresLedger
from persistence.notify import Notices
from persistence.office import PostgresOffice
from persistence.pools import pool_of
from persistence.replies import PostgresReplies
from persistence.roles import Login
from persistence.runners import PostgresRunners
from persistence.sessions import PostgresSessions
from resolvers.context import Services
from schema.ids import account_name

KEYS_PER_MINUTE: Final = 20
"""API keys that an account may make."""

CLOCK: Final = SystemClock()
_AUTH_CONNECTIONS: Final = 3
_WORKER_CONNECTIONS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything one serving process is made of, open and ready."""

    services: Services
    tokens: OwnTokens
    running: Running
    runner: Runner
    notices: Notices
    health: Health
    is_introspection_open: bool
    origins: Origins
    """Whose pages may call."""
    has_refresh_cookie: bool
    outbox: Outbox | None
    """Mails to be read at a page of ours, if that is where they go."""
    routes_of_payments: Sequence[BaseRoute]
    """Where payment providers send their messages, and the sandbox's pages."""
    gateway: Gateway
    watched: Watched


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """The ways into the database, each with the login its work needs."""

    runner: UUID
    """What the holds of this process are marked with."""
    ledger: PostgresLedger
    engines: Engines
    reads: AskableBooks
    answers: PostgresAnswers
    runners: PostgresRunners
    notices: Notices
    texts: PostgresTexts
    sessions: PostgresSessions
    keys: PostgresKeysInForce
    buckets: PostgresBuckets
    replies: PostgresReplies
    available: PostgresAvailable
    folding: PostgresFolding
    pools: Pools

    @property
    def counting(self) -> Counting:
        return Counting(self.buckets, CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answering:
    """All that calls providers, and all that stops that."""

    asking: Asking
    canceling: Canceling
    passing: Passing


@asynccontextmanager
async def wired(
    settings: Settings,
    deployment: Deployment,
    provider: RoutedProvider,
    *,
    demo_mode: bool,
    address: str = "",
    decides: bool = True,
) -> AsyncIterator[System]:
    """Join the parts on a database that is ready, keep it in order meanwhile, and close them.

    Answers still in progress when it is left wait again, or end with their credits released.
    `address` is where this process serves. If it `decides` and has no endpoints, nothing is told
    from now on.
    """
    entrance = entrance_of(settings, demo_mode=demo_mode, clock=CLOCK)
    async with AsyncExitStack() as stack:
        books = await _opened(stack, settings, deployment, provider, decides=decides)
        stack.push_async_callback(provider.aclose)
        tokens = OwnTokens(deployment.secret, clock=CLOCK, name_of=account_name)
        oversight = await stack.enter_async_context(opened_oversight(settings, deployment))
        doors = await stack.enter_async_context(
            opened_doors(
                deployment,
                entrance,
                books.engines,
                tokens,
                books.counting,
                watch=oversight.tally,
                address=address,
            )
        )
        tills = await stack.enter_async_context(
            opened_tills(
                settings,
                deployment,
                books.engines,
                clock=CLOCK,
                watch=oversight.tally,
                address=address,
                demo_mode=demo_mode,
            )
        )
        runner = Runner.of(settings, books.ledger, books.runners, books.notices, provider)
        runner.listen()
        live = await stack.enter_async_context(
            going_live(deployment.url_of(Login.WORKER), runner, books.answers, books.engines)
        )
        await stack.enter_async_context(books.notices.going_on())
        await stack.enter_async_context(runner.going_on())
        mirror = await stack.enter_async_context(opened_mirror(settings, books.available, CLOCK))
        upkeep = Upkeep(
            sweeping=Sweeping(ledger=books.ledger, overdue=books.answers, lost=runner.lease),
            months=MonthsAhead(books.answers, CLOCK),
            texts=books.texts,
            key_uses=books.keys,
            texts_kept_for=timedelta(hours=settings.answer_text_hours),
            leftovers=doors.leftovers,
            folding=books.folding,
            payments=tills.paying,
            buckets=books.buckets,
            mirror=mirror,
            others=oversight.works(),
            clock=CLOCK,
        )
        await stack.enter_async_context(upkeep.going_on())
        watched = _watched(books, runner, provider, upkeep)
        await stack.enter_async_context(
            telling_goes_on(settings, deployment, CLOCK, watched.deliveries)
        )
        answering = _answering(settings, books, runner, provider)
        services = _services(settings, books, answering, live, tokens, doors, tills)
        yield System(
            services=services,
            tokens=tokens,
            running=runner.running,
            runner=runner,
            notices=books.notices,
            health=await stack.enter_async_context(_health(deployment)),
            is_introspection_open=demo_mode
            if settings.introspection is None
            else settings.introspection,
            origins=Origins.of(settings.allowed_origins),
            has_refresh_cookie=settings.refresh_cookie,
            outbox=entrance.outbox,
            routes_of_payments=tills.routes,
            gateway=Gateway(
                callers=services.callers,
                passing=answering.passing,
                models=partial(books.reads.models, enabled_only=True),
                points=services.points,
                body_bytes_max=settings.gateway_body_mib * 1024 * 1024,
            ),
            watched=watched,
        )


def _watched(books: _Books, runner: Runner, provider: RoutedProvider, upkeep: Upkeep) -> Watched:
    return Watched(
        running=runner.running,
        providers=provider,
        ledger=books.ledger,
        upkeep=upkeep.rounds,
        pools=books.pools,
    )


@asynccontextmanager
async def _health(deployment: Deployment) -> AsyncIterator[Health]:
    async def look() -> Mapping[str, str]:
        return await reaching.faults(
            deployment.url, secret=deployment.secret
        ) or await reaching.fault_of_clock(deployment.url, CLOCK)

    health = Health(look)
    try:
        yield health
    finally:
        await health.aclose()


async def _opened(
    stack: AsyncExitStack,
    settings: Settings,
    deployment: Deployment,
    provider: RoutedProvider,
    *,
    decides: bool,
) -> _Books:
    runner = uuid4()
    notices = Notices(deployment.url_of(Login.WORKER))
    engines = Engines.connecting(
        deployment.url, secret=deployment.secret, connections_max=settings.database_pool_size
    )
    stack.push_async_callback(engines.dispose)
    auth = await stack.enter_async_context(
        pool_of(Login.AUTH, deployment.url_of(Login.AUTH), connections_max=_AUTH_CONNECTIONS)
    )
    worker = await stack.enter_async_context(
        pool_of(Login.WORKER, deployment.url_of(Login.WORKER), connections_max=_WORKER_CONNECTIONS)
    )
    ledger = await stack.enter_async_context(
        PostgresLedger(
            deployment.url_of(Login.WORKER),
            runner=pgproto.UUID(runner.bytes),
            tells=tells_of_ends(await types_told(settings, worker, decides=decides)),
        )
    )
    return _Books(
        runner=runner,
        ledger=ledger,
        engines=engines,
        reads=AskableBooks(engines, provider.serves),
        answers=PostgresAnswers(worker),
        runners=PostgresRunners(worker, runner, notices),
        notices=notices,
        texts=PostgresTexts(worker),
        sessions=PostgresSessions(auth),
        keys=PostgresKeysInForce(auth, CLOCK),
        buckets=PostgresBuckets(auth, secret=deployment.secret),
        replies=PostgresReplies(worker),
        available=PostgresAvailable(worker),
        folding=PostgresFolding(worker),
        pools={"user": engines.user, "admin": engines.admin, "auth": auth, "worker": worker},
    )


def _services(
    settings: Settings,
    books: _Books,
    answering: _Answering,
    live: Live,
    tokens: OwnTokens,
    doors: Doors,
    tills: Tills,
) -> Services:
    return Services(
        offer=replace(doors.signing_in.offer, payment_providers=tuple(tills.paying.processors)),
        books=books.reads,
        summarizing=Summarizing(books.reads, CLOCK),
        measures=PostgresMeasures(books.engines),
        asking=answering.asking,
        canceling=answering.canceling,
        keys=KeyKeeping(
            ring=PostgresKeyRing(books.engines),
            making=books.counting.per_minute("keys made", KEYS_PER_MINUTE),
            clock=CLOCK,
        ),
        following=live.following,
        balance_changes=live.balance_changes,
        recharging=Recharging(office=PostgresOffice(books.engines), clock=CLOCK),
        paying=tills.paying,
        payment_changes=tills.changes,
        sessions=doors.signing_in,
        google=doors.google,
        refreshing=doors.refreshing,
        passwords=doors.passwords,
        suspending=doors.suspending,
        attending=live.attending,
        callers=Callers(
            tokens=tokens,
            sessions=books.sessions,
            keys=KeyCallers(books.keys),
            outside=OutsideCallers(
                tokens=doors.outside_tokens,
                sessions=books.sessions,
                accounts=doors.outside_accounts,
                sign_up_credits=settings.sign_up_credits,
            ),
            name_of=account_name,
        ),
        points=books.counting.per_minute("points", settings.points_per_minute),
    )


def _answering(
    settings: Settings, books: _Books, runner: Runner, provider: RoutedProvider
) -> _Answering:
    asking = Asking(
        ledger=books.ledger,
        prices=FreshPrices(listing=books.reads, serves=provider.serves),
        running=runner.running,
        queueing=runner.queueing,
        stored=books.answers,
        balances=books.reads,
        admission=QuestionsPerKey(
            QuestionsPerAccount(books.counting.per_minute("questions", settings.asks_per_minute)),
            lambda limit: books.counting.per_minute("questions of keys", limit),
        ),
        runner=books.runner,
    )
    free_cancels = QuestionsPerAccount(
        books.counting.per_minute("free cancels", settings.free_cancels_per_minute)
    )
    return _Answering(
        asking=asking,
        canceling=Canceling(
            ledger=books.ledger,
            running=runner.running,
            queue=books.runners,
            requests=books.runners,
            stored=books.answers,
            balances=books.reads,
            free_cancels=free_cancels,
        ),
        passing=Passing(
            asking=asking, provider=provider, replies=books.replies, free_cancels=free_cancels
        ),
    )
