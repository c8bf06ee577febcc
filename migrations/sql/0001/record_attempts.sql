-- What is kept of the answers that end in one batch: their texts, a usage record of each attempt, and
-- its share of the hour's roll-up. Called by the functions of the hot path, which hold the balances'
-- locks and explain the arguments; an end whose model is null is not recorded.
CREATE FUNCTION record_attempts(
  p_account bigint[], p_key integer[], q_first bigint[],
  e_purse integer[], e_at integer[], e_hold bigint[], e_charged bigint[], e_api_key integer[], e_model text[], e_price bigint[],
  e_text text[],
  u_end integer[], u_attempt smallint[], u_outcome text[], u_input bigint[], u_cached bigint[], u_output bigint[],
  u_estimated boolean[], u_latency integer[], u_first integer[], u_problem text[], u_cost bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  INSERT INTO answer_texts (account_id, moment, key_number, text)
  SELECT p_account[x.purse], x.hold, p_key[x.purse], x.text
    FROM (SELECT unnest(e_purse) AS purse, unnest(e_hold) AS hold, unnest(e_text) AS text, unnest(e_model) AS model) x
   WHERE x.text IS NOT NULL AND x.model IS NOT NULL;
  WITH added AS (
    INSERT INTO usage_records (
      account_id, moment, key_number, api_key_number, answer_moment, attempt, outcome, model_id, price_id,
      input_tokens, cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms,
      problem_code, provider_cost)
    SELECT p_account[e_purse[x.place]], q_first[e_purse[x.place]] + e_at[x.place] + x.attempt, p_key[e_purse[x.place]],
           e_api_key[x.place], e_hold[x.place], x.attempt, x.outcome, e_model[x.place], e_price[x.place],
           x.input, x.cached, x.output, x.estimated,
           CASE WHEN x.outcome IN ('SUCCEEDED', 'CANCELED') THEN e_charged[x.place] ELSE 0 END,
           x.latency, x.first, x.problem, x.cost
      FROM (SELECT unnest(u_end) AS place, unnest(u_attempt) AS attempt, unnest(u_outcome) AS outcome,
                   unnest(u_input) AS input, unnest(u_cached) AS cached, unnest(u_output) AS output,
                   unnest(u_estimated) AS estimated, unnest(u_latency) AS latency, unnest(u_first) AS first,
                   unnest(u_problem) AS problem, unnest(u_cost) AS cost) x
     WHERE e_model[x.place] IS NOT NULL
    RETURNING account_id, moment / 3600000000 AS hour, model_id, api_key_number, outcome, input_tokens, cached_input_tokens, output_tokens,
              charged, latency_ms, first_token_ms, provider_cost)
  INSERT INTO usage_hours AS t (
    account_id, hour, model_id, api_key_number, attempts, succeeded, failed, canceled, refused,
    input_tokens, cached_input_tokens, output_tokens, charged, latency_ms, first_token_ms, provider_cost)
  SELECT account_id, to_timestamp(hour * 3600), model_id, api_key_number, count(*),
         count(*) FILTER (WHERE outcome = 'SUCCEEDED'), count(*) FILTER (WHERE outcome = 'FAILED'),
         count(*) FILTER (WHERE outcome = 'CANCELED'), 0,
         sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(charged),
         coalesce(sum(latency_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0),
         coalesce(sum(first_token_ms) FILTER (WHERE outcome = 'SUCCEEDED'), 0), coalesce(sum(provider_cost), 0)
    FROM added
   GROUP BY account_id, hour, model_id, api_key_number
   ORDER BY account_id, hour, model_id, api_key_number
  ON CONFLICT (account_id, hour, model_id, api_key_number) DO UPDATE SET
    attempts = t.attempts + excluded.attempts, succeeded = t.succeeded + excluded.succeeded,
    failed = t.failed + excluded.failed, canceled = t.canceled + excluded.canceled,
    input_tokens = t.input_tokens + excluded.input_tokens,
    cached_input_tokens = t.cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = t.output_tokens + excluded.output_tokens, charged = t.charged + excluded.charged,
    latency_ms = t.latency_ms + excluded.latency_ms, first_token_ms = t.first_token_ms + excluded.first_token_ms,
    provider_cost = t.provider_cost + excluded.provider_cost;
END $$
