"""Recomputes what is always true of the books, from the raw rows alone.

Everything is read in one snapshot, as the owner: while the system runs, what is compared is
nevertheless of one moment.
"""

from typing import Final

import asyncpg

from domain.verifying import ROWS_MAX, Difference, Finding, Report
from persistence.faults import telling_faults
from persistence.roles import OWNER
from persistence.verifying_defences import DEFENCES
from persistence.verifying_parts import Rule
from persistence.verifying_rules import RULES

CONNECT_SECONDS: Final = 5.0

ALL_RULES: Final = (*RULES, *DEFENCES)

_FIND: Final = """
WITH found ("row", is_wrong) AS ({query}
)
SELECT "row", is_wrong, count(*) OVER () AS found FROM found ORDER BY "row", is_wrong LIMIT $1
"""


async def verify(url: str, *, rows_max: int = ROWS_MAX) -> Report:
    """Look at every rule; the URL's login has to be one that may migrate. Raises Unavailable."""
    with telling_faults():
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(
                    f"SET LOCAL ROLE {OWNER}; SET LOCAL search_path = tallystick, pg_temp;"
                    " SET LOCAL statement_timeout = 0"
                )
                findings = [await look_at(connection, rule, rows_max) for rule in ALL_RULES]
                entries: int = await connection.fetchval("SELECT count(*) FROM entries")
        finally:
            await connection.close()
    return Report(len(ALL_RULES), entries, tuple(found for found in findings if found is not None))


async def look_at(
    connection: asyncpg.Connection, rule: Rule, rows_max: int = ROWS_MAX
) -> Finding | None:
    """What breaks a rule, within a transaction of the owner's; None when nothing does."""
    try:
        async with connection.transaction():
            rows = await connection.fetch(_FIND.format(query=rule.query), rows_max, *rule.given)
    except asyncpg.SyntaxOrAccessError as error:
        # A table that is gone, or somebody else's now, is itself a finding.
        return Finding(rule.promise, 1, (Difference("all of them", f"cannot be read: {error}"),))
    if not rows:
        return None
    differences = tuple(Difference(row["row"], row["is_wrong"]) for row in rows)
    return Finding(rule.promise, rows[0]["found"], differences)
