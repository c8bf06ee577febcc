-- What is kept of the answers that end in one batch: their texts, a usage record of each attempt, and
-- its share of the hour's roll-up. Called by the functions of the hot path, which hold the balances'
-- locks and explain the arguments; an end whose model is null is not recorded. e_charged is what each
-- end charged, where that may be less than its cost.
CREATE FUNCTION record_attempts(
  p_words text[], p_purses bigint[], q_first bigint[], p_endings bigint[],
  e_charged bigint[], e_api_key integer[], e_model text[], e_price bigint[], p_texts text[], p_attempts bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  IF p_texts <> '{}' THEN
    INSERT INTO answer_texts (account_id, moment, key_number, text)
    SELECT p_purses[p_endings[x.i * 11 - 10] * 6 + 1], p_endings[x.i * 11 - 8], p_purses[p_endings[x.i * 11 - 10] * 6 + 2], x.text
      FROM (SELECT generate_subscripts(p_texts, 1) AS i, unnest(p_texts) AS text) x
     WHERE x.text IS NOT NULL AND e_model[x.i] IS NOT NULL;
  END IF;
  WITH added AS (
    INSERT INTO usage_records (
      account_id, moment, key_number, api_key_number, answer_moment, attempt, outcome, model_id, price_id,
      input_tokens, cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms,
      problem_code, provider_cost)
    SELECT p_purses[x.purse * 6 + 1], q_first[x.purse + 1] + x.at + x.attempt, p_purses[x.purse * 6 + 2],
           e_api_key[x.ending + 1], x.hold, x.attempt, x.outcome, x.model, e_price[x.ending + 1],
           x.input, x.cached, x.output, x.estimated = 1,
           CASE WHEN x.outcome IN ('SUCCEEDED', 'CANCELED') THEN coalesce(e_charged[x.ending + 1], x.cost) ELSE 0 END,
           nullif(x.latency, -1), nullif(x.first, -1), x.problem, nullif(x.provider_cost, -1)
      FROM (SELECT a.*, e_model[a.ending + 1] AS model, p_endings[a.ending * 11 + 1] AS purse, p_endings[a.ending * 11 + 2] AS at,
                   p_endings[a.ending * 11 + 3] AS hold, p_endings[a.ending * 11 + 5] AS cost
              FROM (SELECT p_attempts[i * 11 + 1] AS ending, p_attempts[i * 11 + 2] AS attempt, p_words[p_attempts[i * 11 + 3]] AS outcome,
                           p_attempts[i * 11 + 4] AS input, p_attempts[i * 11 + 5] AS cached, p_attempts[i * 11 + 6] AS output,
                           p_attempts[i * 11 + 7] AS estimated, p_attempts[i * 11 + 8] AS latency, p_attempts[i * 11 + 9] AS first,
                           p_words[p_attempts[i * 11 + 10]] AS problem, p_attempts[i * 11 + 11] AS provider_cost
                      FROM generate_series(0, cardinality(p_attempts) / 11 - 1) i OFFSET 0) a OFFSET 0) x
     WHERE x.model IS NOT NULL
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
