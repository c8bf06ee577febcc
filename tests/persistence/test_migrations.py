"""The books as migrations make them, keep them and remove them."""

import asyncio
import sys

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, text

from persistence.migrating import downgrade, engine_of, newest_revision, upgrade
from persistence.tables import SCHEMA, VIEW, metadata
from persistence.verifying import verify

FACTS = """
WITH ours AS (
  SELECT oid, relname, relkind, reloptions FROM pg_class
   WHERE relnamespace = 'tallystick'::regnamespace AND NOT relispartition
     AND relname NOT LIKE 'alembic%')
SELECT format('%s.%s: %s, null %s, default %s', relname, attname,
              format_type(atttypid, atttypmod), NOT attnotnull,
              coalesce(pg_get_expr(adbin, adrelid), attidentity::text))
  FROM ours
  JOIN pg_attribute ON attrelid = ours.oid
  LEFT JOIN pg_attrdef ON adrelid = ours.oid AND adnum = attnum
 WHERE relkind IN ('r', 'p') AND attnum > 0
UNION ALL
SELECT format('%s.%s: %s', relname, conname, pg_get_constraintdef(c.oid))
  FROM ours JOIN pg_constraint c ON conrelid = ours.oid WHERE contype <> 'n'
UNION ALL
SELECT pg_get_indexdef(oid) FROM ours WHERE relkind IN ('i', 'I')
UNION ALL
SELECT format('%s: %s %s', relname, reloptions, pg_get_partkeydef(oid)) FROM ours
 WHERE relkind IN ('r', 'p')
"""
"""Every column, constraint, index and table, in words."""

UPGRADE = """
import sys
from persistence.migrating import upgrade
upgrade(sys.argv[1], secret=sys.argv[2])
"""

FIRST_BOOKS = """
SET search_path = tallystick;
INSERT INTO accounts (id) VALUES (1);
INSERT INTO balances (account_id, moment) VALUES (1, 1);
INSERT INTO models (
  id, name, vendor, upstream_name, context_window, answer_tokens_max, is_enabled)
VALUES ('m', 'm', 'v', 'm', 1000, 100, true);
INSERT INTO model_prices (
  model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request)
VALUES ('m', 1000, 1000, 2000, 2);
SELECT post_credit(1, 0, 'SIGN_UP_GRANT', 1000, false, NULL);
SELECT end_hold(1, 0, (take_hold(
         1, 0, 100, 300, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, 'm', 1, 10
       ))[1], 'CAPTURED', 7, 'text', 'STOP', NULL, 1::smallint, 'SUCCEEDED', 1, 0, 2);
SELECT take_hold(
  1, 0, 100, 300, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, 'm', 1, 10);
"""
"""Credits, an answer that was charged and one on its way, as the first revision wrote them."""

LEFT = """
SELECT relname FROM pg_class WHERE relnamespace = 'tallystick'::regnamespace
UNION ALL
SELECT proname FROM pg_proc WHERE pronamespace = 'tallystick'::regnamespace
"""


def test_an_empty_database_gets_the_newest_form(database_url: str) -> None:
    assert _ask(database_url, "SELECT version_num FROM tallystick.alembic_version") == [
        newest_revision()
    ]


def test_the_tables_are_what_the_code_says_they_are(
    database_url: str, empty_database_url: str
) -> None:
    _make_what_the_code_says(empty_database_url)

    assert _ask(database_url, FACTS) == _ask(empty_database_url, FACTS)


def test_there_is_nothing_left_to_migrate(database_url: str) -> None:
    async def differences() -> list[object]:
        engine = engine_of(database_url)
        async with engine.connect() as connection:
            return await connection.run_sync(_compare)

    assert asyncio.run(differences()) == []


def test_a_second_upgrade_changes_nothing(database_url: str, deployment_secret: str) -> None:
    before = _ask(database_url, FACTS)

    upgrade(database_url, secret=deployment_secret)

    assert _ask(database_url, FACTS) == before


async def test_processes_that_upgrade_at_the_same_time_take_turns(
    empty_database_url: str, deployment_secret: str
) -> None:
    command = [sys.executable, "-c", UPGRADE, empty_database_url, deployment_secret]

    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(3)]

    assert [await process.wait() for process in processes] == [0, 0, 0]
    report = await verify(empty_database_url)
    assert report.is_clean, report.lines()


async def test_books_of_the_first_revision_are_kept_up_and_down(
    empty_database_url: str, deployment_secret: str
) -> None:
    await asyncio.to_thread(upgrade, empty_database_url, secret=deployment_secret, revision="0001")
    owner = await asyncpg.connect(empty_database_url)
    await owner.execute(FIRST_BOOKS)
    await owner.close()

    await asyncio.to_thread(upgrade, empty_database_url, secret=deployment_secret)
    await _fold(empty_database_url)
    raised = await verify(empty_database_url)
    await asyncio.to_thread(downgrade, empty_database_url, revision="0001")
    await asyncio.to_thread(upgrade, empty_database_url, secret=deployment_secret)
    again = await verify(empty_database_url)

    assert raised.is_clean, raised.lines()
    assert again.is_clean, again.lines()
    assert (raised.entries, again.entries) == (2, 2)


async def _fold(url: str) -> None:
    """Add up what was used before there was anything to add it up."""
    owner = await asyncpg.connect(url)
    horizon = await owner.fetchval("SELECT tallystick.usage_horizon(0)")
    assert await owner.fetchval("SELECT tallystick.fold_usage($1, 0, 100)", horizon) == 1
    await owner.close()


def test_a_downgrade_leaves_nothing_behind(empty_database_url: str, deployment_secret: str) -> None:
    upgrade(empty_database_url, secret=deployment_secret)

    downgrade(empty_database_url)

    assert _ask(empty_database_url, LEFT) == ["alembic_version", "alembic_version_pkc"]
    assert _ask(empty_database_url, "SELECT count(*) FROM tallystick.alembic_version") == [0]


def test_what_was_removed_can_be_made_again(
    empty_database_url: str, deployment_secret: str
) -> None:
    upgrade(empty_database_url, secret=deployment_secret)
    before = _ask(empty_database_url, FACTS)
    downgrade(empty_database_url)

    upgrade(empty_database_url, secret=deployment_secret)

    assert _ask(empty_database_url, FACTS) == before


def _ask(url: str, query: str) -> list[object]:
    async def fetch() -> list[object]:
        connection = await asyncpg.connect(url)
        try:
            return sorted(row[0] for row in await connection.fetch(query))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def _make_what_the_code_says(url: str) -> None:
    def make(connection: Connection) -> None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        tables = [table for table in metadata.sorted_tables if table.info != VIEW]
        metadata.create_all(connection, tables)

    async def run() -> None:
        engine = engine_of(url)
        async with engine.begin() as connection:
            await connection.run_sync(make)

    asyncio.run(run())


def _compare(connection: Connection) -> list[object]:
    """What alembic would write into the next migration."""
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": _is_of_ours,
            "include_object": _is_a_table_of_its_own,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    return list(compare_metadata(context, metadata))


def _is_of_ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "schema" or name == SCHEMA


def _is_a_table_of_its_own(item: object, name: str | None, *_: object) -> bool:
    """Neither the view, nor alembic's own table, nor a partition of another."""
    if not isinstance(item, Table):
        return True
    return item.info != VIEW and name != "alembic_version" and "_20" not in (name or "")
