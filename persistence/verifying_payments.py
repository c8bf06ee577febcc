"""What is always true of payments and of the credits they bring, as queries for exceptions."""

from typing import Final

from persistence.verifying_parts import Rule

PAYMENTS: Final = (
    Rule(
        "A payment that succeeded has one purchase of its credits, and every purchase is paid for.",
        """
SELECT CASE WHEN p.moment IS NULL THEN format('entries (%s, %s, 0)', e.account_id, e.moment)
            ELSE format('payments (%s, %s, 0)', p.account_id, p.moment) END,
       format('%s, for %s credits, but the purchase is %s', coalesce(p.status, 'no payment'),
              coalesce((p.credits + p.bonus)::text, 'no'), coalesce(e.amount::text, 'missing'))
  FROM (SELECT * FROM payments
         WHERE entry_moment IS NOT NULL OR status IN ('SUCCEEDED', 'REVERSED')) p
  FULL JOIN (SELECT * FROM entries WHERE kind = 'PURCHASE') e
       ON e.account_id = p.account_id AND e.moment = p.entry_moment AND e.key_number = 0
 WHERE p.status IS NULL OR p.status NOT IN ('SUCCEEDED', 'REVERSED')
    OR e.amount IS DISTINCT FROM p.credits + p.bonus""",
    ),
    Rule(
        "What is taken back of a payment is what its refunds and disputes say, and no more.",
        """
SELECT format('payments (%s, %s, 0)', p.account_id, p.moment),
       format('%s of %s went back with %s credits, but its refunds and disputes are %s',
              money_back, price, taken_back, coalesce(r.back, 0))
  FROM payments p
  LEFT JOIN (SELECT account_id, payment_moment, sum(amount) AS back
               FROM payment_reversals WHERE state IN ('PENDING', 'SUCCEEDED', 'OPEN', 'LOST')
              GROUP BY account_id, payment_moment) r
       ON r.account_id = p.account_id AND r.payment_moment = p.moment
 WHERE entry_moment IS NOT NULL
   AND (money_back <> least(price, coalesce(r.back, 0))
        OR taken_back <> div((credits + bonus)::numeric * money_back + price - 1, price))""",
    ),
    Rule(
        "The lines of a payment are its credits, less what was taken back and was there to take.",
        """
SELECT format('payments (%s, %s, 0)', p.account_id, p.moment),
       format('brought %s, of which %s were taken back and %s became owed, but its lines are %s',
              credits + bonus, taken_back, became_owed, coalesce(l.amount, 0))
  FROM payments p
  LEFT JOIN (SELECT n.account_id, n.payment_moment, sum(e.amount) AS amount
               FROM payment_entries n
               JOIN entries e USING (account_id, moment, key_number)
              GROUP BY n.account_id, n.payment_moment) l
       ON l.account_id = p.account_id AND l.payment_moment = p.moment
 WHERE coalesce(l.amount, 0) <> CASE WHEN entry_moment IS NULL THEN 0
                                     ELSE credits + bonus - taken_back + became_owed END""",
    ),
    Rule(
        "A line of a payment is a purchase or a chargeback, of a payment that is there.",
        """
SELECT format('payment_entries (%s, %s, %s)', n.account_id, n.moment, n.key_number),
       format('a line of kind %s of %s', coalesce(e.kind, 'none'),
              CASE WHEN p.moment IS NULL THEN 'no payment' ELSE 'payment ' || p.moment END)
  FROM payment_entries n
  LEFT JOIN entries e USING (account_id, moment, key_number)
  LEFT JOIN payments p ON p.account_id = n.account_id AND p.moment = n.payment_moment
 WHERE p.moment IS NULL OR e.kind IS NULL OR e.kind NOT IN ('PURCHASE', 'CHARGEBACK')""",
    ),
    Rule(
        "What an account owes became owed by its payments and was not repaid yet.",
        """
SELECT format('balances (%s, 0)', account_id),
       format('owes %s, but %s became owed and %s was repaid', b.owed, p.became_owed,
              coalesce(-r.amount, 0))
  FROM (SELECT account_id, sum(became_owed) AS became_owed FROM payments
         WHERE entry_moment IS NOT NULL GROUP BY account_id) p
  JOIN balances b USING (account_id)
  LEFT JOIN (SELECT e.account_id, sum(e.amount) AS amount
               FROM entries e
              WHERE e.kind = 'CHARGEBACK' AND e.key_number = 0
                AND NOT EXISTS (SELECT FROM payment_entries n WHERE n.account_id = e.account_id
                                   AND n.moment = e.moment AND n.key_number = 0)
              GROUP BY e.account_id) r USING (account_id)
 WHERE b.key_number = 0 AND b.owed <> p.became_owed + coalesce(r.amount, 0)""",
    ),
    Rule(
        "A refund, a dispute and a message are of a payment that is there.",
        """
SELECT format('%s (%s, %s)', of.name, of.account_id, of.reference), 'there is no such payment'
  FROM (SELECT 'payment_reversals' AS name, account_id, payment_moment, reference
          FROM payment_reversals
        UNION ALL
        SELECT 'payment_events', account_id, payment_moment, key FROM payment_events) of
  LEFT JOIN payments p ON p.account_id = of.account_id AND p.moment = of.payment_moment
 WHERE p.moment IS NULL""",
    ),
    Rule(
        "A payment began at a moment that its balance knows.",
        """
SELECT format('payments (%s, %s, 0)', p.account_id, p.moment),
       format('the last moment of the balance is %s', coalesce(b.moment::text, 'none'))
  FROM payments p
  LEFT JOIN balances b ON b.account_id = p.account_id AND b.key_number = 0
 WHERE b.moment IS NULL OR b.moment < p.moment""",
    ),
)
