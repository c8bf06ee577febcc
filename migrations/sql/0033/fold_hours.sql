-- The hours of accounts, which fold_usage() keeps from now on, added up from their quarters of an hour.
WITH quarters AS MATERIALIZED (
  SELECT account_id, moment - moment % 3600000000 AS hour, model_id, api_key_number, outcome, attempts, input_tokens, output_tokens,
         charged, provider_cost, latency_ms, latency_bins, latency_counts, first_token_ms, first_token_bins, first_token_counts
    FROM usage_folds
   WHERE account_id > 0 AND minutes = 15),
sums AS (
  SELECT account_id, hour, model_id, api_key_number, outcome, sum(attempts) AS attempts, sum(input_tokens) AS input_tokens,
         sum(output_tokens) AS output_tokens, sum(charged) AS charged, sum(provider_cost) AS provider_cost,
         sum(latency_ms) AS latency_ms, sum(first_token_ms) AS first_token_ms
    FROM quarters
   GROUP BY account_id, hour, model_id, api_key_number, outcome),
bins AS (
  SELECT account_id, hour, model_id, api_key_number, outcome, is_first, bin, sum(count) AS count
    FROM (SELECT account_id, hour, model_id, api_key_number, outcome, false AS is_first,
                 unnest(latency_bins) AS bin, unnest(latency_counts) AS count FROM quarters
          UNION ALL
          SELECT account_id, hour, model_id, api_key_number, outcome, true, unnest(first_token_bins), unnest(first_token_counts)
            FROM quarters) x
   GROUP BY account_id, hour, model_id, api_key_number, outcome, is_first, bin),
histograms AS (
  SELECT account_id, hour, model_id, api_key_number, outcome,
         array_agg(bin ORDER BY bin) FILTER (WHERE NOT is_first) AS latency_bins,
         array_agg(count ORDER BY bin) FILTER (WHERE NOT is_first) AS latency_counts,
         array_agg(bin ORDER BY bin) FILTER (WHERE is_first) AS first_token_bins,
         array_agg(count ORDER BY bin) FILTER (WHERE is_first) AS first_token_counts
    FROM bins
   GROUP BY account_id, hour, model_id, api_key_number, outcome)
INSERT INTO usage_folds (
  account_id, minutes, moment, model_id, api_key_number, outcome, attempts, input_tokens, output_tokens, charged, provider_cost,
  latency_ms, latency_bins, latency_counts, first_token_ms, first_token_bins, first_token_counts)
SELECT account_id, 60, hour, model_id, api_key_number, outcome, attempts, input_tokens, output_tokens, charged, provider_cost,
       latency_ms, coalesce(latency_bins, '{}'), coalesce(latency_counts, '{}'),
       first_token_ms, coalesce(first_token_bins, '{}'), coalesce(first_token_counts, '{}')
  FROM sums LEFT JOIN histograms USING (account_id, hour, model_id, api_key_number, outcome);
