"""Who takes payments here: the providers whose keys are configured, or in demo mode the sandbox."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.routing import BaseRoute

from adapters.pack_list import read_packs
from adapters.payments.paystack import PaystackProcessor
from adapters.payments.sandbox import SandboxProcessor
from adapters.payments.stripe import StripeProcessor
from app.deployment import Deployment
from app.sandbox import SandboxPages
from app.settings import Settings, UnsafeSettings, named
from app.webhooks import NotesRejections, Webhooks
from domain.charging import PaymentProcessor
from domain.money import Currency
from domain.offering import PaymentProvider
from domain.outside import Clock
from domain.packs import Assortment, CreditPack
from domain.paying import Paying
from domain.payment_changes import PaymentChanges
from domain.watching import Watching
from persistence.books import PostgresBooks
from persistence.engine import Engines
from persistence.payments import PostgresPayments
from persistence.pools import pool_of
from persistence.roles import Login
from persistence.sandbox import PostgresSandboxTill
from schema.ids import payment_name

_CONNECTIONS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tills:
    """What sells credits, and the pages and doors that belong to it."""

    paying: Paying
    changes: PaymentChanges
    routes: Sequence[BaseRoute]


@asynccontextmanager
async def opened_tills(
    settings: Settings,
    deployment: Deployment,
    engines: Engines,
    *,
    clock: Clock,
    watch: NotesRejections,
    address: str,
    demo_mode: bool,
) -> AsyncIterator[Tills]:
    """Take payments until this is left.

    Checkout pages lead back to `address`, where this process serves, unless APP_URL names the web
    app. Raises SettingsFileError or UnsafeSettings.
    """
    packs = check_sales(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            pool_of(Login.PAYMENTS, deployment.url_of(Login.PAYMENTS), connections_max=_CONNECTIONS)
        )
        till = PostgresSandboxTill(pool)
        processors = processors_of(
            stack,
            settings,
            till,
            # Who reaches us from elsewhere reaches us where the web app is.
            address=address if settings.is_local else settings.app_url or address,
            secret=deployment.secret,
            demo_mode=demo_mode,
        )
        books = PostgresPayments(pool, engines)
        reads = PostgresBooks(engines)
        paying = Paying(
            books=books,
            processors=processors,
            assortment=_assortment(settings, packs, processors),
            alerts=books,
            contacts=reads,
            clock=clock,
            origin=settings.app_url or address,
            name_of=payment_name,
            suspends_while_disputed=settings.suspend_while_disputed,
        )
        pages = SandboxPages(till=till, paying=paying, clock=clock)
        is_sandbox = any(isinstance(each, SandboxProcessor) for each in processors.values())
        yield Tills(
            paying=paying,
            changes=PaymentChanges(books=reads, watching=Watching(versions=books)),
            routes=(*Webhooks(paying, watch).routes(), *(pages.routes() if is_sandbox else ())),
        )


def check_sales(settings: Settings) -> Sequence[CreditPack]:
    """The packs; found to be sound before anything is started, as is where buyers come back to.

    Raises SettingsFileError, or UnsafeSettings when that is an address nobody else reaches.
    """
    with named("PACKS_FILE"):
        packs = read_packs(settings.packs_file)
    if settings.takes_payments and settings.app_url is None and not settings.is_local:
        raise UnsafeSettings(
            "Payments are taken, so APP_URL has to name the web app that checkout pages lead "
            "back to, such as https://app.example.com."
        )
    return packs


def processors_of(
    stack: AsyncExitStack,
    settings: Settings,
    till: PostgresSandboxTill,
    *,
    address: str,
    secret: str,
    demo_mode: bool,
) -> Mapping[PaymentProvider, PaymentProcessor]:
    """Whose keys are configured, or in demo mode the sandbox; closed with the stack."""
    processors: dict[PaymentProvider, PaymentProcessor] = {}
    if settings.stripe_secret_key is not None:
        by_stripe = StripeProcessor.connecting(
            secret_key=settings.stripe_secret_key.get_secret_value(),
            webhook_secrets=tuple(
                secret.get_secret_value() for secret in settings.stripe_webhook_secrets
            ),
            url=settings.stripe_url,
        )
        stack.push_async_callback(by_stripe.aclose)
        processors[PaymentProvider.STRIPE] = by_stripe
    if settings.paystack_secret_key is not None:
        by_paystack = PaystackProcessor.connecting(
            secret_key=settings.paystack_secret_key.get_secret_value(), url=settings.paystack_url
        )
        stack.push_async_callback(by_paystack.aclose)
        processors[PaymentProvider.PAYSTACK] = by_paystack
    if processors or not demo_mode:
        return processors
    return {
        provider: SandboxProcessor(provider=provider, till=till, origin=address, secret=secret)
        for provider in PaymentProvider
    }


def _assortment(
    settings: Settings,
    packs: Sequence[CreditPack],
    processors: Mapping[PaymentProvider, PaymentProcessor],
) -> Assortment:
    taken: Mapping[PaymentProvider, Sequence[Currency]] = {
        PaymentProvider.STRIPE: settings.stripe_currencies,
        PaymentProvider.PAYSTACK: settings.paystack_currencies,
    }
    return Assortment(packs, {provider: taken[provider] for provider in processors})
