"""What is always true of balances, entries, holds, lots, usage and keys, as queries for exceptions.

Each query answers with the rows that break its rule, by name, and with what is wrong about them.
"""

from typing import Final

from persistence.verifying_events import EVENTS
from persistence.verifying_folds import FOLDS
from persistence.verifying_keys import API_KEYS
from persistence.verifying_parts import Rule
from persistence.verifying_payments import PAYMENTS

BALANCES: Final = (
    Rule(
        "What is available, held, owed and unattributed is never negative.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('total %s, held %s, owed %s, unattributed %s', total, held, owed, unattributed)
  FROM balances
 WHERE held < 0 OR total < held OR owed < 0 OR unattributed < 0""",
    ),
    Rule(
        "The total of a purse is the sum of its entries, and it counts them all.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('total %s of %s entries, but they are %s of %s',
              b.total, b.entries, coalesce(e.total, 0), coalesce(e.entries, 0))
  FROM balances b
  LEFT JOIN (SELECT account_id, key_number, sum(amount) AS total, count(*) AS entries
               FROM entries GROUP BY account_id, key_number) e USING (account_id, key_number)
 WHERE b.total <> coalesce(e.total, 0) OR b.entries <> coalesce(e.entries, 0)""",
    ),
    Rule(
        "Entries are numbered from one without a gap, and each total follows from the last.",
        """
SELECT format('entries (%s, %s, %s)', account_id, moment, key_number),
       format('number %s leads to %s by %s, but number %s led to %s',
              seq, total_after, amount, last_seq, last_total)
  FROM (SELECT *, lag(seq, 1, 0::bigint) OVER purse AS last_seq,
               lag(total_after, 1, 0::bigint) OVER purse AS last_total
          FROM entries
        WINDOW purse AS (PARTITION BY account_id, key_number ORDER BY moment)) e
 WHERE seq <> last_seq + 1 OR total_after <> last_total + amount OR total_after < 0""",
    ),
    Rule(
        "What is held is the sum of the open holds.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('held %s, but its open holds are %s', b.held, coalesce(h.held, 0))
  FROM balances b
  LEFT JOIN (SELECT account_id, key_number, sum(amount) AS held
               FROM holds WHERE ended_moment IS NULL GROUP BY account_id, key_number) h
       USING (account_id, key_number)
 WHERE b.held <> coalesce(h.held, 0)""",
    ),
    Rule(
        "Nothing happened to a purse later than the last moment its balance knows.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('knows of %s, but something happened at %s', b.moment, last.moment)
  FROM balances b
  JOIN (SELECT account_id, key_number, max(moment) AS moment
          FROM (SELECT account_id, key_number, moment FROM entries
                UNION ALL
                SELECT account_id, key_number, greatest(moment, ended_moment) FROM holds
                UNION ALL
                SELECT account_id, key_number, moment FROM usage_records
                UNION ALL
                SELECT account_id, key_number, moment FROM lots
                UNION ALL
                SELECT account_id, key_number, moment FROM idempotency_keys) happened
         GROUP BY account_id, key_number) last USING (account_id, key_number)
 WHERE last.moment > b.moment""",
    ),
    Rule(
        "Every row belongs to a balance.",
        """
SELECT DISTINCT format('%s of purse (%s, %s)', kind, account_id, key_number),
       'there is no such balance'
  FROM (SELECT 'entries' AS kind, account_id, key_number FROM entries
        UNION ALL SELECT 'holds', account_id, key_number FROM holds
        UNION ALL SELECT 'answer_texts', account_id, key_number FROM answer_texts
        UNION ALL SELECT 'answer_replies', account_id, key_number FROM answer_replies
        UNION ALL SELECT 'waiting_questions', account_id, key_number FROM waiting_questions
        UNION ALL SELECT 'lots', account_id, key_number FROM lots
        UNION ALL SELECT 'usage_records', account_id, key_number FROM usage_records
        UNION ALL SELECT 'idempotency_keys', account_id, key_number FROM idempotency_keys) r
  LEFT JOIN balances b USING (account_id, key_number)
 WHERE b.moment IS NULL""",
    ),
    Rule(
        "Every balance belongs to an account, and every account has a balance.",
        """
SELECT CASE WHEN a.id IS NULL THEN format('balances (%s, %s)', b.account_id, b.key_number)
            ELSE format('accounts (%s)', a.id) END,
       CASE WHEN a.id IS NULL THEN 'there is no such account' ELSE 'it has no balance' END
  FROM balances b
  FULL JOIN accounts a ON a.id = b.account_id
 WHERE a.id IS NULL OR b.account_id IS NULL""",
    ),
)

