"""What is followed and watched in this process, and what it tells others of its own answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from app.runner import Runner
from domain.asking import StoredAnswers
from domain.attending import Attending
from domain.balance_changes import BalanceChanges
from domain.following import Following
from domain.mirroring import Mirrors
from domain.publishing import Publishing
from domain.watching import Watching
from persistence.books import PostgresBooks
from persistence.books_alerts import PostgresAlertBooks, PostgresAlertRevision
from persistence.engine import Engines
from persistence.notify import Channel
from persistence.pieces import PostgresPieces, PostgresPurseMoments, answers_named
from persistence.pools import pool_of
from persistence.roles import Login

_CONNECTIONS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The services of streams."""

    runner: Runner
    following: Following
    balance_changes: BalanceChanges
    attending: Attending


@asynccontextmanager
async def going_live(
    url: str, runner: Runner, stored: StoredAnswers, engines: Engines
) -> AsyncIterator[Live]:
    """Publish in the background until this is left; notices go on afterwards.

    The URL is the worker login's.
    """
    books = PostgresBooks(engines)
    running, notices = runner.running, runner.notices
    async with pool_of(Login.WORKER, url, connections_max=_CONNECTIONS) as pool:
        pieces = PostgresPieces(pool)
        mirrors = Mirrors(pieces=pieces, stored=stored, here=running)
        publishing = Publishing(here=running, pieces=pieces)
        notices.hear(Channel.PIECES, lambda payload: mirrors.hear(answers_named(payload)))
        notices.hear(Channel.FOLLOWED, lambda payload: publishing.hear(answers_named(payload)))
        task = asyncio.create_task(publishing.go_on(), name="publishing of answers")
        try:
            yield Live(
                runner=runner,
                following=Following(books=books, here=running, elsewhere=mirrors),
                balance_changes=BalanceChanges(
                    books=books, watching=Watching(versions=PostgresPurseMoments(pool))
                ),
                attending=Attending(
                    books=PostgresAlertBooks(engines),
                    watching=Watching(versions=PostgresAlertRevision(pool)),
                ),
            )
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
