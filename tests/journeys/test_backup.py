"""docs/backup.md, done: dumped under load, restored by a login that is no superuser, and served."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from persistence import embedded
from persistence.embedded import Cluster
from persistence.embedded_programs import find_programs, server_user
from persistence.migrating import upgrade
from tests.app.asking import Caller
from tests.app.shell import PATIENCE_SECONDS, TALLYSTICK, environment, running
from tests.journeys.system import House, Person, open_house

PAGE = Path(__file__).parents[2] / "docs" / "backup.md"
ASKERS = 4
ENOUGH = 20


def commands(heading: str, language: str = "sh") -> list[str]:
    """The page's own commands, under a heading."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found


def programs() -> Path:
    return find_programs(None, major=None).folder


def paste(script: str, folder: Path, **settings: str) -> str:
    """Run commands as an operator would, in a folder of their own."""
    path = os.pathsep.join([str(programs()), str(TALLYSTICK.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(PATH=path, **settings),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def managed(cluster: Cluster) -> str:
    """An empty database on a server where we are no superuser; returns the operator's URL."""
    connection = await asyncpg.connect(cluster.url("postgres"))
    await connection.execute("CREATE ROLE operator LOGIN CREATEROLE")
    await connection.execute("CREATE DATABASE books")
    await connection.execute("GRANT CREATE ON DATABASE books TO operator")
    await connection.close()
    return urlunsplit(urlsplit(cluster.url("books"))._replace(netloc="operator@"))


@dataclass(slots=True)
class Asked:
    """What was answered and told so far."""

    answers: dict[str, object] = field(default_factory=dict)
    """What each cost, by its idempotency key."""
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    async def go_on(self, person: Person, name: str) -> None:
        for number in count():
            if self.is_over:
                return
            key = f"{name}-{number}"
            reply = await person.ask("hello", key)
            assert reply.codes == [], reply.body
            self.answers[key] = reply["askAI.answer.charged"]
            if len(self.answers) >= ENOUGH:
                self.enough.set()


def asked_without_end(url: str, secret: str) -> AbstractAsyncContextManager[House]:
    """A system whose people may ask as fast as they are answered."""
    return open_house(url, secret, asks_per_minute="1000000", points_per_minute="100000000")


@asynccontextmanager
async def being_asked(house: House) -> AsyncIterator[tuple[Asked, Person]]:
    """People who ask all the time."""
    asked = Asked()
    people = [(await house.visitor())[0] for _ in range(ASKERS)]
    tasks = [
        asyncio.create_task(asked.go_on(person, f"k{number}"))
        for number, person in enumerate(people)
    ]
    await asyncio.wait_for(asked.enough.wait(), PATIENCE_SECONDS)
    try:
        yield asked, people[0]
    finally:
        asked.is_over = True
        await asyncio.gather(*tasks)


async def kept(url: str) -> tuple[int, int]:
    """How many answers were charged for, and how much."""
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(
        "SELECT count(*) AS answers, sum(captured)::bigint AS charged FROM tallystick.holds"
        " WHERE status = 'CAPTURED'"
    )
    await connection.close()
    assert row is not None
    return row["answers"], row["charged"]


async def test_a_dump_under_load_is_restored_verified_and_served(
    data_dir: Path, deployment_secret: str, tmp_path: Path
) -> None:
    old = embedded.start(data_dir / "old" / "data", durable=False)
    source = await managed(old)
    await asyncio.to_thread(upgrade, source, secret=deployment_secret)
    [dump] = commands("Dump")
    restore, catch_up = commands("Restore")
    async with asked_without_end(source, deployment_secret) as house:
        async with being_asked(house) as (asked, person):
            before = dict(asked.answers)
            await asyncio.to_thread(paste, dump, tmp_path, DATABASE_URL=source)
            meanwhile = len(asked.answers) - len(before)
        assert await house.differences() == []
    embedded.stop(old)

    target = await managed(embedded.start(data_dir / "new" / "data", durable=False))
    books = {"DATABASE_URL": target, "TALLYSTICK_SECRET": deployment_secret}
    told = await asyncio.to_thread(paste, restore, tmp_path, **books)
    await asyncio.to_thread(paste, catch_up, tmp_path, **books)
    answers, _ = await kept(target)
    with running("serve", PORT="0", DEMO_MODE="true", **books) as server:
        await asyncio.to_thread(server.wait_for, '"event":"serving"')
        caller = Caller(server.url, person.token)
        again = await asyncio.to_thread(caller.ask, "hello", "k0-0")
        new = await asyncio.to_thread(caller.ask, "hello", "after the restore")
        assert await asyncio.to_thread(server.end) == 0

    assert meanwhile > 0
    assert len(before) <= answers <= len(before) + meanwhile + ASKERS
    assert again["askAI.replayed"] is True
    assert again["askAI.answer.charged"] == before["k0-0"]
    assert new["askAI.answer.status"] == "SUCCEEDED"
    assert "logins" in told
    paste("tallystick verify", tmp_path, **books)


async def test_a_base_backup_and_the_log_bring_back_every_moment(
    data_dir: Path, deployment_secret: str
) -> None:
    backup = data_dir / "backup"
    (backup / "wal").mkdir(parents=True)
    archiving, restoring = (
        dict(
            re.findall(r"^(\w+) = '?(.*?)'?$", block.replace("/backup", str(backup)), re.MULTILINE)
        )
        for block in commands("Every moment, not only every night", "conf")
    )
    [take] = commands("Every moment, not only every night")
    user = server_user(data_dir / "none")
    for folder in (backup, backup / "wal"):
        if user is not None:
            os.chown(folder, user.uid, user.gid)
    old = embedded.start(data_dir / "old" / "data", settings=archiving)
    url = old.url("postgres")
    await asyncio.to_thread(upgrade, url, secret=deployment_secret)
    async with asked_without_end(url, deployment_secret) as house:
        async with being_asked(house) as (asked, _):
            begun = len(asked.answers)
            await asyncio.to_thread(take_base, take, backup, old)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(asked.answers) < begun + ENOUGH:  # noqa: ASYNC110 - others ask
                    await asyncio.sleep(0.01)
        assert await house.differences() == []
    before = await kept(url)
    embedded.stop(old)
    shutil.rmtree(data_dir / "old" / "data" / "cluster" / "base")

    place = data_dir / "new" / "data"
    (backup / "base" / "recovery.signal").touch()
    place.mkdir(parents=True)
    shutil.move(backup / "base", place / "cluster")
    new = embedded.start(place, settings=restoring)

    assert await kept(new.url("postgres")) == before
    books = {"DATABASE_URL": new.url("postgres"), "TALLYSTICK_SECRET": deployment_secret}
    paste("tallystick verify", data_dir, **books)


def take_base(command: str, backup: Path, cluster: Cluster) -> None:
    """Take a base backup by the page's command, as the user that the server runs as."""
    folder = find_programs(server_user(cluster.data_dir / "cluster"), major=None)
    words = command.replace("/backup", str(backup)).split()
    where = ["-h", str(cluster.socket_dir), "-U", cluster.superuser]
    done = folder.run(words[0], *words[1:], *where, timeout_seconds=120)
    assert done.returncode == 0, done.stdout


async def test_everything_is_in_a_dump_for_the_owner_sees_every_row(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    hidden = await connection.fetch(
        """
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace IN ('tallystick'::regnamespace, 'tallystick_jobs'::regnamespace)
           AND c.relkind IN ('r', 'p') AND c.relrowsecurity
           AND NOT EXISTS (
             SELECT FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('*', 'r')
                AND 'tallystick_owner'::regrole::oid = ANY (p.polroles)
                AND pg_get_expr(p.polqual, p.polrelid) = 'true')
        """
    )
    others = await connection.fetch(
        """
        SELECT p.polname FROM pg_policy p
         WHERE NOT p.polpermissive AND 'tallystick_owner'::regrole::oid = ANY (p.polroles)
        """
    )
    await connection.close()

    assert [row["relname"] for row in hidden] == []
    assert [row["polname"] for row in others] == []