_HOLDS: Final = (
    Rule(
        "A hold ends at most once, and is never captured beyond its amount.",
        """
SELECT format('holds (%s, %s, %s)', account_id, moment, key_number),
       format('%s, captured %s of %s, ended at %s',
              status, captured, amount, coalesce(ended_moment::text, 'no moment'))
  FROM holds
 WHERE captured < 0 OR captured > amount OR ended_moment <= moment
    OR (status = 'OPEN') <> (ended_moment IS NULL)
    OR (captured > 0 AND status <> 'CAPTURED')
    OR status NOT IN ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')""",
    ),
    Rule(
        "What a hold captured is one charge at the moment it ended, and no charge is of no hold.",
        """
SELECT CASE WHEN h.moment IS NULL
            THEN format('entries (%s, %s, %s)', e.account_id, e.moment, e.key_number)
            ELSE format('holds (%s, %s, %s)', h.account_id, h.moment, h.key_number) END,
       format('captured %s, charged %s',
              coalesce(h.captured::text, 'by no hold'), coalesce((-e.amount)::text, 'by no entry'))
  FROM (SELECT * FROM holds WHERE captured > 0) h
  FULL JOIN (SELECT * FROM entries WHERE kind = 'CHARGE' OR hold_moment IS NOT NULL) e
       ON e.account_id = h.account_id AND e.key_number = h.key_number AND e.moment = h.ended_moment
 WHERE h.captured IS DISTINCT FROM -e.amount OR e.hold_moment IS DISTINCT FROM h.moment
    OR e.kind IS DISTINCT FROM 'CHARGE'""",
    ),
    Rule(
        "An answer and its hold agree about how they stand.",
        """
SELECT format('holds (%s, %s, %s)', account_id, moment, key_number),
       format('the hold is %s, its answer has the end %s and the failure %s', status,
              coalesce(finish_reason, 'none'), coalesce(failure, 'none'))
  FROM holds
 WHERE CASE
       WHEN model_id IS NULL OR status = 'OPEN'
            THEN finish_reason IS NOT NULL OR failure IS NOT NULL
       WHEN status = 'CAPTURED' THEN failure IS NOT NULL
       WHEN status = 'EXPIRED' THEN failure IS NULL
       ELSE (failure IS NULL) <> (finish_reason IS NOT DISTINCT FROM 'CANCELED') END""",
    ),
    Rule(
        "Every hold up to the sweep mark has ended.",
        """
SELECT format('holds (%s, %s, %s)', h.account_id, h.moment, h.key_number),
       format('open, but the sweep mark is at %s', mark.moment)
  FROM holds h JOIN sweep_mark mark ON h.moment <= mark.moment
 WHERE h.ended_moment IS NULL""",
    ),
)

_LOTS: Final = (
    Rule(
        "What is left in the lots of a purse, without what is not yet attributed, is its total.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('total %s, but its lots hold %s, of which %s is spent',
              total, coalesce(l.remaining, 0), unattributed)
  FROM balances
  LEFT JOIN (SELECT account_id, key_number, sum(remaining) AS remaining
               FROM lots GROUP BY account_id, key_number) l USING (account_id, key_number)
 WHERE total <> coalesce(l.remaining, 0) - unattributed""",
    ),
    Rule(
        "A lot never holds more than came in, nor less than nothing.",
        """
SELECT format('lots (%s, %s, %s)', account_id, moment, key_number),
       format('%s left of %s', remaining, amount)
  FROM lots WHERE amount <= 0 OR remaining < 0 OR remaining > amount""",
    ),
    Rule(
        "Credits that came in by an entry are its lots, no more and no less.",
        """
SELECT CASE WHEN e.moment IS NULL
            THEN format('lots of entry (%s, %s, %s)', l.account_id, l.entry_moment, l.key_number)
            ELSE format('entries (%s, %s, %s)', e.account_id, e.moment, e.key_number) END,
       format('brought in %s, and its lots %s', coalesce(e.amount, 0), coalesce(l.amount, 0))
  FROM (SELECT * FROM entries WHERE amount > 0) e
  FULL JOIN (SELECT account_id, entry_moment, key_number, sum(amount) AS amount
               FROM lots GROUP BY account_id, entry_moment, key_number) l
       ON l.account_id = e.account_id AND l.entry_moment = e.moment
      AND l.key_number = e.key_number
 WHERE e.amount IS DISTINCT FROM l.amount""",
    ),
    Rule(
        "A balance knows when the first of its credits lapse.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('knows of %s, but a lot lapses at %s', coalesce(next_expiry::text, 'none'), first)
  FROM balances
  JOIN (SELECT account_id, key_number, min(expires_at) AS first
          FROM lots WHERE remaining > 0 GROUP BY account_id, key_number) l
       USING (account_id, key_number)
 WHERE first < coalesce(next_expiry, 'infinity')""",
    ),
)

