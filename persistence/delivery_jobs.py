"""Works on the jobs of deliveries: claims them, and stays responsible until they are done."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from domain.telling import Delivery
from persistence.pools import CONNECT_SECONDS
from persistence.telling import JOBS, queries_on, read

AT_ONCE: Final = 8
"""Deliveries to one endpoint at a time, in all processes together: a slow one holds up itself."""

SILENT: Final = timedelta(seconds=30)
"""After how long without a sign of life a process's jobs are another's."""

LOOK_EVERY: Final = timedelta(seconds=5)
"""How often it is looked for jobs that no notice told of."""

BACKLOG_LOOK_EVERY: Final = timedelta(seconds=0.5)
"""The same while jobs wait for others of their endpoint."""

_CLAIMED_AT_ONCE: Final = 20
_AGAIN_AFTER_FAULT: Final = timedelta(seconds=30)

Work = Callable[[Delivery], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class DeliveryJobs:
    """The jobs of some endpoints, worked on until `stop`."""

    url: str = field(repr=False)
    endpoints: Collection[str]
    work: Work
    when_failed: Callable[[Exception], None]
    """Told what broke while a job was worked on; the job is tried again."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Begin nothing more, and hand back what is on its way."""
        self.stopping.set()

    async def run(self) -> None:
        """Work until stopped; raises what breaks the connection."""
        connection = await asyncpg.connect(
            self.url,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": "tallystick-deliveries"},
        )
        try:
            queries = queries_on(AsyncpgDriver(connection))
            manager = QueueManager(queries, channel=Channel(JOBS.channel))
            manager.min_dequeue_poll_interval = BACKLOG_LOOK_EVERY
            for name in self.endpoints:
                manager.entrypoint(name, concurrency_limit=AT_ONCE)(self._do)
            stopping = asyncio.create_task(self._stop(manager))
            try:
                await manager.run(
                    dequeue_timeout=LOOK_EVERY,
                    batch_size=_CLAIMED_AT_ONCE,
                    heartbeat_timeout=SILENT,
                    log_aggregation_interval=timedelta(0),
                )
            finally:
                stopping.cancel()
        finally:
            connection.terminate()

    async def _stop(self, manager: QueueManager) -> None:
        await self.stopping.wait()
        manager.shutdown.set()

    async def _do(self, job: Job) -> None:
        delivery = read(job.payload)
        if delivery is not None and not await self._has_worked_on(delivery):
            raise RetryRequested(reason="the process stops")

    async def _has_worked_on(self, delivery: Delivery) -> bool:
        """Whether it was done before the process was told to stop."""
        working = asyncio.ensure_future(self.work(delivery))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            await working
        except Exception as fault:  # noqa: BLE001 - the edge: the job is tried again, not lost
            self.when_failed(fault)
            raise RetryRequested(_AGAIN_AFTER_FAULT, "it could not be worked on") from None
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
        return True
