"""`tallystick up`: everything a newcomer needs, started in order and stopped in reverse."""

import asyncio
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.price_book import read_price_book
from app.demo import DEMO_ACCOUNTS, USER_EMAIL, open_account
from app.deployment import Deployment, data_dir_of, deployed
from app.entrance import keeps_mails
from app.issuers import issuers_of
from app.listening import address_of, listening
from app.metrics.door import lookout
from app.providers import Answering, OwnModel, answering
from app.safety import demo_mode_of, refuse_serious_books
from app.serving import Process, configure_logging, run
from app.settings import Settings, named
from app.telling import endpoints_of
from app.tills import check_sales
from domain.identity import Role
from domain.money import format_credits
from domain.pricing import ModelListing
from persistence import embedded, operating, reaching
from persistence.accounts import PostgresAccounts
from persistence.pools import pool_of
from persistence.roles import Login

QUESTION: Final = (
    '{"query": "mutation { askAI(input: {messages: {content: \\"What is a ledger?\\"}, '
    'idempotencyKey: \\"first\\"}) { ... on AskAISuccess { answer { text charged } '
    'balance { available } } ... on Problem { code message } } }"}'
)


def up(settings: Settings, *, own_model: OwnModel | None = None) -> None:
    """Start everything and serve until a signal ends it; what is there already is kept.

    Whatever is wrong is found before anything is changed, as far as that can be: settings, price
    book and port first, then the database. Raises what they raise.
    """
    configure_logging(settings, form="console", level="warning")
    demo_mode = demo_mode_of(settings, is_trial=True, has_own_model=own_model is not None)
    with named("MODELS_FILE"):
        listings = read_price_book(settings.models_file)
    check_sales(settings)
    issuers_of(settings)
    endpoints_of(settings)
    with (
        answering(settings, own_model) as answers,
        listening(settings.host, settings.port) as listener,
        lookout(settings) as watch,
        deployed(settings, claims=True, makes=True) as deployment,
    ):
        _prepare(settings, deployment, listings)
        run(
            Process(
                settings=settings,
                deployment=deployment,
                provider=answers.provider,
                demo_mode=demo_mode,
                lookout=watch,
            ),
            listener,
            when_ready=lambda: _say(
                _welcome(settings, deployment, answers, listener, demo_mode=demo_mode)
            ),
            when_stopping=lambda: _say(
                f"Stopping. Answers in progress have {settings.shutdown_seconds} s."
            ),
        )
    _say("Stopped.")


def _prepare(settings: Settings, deployment: Deployment, listings: Sequence[ModelListing]) -> None:
    """Migrate, load the price book, and make the demo accounts unless DEMO_MODE is off."""
    asyncio.run(reaching.check_server(deployment.url))
    serves_others = asyncio.run(reaching.serves_others(deployment.url))
    refuse_serious_books(settings, serves_others=serves_others)
    reaching.migrate(deployment.url, secret=deployment.secret)
    asyncio.run(operating.load_models(deployment.url, listings))
    if settings.demo_mode is not False:
        asyncio.run(_seed(settings, deployment))


async def _seed(settings: Settings, deployment: Deployment) -> None:
    async with pool_of(Login.AUTH, deployment.url_of(Login.AUTH), connections_max=1) as pool:
        for account in DEMO_ACCOUNTS:
            await open_account(
                PostgresAccounts(pool), account, sign_up_credits=settings.sign_up_credits
            )
            if account.role is Role.ADMIN:
                await operating.set_role(deployment.url, account.email, account.role)


def _welcome(
    settings: Settings,
    deployment: Deployment,
    answers: Answering,
    listener: socket.socket,
    *,
    demo_mode: bool,
) -> str:
    address = address_of(listener)
    if deployment.cluster is not None:
        books, elsewhere = f"{deployment.cluster.data_dir} (a PostgreSQL of its own)", ""
    else:
        books, elsewhere = "the database of DATABASE_URL", ", with the same DATABASE_URL there"
    lines = [
        "Tallystick is ready. Ctrl-C stops it.",
        "",
        f"  GraphiQL   {address}/graphiql",
        f"  API        {address}/graphql",
        *([f"  Mails      {address}/outbox"] if keeps_mails(settings, demo_mode=demo_mode) else []),
        f"  Answers    {answers.told}",
        f"  Books      {books}",
    ]
    if settings.demo_mode is not False:
        names = ", ".join(f"{account.email} ({account.role})" for account in DEMO_ACCOUNTS)
        credits_each = format_credits(settings.sign_up_credits)
        lines += [
            f"  Accounts   {names}, made with {credits_each} credits each",
            "",
            f"Ask the first question from another terminal{elsewhere}:",
            "",
            f"  curl -s {address}/graphql \\",
            f'    -H "Authorization: Bearer $({_token_command(settings)})" \\',
            "    -H 'Content-Type: application/json' \\",
            f"    -d '{QUESTION}'",
        ]
    return "\n".join([*lines, ""])


def _token_command(settings: Settings) -> str:
    """What prints a token of the demo user, for the same books, from any directory."""
    words = [str(Path(sys.argv[0]).absolute()), "token", USER_EMAIL]
    if settings.database_url is None and data_dir_of(settings) != embedded.default_data_dir():
        words += ["--data-dir", str(data_dir_of(settings).absolute())]
    return shlex.join(words)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
