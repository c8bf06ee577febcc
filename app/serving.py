"""Serves a system on a socket until a signal ends it, and then puts everything in order."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLevelNamesMapping
from time import monotonic
from typing import Final, Literal

import structlog
import uvloop

from adapters.models.routing import RoutedProvider
from app import logging, server
from app.asgi import application
from app.deployment import Deployment, deployed
from app.errors import Stopping
from app.issuers import issuers_of
from app.listening import Server, address_of, listening
from app.metrics.door import Lookout, lookout, watched
from app.providers import answering
from app.safety import demo_mode_of
from app.settings import Settings
from app.supervising import Supervisor
from app.telling import endpoints_of
from app.tills import check_sales
from app.tracing import traced
from app.wiring import System, wired
from persistence import reaching
from persistence.reaching import DatabaseUnusable

_KILLED_AFTER_SECONDS: Final = 15
"""How much longer than its time to stop a process may live: it has yet to book what it ended."""

GARBAGE_THRESHOLDS: Final = (20_000, 20, 50)
"""How many new objects, and rounds of younger ones, before the collector looks."""

_log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one serving process is made of."""

    settings: Settings
    deployment: Deployment
    provider: RoutedProvider
    demo_mode: bool
    lookout: Lookout | None = None
    place: int = 0
    """Which of the processes behind one socket this is."""
    lifeline: int | None = None
    """What can be read once the process that supervises this one is gone, if there is one."""


def serve(settings: Settings) -> None:
    """`tallystick serve`: one process, or several behind one socket, on a migrated database.

    Raises UnsafeSettings, CannotListen or DatabaseUnusable before anything is served.
    """
    configure_logging(settings, form="json", level="info")
    demo_mode = demo_mode_of(settings, is_trial=False)
    check_sales(settings)
    issuers_of(settings)
    endpoints_of(settings)
    with (
        answering(settings) as answers,
        listening(settings.host, settings.port) as listener,
        lookout(settings, processes=settings.processes) as watch,
        deployed(settings) as deployment,
    ):
        told = {"address": address_of(listener), "answers": answers.told}

        def work(lifeline: int | None = None, place: int = 0) -> None:
            process = Process(
                settings=settings,
                deployment=deployment,
                provider=answers.provider,
                demo_mode=demo_mode,
                lookout=watch,
                place=place,
                lifeline=lifeline,
            )
            run(
                process,
                listener,
                when_ready=lambda: _log.info("serving", process=os.getpid(), **told),
                when_stopping=lambda: _log.info("stopping", seconds=settings.shutdown_seconds),
            )

        if settings.processes == 1:
            work()
            return
        asyncio.run(check(deployment))
        grace_seconds = (
            settings.shutdown_delay_seconds + settings.shutdown_seconds + _KILLED_AFTER_SECONDS
        )
        Supervisor(count=settings.processes, work=work, grace_seconds=grace_seconds).run()


def configure_logging(
    settings: Settings, *, form: Literal["json", "console"], level: Literal["info", "warning"]
) -> None:
    """Log as the settings say; `form` and `level` are for what they leave out."""
    chosen = settings.log_level or level
    logging.configure(settings.log_format or form, level=getLevelNamesMapping()[chosen.upper()])


def run(
    process: Process,
    listener: socket.socket,
    *,
    when_ready: Callable[[], None],
    when_stopping: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, on the event loop of production."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(process, listener, when_ready, when_stopping))


def _spare_what_stays() -> None:
    """Tell the garbage collector that what was made until now stays.

    The schema and the libraries are some hundred thousand objects. Looking through them again and
    again took a tenth of a call, and now and then a tenth of a second at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def _serve(
    process: Process,
    listener: socket.socket,
    when_ready: Callable[[], None],
    when_stopping: Callable[[], None],
) -> None:
    deployment, settings = process.deployment, process.settings
    await check(deployment)
    async with (
        traced(),
        wired(
            settings,
            deployment,
            process.provider,
            demo_mode=process.demo_mode,
            address=address_of(listener),
        ) as system,
        watched(process.lookout, system, url=deployment.url, place=process.place),
    ):
        app = application(system)
        _spare_what_stays()
        config = server.config(
            app,
            host=settings.host,
            port=settings.port,
            trusted_proxies=list(settings.trusted_proxies),
        )
        config.timeout_graceful_shutdown = settings.shutdown_seconds

        def told_to_stop() -> None:
            system.health.drain()
            when_stopping()

        if process.lifeline is not None:
            _stop_without(process.lifeline)
        serving = Server(
            config,
            when_ready=when_ready,
            when_told_to_stop=told_to_stop,
            when_stopping=lambda: _stop(system),
            delay_seconds=settings.shutdown_delay_seconds,
        )
        await serving.serve(sockets=[listener])
        # Whoever waits for an answer kept its connection so far; now those that nobody waits for.
        left_seconds = 0.0 if serving.force_exit else serving.ends_at - monotonic()
        await system.runner.drain(within_seconds=max(0.0, left_seconds))


def _stop(system: System) -> None:
    """Begin nothing any more, and send away who only hears of what is done elsewhere.

    Sockets are closed by the server itself. Streams of events of this process's own answers go on.
    """
    services = system.services
    system.runner.close()
    services.following.elsewhere.stop(Stopping)
    services.balance_changes.watching.stop(Stopping)
    services.payment_changes.watching.stop(Stopping)
    services.attending.watching.stop(Stopping)


async def check(deployment: Deployment) -> None:
    """Raise DatabaseUnusable with everything that is wrong about the database."""
    if faults := await reaching.faults(deployment.url, secret=deployment.secret):
        raise DatabaseUnusable("\n".join(faults.values()))


def _stop_without(lifeline: int) -> None:
    """Stop as if told to, once the process that supervises this one is gone."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(lifeline)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(lifeline, stop)
