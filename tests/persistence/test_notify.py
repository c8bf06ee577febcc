"""Notices between processes: heard by all, and missed ones are admitted."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg

from persistence.notify import Notices
from persistence.roles import Login, url_of

PATIENCE_SECONDS = 10.0


class Ears:
    """Remembers what was heard."""

    def __init__(self, notices: Notices) -> None:
        self.heard: list[str] = []
        self.something = asyncio.Event()
        notices.hear("tallystick_test", self.hear)

    def hear(self, payload: str) -> None:
        self.heard.append(payload)
        self.something.set()

    async def wait_for(self, payload: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while payload not in self.heard:
                self.something.clear()
                await self.something.wait()


async def test_every_process_hears_what_one_tells(
    database_url: str, deployment_secret: str
) -> None:
    url = url_of(Login.WORKER, database_url, secret=deployment_secret)
    here, there = Notices(url), Notices(url)
    ears = [Ears(here), Ears(there)]

    async with AsyncExitStack() as stack:
        for notices in (here, there):
            await stack.enter_async_context(notices.going_on())
        for each in ears:
            await each.wait_for("")
        await here.tell("tallystick_test", "ans_1")
        for each in ears:
            await each.wait_for("ans_1")

    assert [each.heard for each in ears] == [["", "ans_1"], ["", "ans_1"]]


async def test_after_a_break_everybody_is_told_to_look(
    database_url: str, deployment_secret: str
) -> None:
    notices = Notices(url_of(Login.WORKER, database_url, secret=deployment_secret))
    ears = Ears(notices)
    operator = await asyncpg.connect(database_url)

    async with notices.going_on():
        await ears.wait_for("")
        ears.heard.clear()
        await operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'tallystick-notices' AND datname = current_database()"
        )
        await ears.wait_for("")
        await notices.tell("tallystick_test", "ans_2")
        await ears.wait_for("ans_2")
    await operator.close()

    assert not notices.is_live


async def test_without_a_database_nothing_is_told_and_nothing_breaks() -> None:
    notices = Notices("postgresql://nobody@127.0.0.1:1/nowhere")

    async with notices.going_on():
        await asyncio.sleep(0.05)
        await notices.tell("tallystick_test", "ans_3")

    assert not notices.is_live
