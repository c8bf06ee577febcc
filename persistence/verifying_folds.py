"""What is always true of usage that was added up, as queries for exceptions.

Cells are compared figure by figure, so that what is wrong with one is named.
"""

from typing import Final

from persistence.verifying_parts import Rule

_FIGURES: Final = """
  SELECT account_id, minutes, moment, model_id, api_key_number, outcome, figure, amount
    FROM usage_folds
   CROSS JOIN LATERAL (
         VALUES ('attempts', attempts), ('input tokens', input_tokens),
                ('output tokens', output_tokens), ('charged', charged),
                ('provider cost', provider_cost), ('latency', latency_ms),
                ('first token', first_token_ms)
          UNION ALL
         SELECT format('latencies in bin %s', bin), count
           FROM unnest(latency_bins, latency_counts) h (bin, count)
          UNION ALL
         SELECT format('first tokens in bin %s', bin), count
           FROM unnest(first_token_bins, first_token_counts) h (bin, count)) f (figure, amount)
   WHERE amount <> 0
"""

_COMPARED: Final = """
SELECT format('usage_folds (%s, %s, %s, %s, %s, %s)', account_id, minutes, moment, model_id,
              api_key_number, outcome),
       format('%s is %s, but should be %s', figure, coalesce(c.amount, 0), coalesce(e.amount, 0))
"""
_MATCHED: Final = """
       USING (account_id, minutes, moment, model_id, api_key_number, outcome, figure)
 WHERE c.amount IS DISTINCT FROM e.amount
"""

_NARROWEST: Final = """
  WITH narrow AS (
  SELECT * FROM ({figures}) f WHERE account_id > 0 AND minutes = 15),
       records AS MATERIALIZED (
  SELECT u.account_id, u.moment - u.moment % 900000000 AS moment, u.model_id, u.api_key_number,
         u.outcome, u.input_tokens, u.output_tokens, u.charged, u.provider_cost,
         CASE u.outcome WHEN 'SUCCEEDED' THEN u.latency_ms END AS latency_ms,
         CASE u.outcome WHEN 'SUCCEEDED' THEN u.first_token_ms END AS first_token_ms
    FROM usage_records u JOIN fold_mark mark ON u.moment < mark.moment),
       expected AS (
  SELECT account_id, 15::smallint AS minutes, moment, model_id, api_key_number, outcome, figure,
         amount::bigint
    FROM (SELECT account_id, moment, model_id, api_key_number, outcome, count(*) AS attempts,
                 sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
                 sum(charged) AS charged, sum(provider_cost) AS provider_cost,
                 sum(latency_ms) AS latency_ms, sum(first_token_ms) AS first_token_ms
            FROM records GROUP BY account_id, moment, model_id, api_key_number, outcome) r
   CROSS JOIN LATERAL (
         VALUES ('attempts', attempts), ('input tokens', input_tokens),
                ('output tokens', output_tokens), ('charged', charged),
                ('provider cost', provider_cost), ('latency', latency_ms),
                ('first token', first_token_ms)) f (figure, amount)
   WHERE amount <> 0
   UNION ALL
  SELECT account_id, 15, moment, model_id, api_key_number, outcome,
         format('%s in bin %s', figure, CASE WHEN milliseconds < 1 THEN 0 ELSE
                1 + ceil(ln(milliseconds::float8) / ln(1.05 / 0.95)) END), count(*)
    FROM records
   CROSS JOIN LATERAL (VALUES ('latencies', latency_ms), ('first tokens', first_token_ms))
              d (figure, milliseconds)
   WHERE milliseconds IS NOT NULL
   GROUP BY 1, 3, 4, 5, 6, 7)
{compared}
  FROM narrow c FULL JOIN expected e {matched}"""

_WIDER: Final = """
  WITH figures AS MATERIALIZED ({figures}),
       wide AS (SELECT * FROM figures WHERE account_id = 0 OR minutes <> 15),
       expected AS (
  SELECT w.account_id, w.minutes, moment - moment % (w.minutes * 60000000::bigint) AS moment,
         model_id, w.api_key_number, outcome, figure, sum(amount)::bigint AS amount
    FROM figures f
   CROSS JOIN LATERAL (
         VALUES (f.account_id, 60::smallint, f.api_key_number),
                (f.account_id, 1440, f.api_key_number),
                (0, 15, least(f.api_key_number, 1)), (0, 60, least(f.api_key_number, 1)),
                (0, 1440, least(f.api_key_number, 1))) w (account_id, minutes, api_key_number)
   WHERE f.account_id > 0 AND f.minutes = 15
   GROUP BY 1, 2, 3, 4, 5, 6, 7)
{compared}
  FROM wide c FULL JOIN expected e {matched}"""


def _comparing(query: str) -> str:
    return query.format(figures=_FIGURES, compared=_COMPARED, matched=_MATCHED)


FOLDS: Final = (
    Rule(
        "What was folded of usage is the sum of the records before the mark.",
        _comparing(_NARROWEST),
    ),
    Rule(
        "What is folded wider, and of everybody, is the sum of the narrowest cells.",
        _comparing(_WIDER),
    ),
)
