-- Usage records of the questions of one batch that were turned away for lack of credits or of budget,
-- and their roll-up. Called by apply_carefully(), which holds the balances' locks and gave each refusal its
-- moment; its outcomes of the holds follow those of p_ends ends.
CREATE OR REPLACE FUNCTION record_refusals(
  p_account bigint[], p_key integer[], p_ends integer, r_outcome bigint[], r_moment bigint[],
  b_purse integer[], b_api_key integer[], b_model text[], b_price bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  WITH added AS (
    INSERT INTO usage_records (
      account_id, moment, key_number, api_key_number, attempt, outcome, model_id, price_id, input_tokens,
      cached_input_tokens, output_tokens, is_estimated, charged, problem_code)
    SELECT p_account[x.purse], r_moment[p_ends + x.place], p_key[x.purse], x.api_key, 1, 'REFUSED',
           x.model, x.price, 0, 0, 0, false, 0,
           CASE r_outcome[p_ends + x.place] WHEN 3 THEN 'INSUFFICIENT_CREDITS' ELSE 'BUDGET_EXCEEDED' END
      FROM (SELECT generate_subscripts(b_purse, 1) AS place, unnest(b_purse) AS purse, unnest(b_api_key) AS api_key,
                   unnest(b_model) AS model, unnest(b_price) AS price) x
     WHERE r_outcome[p_ends + x.place] IN (3, 6) AND x.model IS NOT NULL
    RETURNING account_id, moment / 3600000000 AS hour, model_id, api_key_number)
  INSERT INTO usage_hours AS t (
    account_id, hour, model_id, api_key_number, attempts, succeeded, failed, canceled, refused,
    input_tokens, cached_input_tokens, output_tokens, charged, latency_ms, first_token_ms, provider_cost)
  SELECT account_id, to_timestamp(hour * 3600), model_id, api_key_number, count(*), 0, 0, 0, count(*), 0, 0, 0, 0, 0, 0, 0
    FROM added
   GROUP BY account_id, hour, model_id, api_key_number
   ORDER BY account_id, hour, model_id, api_key_number
  ON CONFLICT (account_id, hour, model_id, api_key_number) DO UPDATE SET
    attempts = t.attempts + excluded.attempts, refused = t.refused + excluded.refused;
END $$
