"""The running system recomputes its own books from time to time, and keeps what it found.

It is done gently. A rule is a query with a snapshot of its own, so no old snapshot keeps the rows
of busy balances from being cleaned up, and nothing is locked. A rule that takes too long is given
up and counted; between two rules there is a rest as long as the rule took. Only one process does it
at a time, and not again before what it took is a twentieth of the time since: the larger the books,
the seldomer they are recomputed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final

import asyncpg

from domain.verifying import Finding
from persistence.faults import telling_faults
from persistence.roles import OWNER
from persistence.verifying import ALL_RULES, CONNECT_SECONDS, look_at
from persistence.verifying_parts import Rule
from persistence.verifying_rules import BALANCES

RULE_SECONDS: Final = 300
"""How long one rule may take."""

SHARE: Final = 20
"""Recomputing takes at most this part of the time: a twentieth."""

KEPT_FOR: Final = timedelta(days=30)
_SUMMARY_MAX: Final = 1_000

_MAY_BE_DUE: Final = """
SELECT coalesce(
  (SELECT finished_at + $1 <= clock_timestamp() FROM tallystick.last_book_check()), true)
"""
_TRY: Final = "SELECT pg_try_advisory_lock(hashtext('tallystick.book_check'))"
_IS_DUE: Final = """
SELECT coalesce(
  (SELECT finished_at + greatest($1, (finished_at - started_at) * $2) <= clock_timestamp()
     FROM tallystick.book_checks ORDER BY id DESC LIMIT 1), true)
"""
_ENTRIES: Final = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
 WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'tallystick.entries'::regclass)
"""
_KEEP: Final = """
INSERT INTO tallystick.book_checks
  (started_at, rules, unfinished, entries, differences, imbalances, summary)
VALUES (clock_timestamp() - make_interval(secs => $1), $2, $3, $4, $5, $6, $7)
"""
_FORGET: Final = "DELETE FROM tallystick.book_checks WHERE finished_at < now() - $1::interval"
_OF_BALANCES: Final = frozenset(rule.promise for rule in BALANCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBookChecks:
    """Recomputes the books when it is time, with the operator's login.

    Whether it may be time is asked on the worker's connections: mostly it is not.
    """

    pool: asyncpg.Pool
    url: str
    every: timedelta
    rule_seconds: float = RULE_SECONDS

    async def check(self) -> int:
        """Recompute them unless somebody does or did lately; returns how many rows are wrong.

        Raises Unavailable.
        """
        with telling_faults():
            if not await self.pool.fetchval(_MAY_BE_DUE, self.every):
                return 0
            connection = await asyncpg.connect(self.url, timeout=CONNECT_SECONDS)
            try:
                # The lock is the connection's: it ends with it, however that ends.
                if not await connection.fetchval(_TRY):
                    return 0
                if not await self._is_due(connection):
                    return 0
                return await self._check(connection)
            finally:
                await connection.close()

    async def _is_due(self, connection: asyncpg.Connection) -> bool:
        async with connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL ROLE {OWNER}")
            return bool(await connection.fetchval(_IS_DUE, self.every, SHARE))

    async def _check(self, connection: asyncpg.Connection) -> int:
        began = monotonic()
        findings: list[Finding] = []
        unfinished = 0
        for rule in ALL_RULES:
            rule_began = monotonic()
            try:
                found = await self._look(connection, rule)
            except asyncpg.QueryCanceledError:
                unfinished += 1
            else:
                findings += [] if found is None else [found]
            await asyncio.sleep(monotonic() - rule_began)
        differences = sum(finding.count for finding in findings)
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {OWNER}")
            await connection.execute(
                _KEEP,
                monotonic() - began,
                len(ALL_RULES),
                unfinished,
                await connection.fetchval(_ENTRIES),
                differences,
                sum(each.count for each in findings if each.promise in _OF_BALANCES),
                _summary(findings, unfinished),
            )
            await connection.execute(_FORGET, KEPT_FOR)
        return differences

    async def _look(self, connection: asyncpg.Connection, rule: Rule) -> Finding | None:
        async with connection.transaction(readonly=True):
            await connection.execute(
                f"SET LOCAL ROLE {OWNER}; SET LOCAL search_path = tallystick, pg_temp;"
                f" SET LOCAL statement_timeout = {round(1_000 * self.rule_seconds)};"
                " SET LOCAL max_parallel_workers_per_gather = 0"
            )
            return await look_at(connection, rule)


def _summary(findings: Sequence[Finding], unfinished: int) -> str:
    rules = len(ALL_RULES)
    if not findings:
        left = f" {unfinished} took too long and were left out." if unfinished else ""
        return f"The books are right: {rules - unfinished} of {rules} rules hold.{left}"
    told = [
        f"{finding.promise} ({finding.count} rows, such as {finding.differences[0].row})"
        for finding in findings
    ]
    whole = f"The books are wrong: {len(findings)} of {rules} rules are broken. {' '.join(told)}"
    return whole if len(whole) <= _SUMMARY_MAX else f"{whole[:_SUMMARY_MAX]} …"
