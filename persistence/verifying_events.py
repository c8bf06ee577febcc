"""What is always true of events that were told, as queries for exceptions: each has its cause."""

from typing import Final

from persistence.verifying_parts import Rule

EVENTS: Final = (
    Rule(
        "An answer that was told has finished as it was told, and was told once.",
        """
SELECT format('told_events (%s)', e.id),
       format('told %s time(s), %s for %s, but the answer is %s for %s', e.times, e.status,
              e.charged, coalesce(a.status, 'missing'), coalesce(a.charged::text, 'nothing'))
  FROM (SELECT id, (facts->>'account')::bigint AS account, (facts->>'moment')::bigint AS moment,
               (facts->>'key')::integer AS key, facts->>'status' AS status,
               (facts->>'charged')::bigint AS charged,
               count(*) OVER (
                 PARTITION BY facts->'account', facts->'moment', facts->'key') AS times
          FROM told_events WHERE type = 'answer.finished') e
  LEFT JOIN answers a ON a.account_id = e.account AND a.moment = e.moment AND a.key_number = e.key
 WHERE e.times > 1 OR a.ended_moment IS NULL OR (a.status, a.charged) <> (e.status, e.charged)""",
    ),
    Rule(
        "A low balance that was told fell below then, and was told as often as it fell at most.",
        """
SELECT format('balances (%s, %s)', t.account, t.key),
       format('told %s time(s) to be below %s, but fell below it %s time(s)',
              t.times, t.threshold, f.times)
  FROM (SELECT (facts->>'account')::bigint AS account, (facts->>'key')::integer AS key,
               (facts->>'threshold')::bigint AS threshold, count(*) AS times
          FROM told_events WHERE type = 'balance.low' GROUP BY 1, 2, 3) t
 CROSS JOIN LATERAL (
   SELECT count(*) AS times FROM entries e
    WHERE e.account_id = t.account AND e.key_number = t.key
      AND e.total_after < t.threshold AND e.total_after - e.amount >= t.threshold) f
 WHERE t.times > f.times""",
    ),
    Rule(
        "A payment that was told is one of the account's, and brought credits if that was told.",
        """
SELECT format('told_events (%s)', e.id),
       format('told to be %s, but the payment is %s', e.status, coalesce(p.status, 'missing'))
  FROM (SELECT id, (facts->>'account')::bigint AS account, (facts->>'moment')::bigint AS moment,
               facts->>'status' AS status
          FROM told_events WHERE type LIKE 'payment.%') e
  LEFT JOIN payments p ON p.account_id = e.account AND p.moment = e.moment
 WHERE p.moment IS NULL OR (e.status IN ('SUCCEEDED', 'REVERSED') AND p.entry_moment IS NULL)""",
    ),
)
