"""`tallystick worker`: runs answers that wait, and serves nobody."""

import asyncio
import signal

import structlog
import uvloop

from app.deployment import deployed
from app.metrics.door import lookout, watched
from app.providers import answering
from app.safety import demo_mode_of
from app.serving import Process, check, configure_logging
from app.settings import Settings
from app.telling import endpoints_of
from app.tracing import traced
from app.wiring import wired

_log = structlog.get_logger("worker")


def work(settings: Settings) -> None:
    """Work on a database that is migrated, until a signal ends it; any number may.

    Raises UnsafeSettings or DatabaseUnusable before anything is done.
    """
    configure_logging(settings, form="json", level="info")
    demo_mode = demo_mode_of(settings, is_trial=False)
    endpoints_of(settings)
    with (
        answering(settings) as answers,
        lookout(settings) as watch,
        deployed(settings) as deployment,
    ):
        process = Process(
            settings=settings,
            deployment=deployment,
            provider=answers.provider,
            demo_mode=demo_mode,
            lookout=watch,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(process, answers.told))


async def _work(process: Process, answers: str) -> None:
    deployment, settings = process.deployment, process.settings
    await check(deployment)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        traced(),
        wired(
            settings,
            deployment,
            process.provider,
            demo_mode=process.demo_mode,
            decides=False,
        ) as system,
        watched(process.lookout, system, url=deployment.url),
    ):
        _log.info("working", answers=answers)
        await stop.wait()
        system.health.drain()
        _log.info("stopping", seconds=settings.shutdown_seconds)
        for number in (signal.SIGTERM, signal.SIGINT):
            # A second signal ends it at once: what runs is left to the lease.
            loop.remove_signal_handler(number)
        await system.runner.drain(within_seconds=settings.shutdown_seconds)