_USAGE: Final = (
    Rule(
        "An answer has a usage record for each attempt, and they charge what was captured.",
        """
SELECT format('holds (%s, %s, %s)', h.account_id, h.moment, h.key_number),
       format('%s attempts, captured %s, but %s records charge %s',
              h.attempts, h.captured, coalesce(u.records, 0), coalesce(u.charged, 0))
  FROM holds h
  LEFT JOIN (SELECT account_id, answer_moment, key_number, count(*) AS records,
                    sum(charged) AS charged
               FROM usage_records WHERE answer_moment IS NOT NULL
              GROUP BY account_id, answer_moment, key_number) u
       ON u.account_id = h.account_id AND u.answer_moment = h.moment
      AND u.key_number = h.key_number
 WHERE h.model_id IS NOT NULL
   AND (h.attempts <> coalesce(u.records, 0) OR h.captured <> coalesce(u.charged, 0))""",
    ),
    Rule(
        "A usage record is of an attempt at an answer, right after its end, or of a refusal.",
        """
SELECT format('usage_records (%s, %s, %s)', u.account_id, u.moment, u.key_number),
       format('%s, attempt %s of the answer of %s, which ended at %s, with model, price and key %s',
              u.outcome, u.attempt, coalesce(u.answer_moment::text, 'no moment'),
              coalesce(h.ended_moment::text, 'no moment'),
              (u.model_id, u.price_id, u.api_key_number))
  FROM usage_records u
  LEFT JOIN holds h ON h.account_id = u.account_id AND h.moment = u.answer_moment
                   AND h.key_number = u.key_number
 WHERE CASE WHEN u.answer_moment IS NULL THEN u.outcome <> 'REFUSED'
            ELSE h.ended_moment + u.attempt IS DISTINCT FROM u.moment
              OR (u.model_id, u.price_id, u.api_key_number)
                 IS DISTINCT FROM (h.model_id, h.price_id, h.api_key_number) END""",
    ),
    Rule(
        "Nothing is charged beyond what its tokens cost at the price it was asked for.",
        """
SELECT format('usage_records (%s, %s, %s)', account_id, moment, key_number),
       format('charged %s, at price %s of %s tokens in and %s out', u.charged,
              coalesce(p.id::text, 'none'), u.input_tokens, u.output_tokens)
  FROM usage_records u
  LEFT JOIN model_prices p ON p.id = u.price_id AND p.model_id = u.model_id
 WHERE u.charged > 0 AND u.charged > coalesce(p.per_request + div(
         (u.input_tokens - u.cached_input_tokens)::numeric * p.input_per_1k
         + u.cached_input_tokens::numeric * p.cached_input_per_1k
         + u.output_tokens::numeric * p.output_per_1k + 999, 1000), 0)""",
    ),
    Rule(
        "Only what was delivered is charged.",
        """
SELECT format('usage_records (%s, %s, %s)', account_id, moment, key_number),
       format('%s, charged %s', outcome, charged)
  FROM usage_records
 WHERE charged < 0 OR (charged > 0 AND outcome NOT IN ('SUCCEEDED', 'CANCELED'))""",
    ),
    Rule(
        "The roll-ups are the sums of the usage records, hour by hour.",
        """
SELECT format('usage_hours (%s, %s, %s, %s)', account_id, hour, model_id, api_key_number),
       format('%s, but the records say %s',
              coalesce(h.sums::text, 'nothing'), coalesce(u.sums::text, 'nothing'))
  FROM (SELECT account_id, hour, model_id, api_key_number,
               (attempts, succeeded, failed, canceled, refused, input_tokens::numeric,
                cached_input_tokens::numeric, output_tokens::numeric, charged::numeric, latency_ms,
                first_token_ms, provider_cost::numeric) AS sums
          FROM usage_hours) h
  FULL JOIN (
        SELECT account_id, to_timestamp(moment / 3600000000 * 3600) AS hour, model_id,
               api_key_number,
               (count(*),
                count(*) FILTER (WHERE outcome = 'SUCCEEDED'),
                count(*) FILTER (WHERE outcome = 'FAILED'),
                count(*) FILTER (WHERE outcome = 'CANCELED'),
                count(*) FILTER (WHERE outcome = 'REFUSED'),
                sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(charged),
                coalesce(sum(latency_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0),
                coalesce(sum(first_token_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0),
                coalesce(sum(provider_cost), 0)) AS sums
          FROM usage_records
         GROUP BY 1, 2, 3, 4) u
       USING (account_id, hour, model_id, api_key_number)
 WHERE h.sums IS DISTINCT FROM u.sums""",
    ),
)

