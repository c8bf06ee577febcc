"""A month of a busy deployment's books, written by the set: as large as wanted, and right."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from domain.reporting import Reader
from domain.units import AccountId

ACCOUNTS: Final = 100
BUSIEST: Final = AccountId(1)
"""The account of every second answer."""
ADMINISTRATOR: Final = AccountId(1_000)
DAYS: Final = 30

_PLACES: Final = """
SET search_path = tallystick;
SELECT ensure_partitions(now() - interval '31 days', now() + interval '92 days');
SELECT put_model('small', 'Small', 'Nobody', 'small', 1000, 100, true, true);
SELECT put_model('large', 'Large', 'Nobody', 'large', 1000, 100, true, false);
INSERT INTO model_prices (model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request)
VALUES ('small', 1000, 1000, 1000, 0), ('large', 1000, 1000, 1000, 0);
INSERT INTO accounts (id, role)
SELECT id, 'USER' FROM generate_series(1, {accounts}) id UNION ALL SELECT {administrator}, 'ADMIN';
INSERT INTO api_keys (account_id, key_number, name, secret_start, secret_hash, scopes, funding,
       allowed_models)
SELECT id, 1, 'a program', 'abcd', sha256(id::text::bytea), '{{READ,ASK}}', 'ACCOUNT', '{{}}'
  FROM generate_series(1, {accounts}) id;
CREATE TEMP TABLE answers_given AS
SELECT account, moment, g,
       CASE WHEN g % 10 = 3 THEN 'FAILED' ELSE 'SUCCEEDED' END AS outcome,
       (g % 5 = 0)::integer AS api_key, CASE WHEN g % 3 = 0 THEN 'large' ELSE 'small' END AS model,
       (200 + g * 7919 % 5000)::integer AS latency,
       count(*) FILTER (WHERE g % 10 <> 3)
         OVER (PARTITION BY account ORDER BY moment ROWS UNBOUNDED PRECEDING) AS charges
  FROM (SELECT g, CASE WHEN g % 2 = 0 THEN 1 ELSE 2 + g / 2 % ({accounts} - 1) END AS account,
               ((extract(epoch FROM now()) - {seconds}) * 1000000)::bigint
                 + ({seconds} - 60)::bigint * 1000000 / {records} * g AS moment
          FROM generate_series(1::bigint, {records}) g) x;
ANALYZE answers_given;
"""

_BOOKS: Final = """
SET search_path = tallystick, pg_temp;
SET session_replication_role = replica;
INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after)
SELECT id, (extract(epoch FROM now()) - {seconds} - 60)::bigint * 1000000, 0, 1,
       'SIGN_UP_GRANT', {credits}, {credits} FROM accounts;
INSERT INTO lots (account_id, moment, key_number, entry_moment, amount, remaining, is_paid)
SELECT account_id, moment, 0, moment, amount, amount, false FROM entries;
INSERT INTO balances (account_id, moment, total, entries, unattributed)
SELECT id, coalesce(max(g.moment) + 2, min(e.moment)), {credits} - 10 * coalesce(max(g.charges), 0),
       1 + coalesce(max(g.charges), 0), 10 * coalesce(max(g.charges), 0)
  FROM accounts JOIN entries e ON e.account_id = id LEFT JOIN answers_given g ON g.account = id
 GROUP BY id;
INSERT INTO holds (account_id, moment, key_number, api_key_number, amount, captured, status,
       expires_at, ended_moment, key, digest, model_id, price_id, answer_tokens_max, finish_reason,
       failure, attempts)
SELECT account, moment, 0, api_key, 20, CASE outcome WHEN 'SUCCEEDED' THEN 10 ELSE 0 END,
       CASE outcome WHEN 'SUCCEEDED' THEN 'CAPTURED' ELSE 'RELEASED' END, now(), moment + 1,
       gen_random_uuid(), gen_random_uuid(), model, CASE model WHEN 'small' THEN 1 ELSE 2 END, 100,
       CASE outcome WHEN 'SUCCEEDED' THEN 'STOP' END, CASE outcome WHEN 'FAILED' THEN 'ERROR' END, 1
  FROM answers_given;
INSERT INTO entries
       (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
SELECT account, moment + 1, 0, 1 + charges, 'CHARGE', -10, {credits} - 10 * charges, moment
  FROM answers_given WHERE outcome = 'SUCCEEDED';
INSERT INTO usage_records (account_id, moment, key_number, api_key_number, answer_moment, attempt,
       outcome, model_id, price_id, input_tokens, cached_input_tokens, output_tokens, is_estimated,
       charged, latency_ms, first_token_ms, problem_code, provider_cost)
SELECT account, moment + 2, 0, api_key, moment, 1, outcome, model,
       CASE model WHEN 'small' THEN 1 ELSE 2 END, 10, 0, 20, false,
       CASE outcome WHEN 'SUCCEEDED' THEN 10 ELSE 0 END, latency, latency / 4,
       CASE outcome WHEN 'FAILED' THEN 'PROVIDER_FAILED' END, 3
  FROM answers_given;
INSERT INTO usage_hours (account_id, hour, model_id, api_key_number, attempts, succeeded,
       failed, canceled, refused, input_tokens, cached_input_tokens, output_tokens, charged,
       latency_ms, first_token_ms, provider_cost)
SELECT account, to_timestamp((moment + 2) / 3600000000 * 3600), model, api_key, count(*),
       count(*) FILTER (WHERE outcome = 'SUCCEEDED'), count(*) FILTER (WHERE outcome = 'FAILED'),
       0, 0, 10 * count(*), 0, 20 * count(*),
       10 * count(*) FILTER (WHERE outcome = 'SUCCEEDED'),
       coalesce(sum(latency) FILTER (WHERE outcome = 'SUCCEEDED'), 0),
       coalesce(sum(latency / 4) FILTER (WHERE outcome = 'SUCCEEDED'), 0), 3 * count(*)
  FROM answers_given GROUP BY 1, 2, 3, 4;
SET session_replication_role = origin;
DROP TABLE answers_given;
"""


@dataclass(frozen=True, slots=True)
class History:
    """Who reads what was written."""

    customer: Reader
    """Of the busiest account."""
    administrator: Reader


async def write(url: str, records: int) -> History:
    """Fill the migrated, empty books that a superuser's URL names with so many attempts."""
    words = {
        "accounts": ACCOUNTS,
        "administrator": ADMINISTRATOR,
        "credits": 10**15,
        "records": records,
        "seconds": DAYS * 86_400,
    }
    owner = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    try:
        for script in (_PLACES, _BOOKS):
            await owner.execute(script.format(**words), timeout=1_800)
        return History(
            Reader(await _session(owner, BUSIEST)),
            Reader(await _session(owner, ADMINISTRATOR), as_admin=True),
        )
    finally:
        await owner.close()


async def settle(url: str) -> None:
    """Leave the tables as maintenance leaves them."""
    owner = await asyncpg.connect(url)
    await owner.execute("VACUUM ANALYZE", timeout=1_800)
    await owner.close()


async def _session(owner: asyncpg.Connection, account_id: AccountId) -> UUID:
    session: UUID = await owner.fetchval(
        "SELECT tallystick.start_session($1, interval '6 hours')", account_id
    )
    return session
