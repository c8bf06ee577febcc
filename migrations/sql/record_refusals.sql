-- Usage records of the questions of one batch that were turned away for lack of credits, and their
-- roll-up. Called by apply(), which holds the balances' locks and gave each refusal its moment.
CREATE FUNCTION record_refusals(
  p_accounts bigint[], p_keys integer[], o_purse integer[], r_outcome smallint[], r_moment bigint[],
  b_op integer[], b_api_key integer[], b_model text[], b_price bigint[], p_now timestamptz
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  WITH added AS (
    INSERT INTO usage_records (
      account_id, moment, key_number, api_key_number, attempt, outcome, model_id, price_id, input_tokens,
      cached_input_tokens, output_tokens, is_estimated, charged, problem_code)
    SELECT p_accounts[o_purse[x.op]], r_moment[x.op], p_keys[o_purse[x.op]], x.api_key, 1, 'REFUSED',
           x.model, x.price, 0, 0, 0, false, 0, 'INSUFFICIENT_CREDITS'
      FROM unnest(b_op, b_api_key, b_model, b_price) AS x (op, api_key, model, price)
     WHERE r_outcome[x.op] = 3 AND x.model IS NOT NULL
    RETURNING account_id, model_id, api_key_number)
  INSERT INTO usage_hours AS t (
    account_id, hour, model_id, api_key_number, attempts, succeeded, failed, canceled, refused,
    input_tokens, cached_input_tokens, output_tokens, charged, latency_ms, first_token_ms, provider_cost)
  SELECT account_id, date_trunc('hour', p_now, 'UTC'), model_id, api_key_number, count(*), 0, 0, 0, count(*), 0, 0, 0, 0, 0, 0, 0
    FROM added
   GROUP BY account_id, model_id, api_key_number
   ORDER BY account_id, model_id, api_key_number
  ON CONFLICT (account_id, hour, model_id, api_key_number) DO UPDATE SET
    attempts = t.attempts + excluded.attempts, refused = t.refused + excluded.refused
$$