_KEYS: Final = (
    Rule(
        "An idempotency key has one effect.",
        """
SELECT format('holds with key %s of account %s', key, account_id), format('%s holds', count(*))
  FROM holds GROUP BY account_id, key HAVING count(*) > 1
UNION ALL
SELECT format('idempotency_keys (%s, %s, %s)', account_id, operation, key),
       format('%s effects', count(*))
  FROM idempotency_keys GROUP BY account_id, operation, key HAVING count(*) > 1""",
    ),
    Rule(
        "What is given back of a charge, over all times, is never more than the charge.",
        """
SELECT format('entries (%s, %s, %s)', r.account_id, r.reverses_moment, r.key_number),
       format('%s given back of %s', r.amount, coalesce((-e.amount)::text, 'no charge'))
  FROM (SELECT account_id, reverses_moment, key_number, sum(amount) AS amount
          FROM entries WHERE kind = 'REFUND'
         GROUP BY account_id, reverses_moment, key_number) r
  LEFT JOIN entries e ON e.account_id = r.account_id AND e.moment = r.reverses_moment
                     AND e.key_number = r.key_number AND e.kind = 'CHARGE'
 WHERE e.amount IS NULL OR r.amount > -e.amount""",
    ),
)

_ORIGINS: Final = (
    Rule(
        "What was recharged, adjusted, refunded or moved was asked for by a key.",
        """
SELECT format('entries (%s, %s, %s)', account_id, moment, key_number),
       format('%s of %s by no key', kind, amount)
  FROM entries e
 WHERE (kind IN ('RECHARGE', 'ADJUSTMENT', 'REFUND') OR (kind = 'TRANSFER' AND amount < 0))
   AND NOT EXISTS (SELECT FROM idempotency_keys k WHERE k.account_id = e.account_id
                      AND k.moment = e.moment AND k.key_number = e.key_number)""",
    ),
    Rule(
        "What moves between an account and its keys is neither more nor less on the other side.",
        """
SELECT format('accounts (%s)', account_id), format('what was moved adds up to %s', sum(amount))
  FROM entries WHERE kind = 'TRANSFER' GROUP BY account_id HAVING sum(amount) <> 0""",
    ),
    Rule(
        "An account is given its sign-up credits once.",
        """
SELECT format('accounts (%s)', account_id), format('%s of them', count(*))
  FROM entries WHERE kind = 'SIGN_UP_GRANT' GROUP BY account_id HAVING count(*) > 1""",
    ),
    Rule(
        "Only credits whose time is over have expired.",
        """
SELECT format('balances (%s, %s)', account_id, key_number),
       format('%s expired, but the lots whose time is over lost %s', e.expired, coalesce(l.lost, 0))
  FROM (SELECT account_id, key_number, -sum(amount) AS expired
          FROM entries WHERE kind = 'EXPIRY' GROUP BY account_id, key_number) e
  LEFT JOIN (SELECT account_id, key_number, sum(amount - remaining) AS lost
               FROM lots WHERE expires_at <= clock_timestamp()
              GROUP BY account_id, key_number) l USING (account_id, key_number)
 WHERE e.expired > coalesce(l.lost, 0)""",
    ),
)

RULES: Final = (
    *BALANCES,
    *_HOLDS,
    *_LOTS,
    *_USAGE,
    *_KEYS,
    *_ORIGINS,
    *FOLDS,
    *PAYMENTS,
    *API_KEYS,
    *EVENTS,
)
