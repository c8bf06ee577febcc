"""What is always true of API keys and their budgets, as queries for exceptions."""

from typing import Final

from persistence.verifying_parts import Rule

API_KEYS: Final = (
    Rule(
        "A budget counts what its key holds, and what it was charged in the period.",
        """
SELECT format('key_budgets (%s, %s)', account_id, key_number),
       format('held %s, charged %s, but the key holds %s and was charged %s',
              b.held, b.charged, h.held, u.charged)
  FROM key_budgets b
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0) AS held FROM holds
        WHERE account_id = b.account_id AND api_key_number = b.key_number
          AND ended_moment IS NULL) h
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(charged), 0) AS charged FROM usage_hours
        WHERE account_id = b.account_id AND api_key_number = b.key_number
          AND hour >= to_timestamp(b.period_start / 1000000)) u
 WHERE b.held <> h.held OR b.charged <> u.charged""",
    ),
    Rule(
        "What was asked with an API key is of a key that there is, and paid from its purse.",
        """
SELECT format('holds (%s, %s, %s)', h.account_id, h.moment, h.key_number),
       format('asked with key %s, funding %s', h.api_key_number, coalesce(k.funding, 'none'))
  FROM holds h
  LEFT JOIN api_keys k ON k.account_id = h.account_id AND k.key_number = h.api_key_number
 WHERE h.api_key_number <> 0
   AND h.key_number IS DISTINCT FROM
       CASE k.funding WHEN 'OWN' THEN k.key_number WHEN 'ACCOUNT' THEN 0 END""",
    ),
    Rule(
        "A key with credits of its own has a purse, which is empty once it was emptied.",
        """
SELECT format('api_keys (%s, %s)', account_id, key_number),
       coalesce(format('emptied, but its purse holds %s', b.total), 'it has no purse')
  FROM api_keys k
  LEFT JOIN balances b USING (account_id, key_number)
 WHERE k.funding = 'OWN' AND (b.total IS NULL OR (b.total > 0 AND k.emptied_at IS NOT NULL))""",
    ),
)
