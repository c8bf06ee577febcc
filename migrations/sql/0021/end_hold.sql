-- The end of a hold alone in its batch, as it usually is: captured or released after at most one
-- attempt. Returns its moment and the purse's total and held right after it; null, with nothing done,
-- when hold or purse need more thought: see apply().
CREATE OR REPLACE FUNCTION end_hold(
  p_account bigint, p_key_number integer, p_hold bigint, p_status text, p_cost bigint,
  p_text text DEFAULT NULL, p_finish text DEFAULT NULL, p_failure text DEFAULT NULL, p_attempts smallint DEFAULT 0::smallint,
  p_outcome text DEFAULT NULL, p_input bigint DEFAULT 0, p_cached bigint DEFAULT 0, p_output bigint DEFAULT 0,
  p_is_estimated boolean DEFAULT false, p_latency integer DEFAULT NULL, p_first integer DEFAULT NULL,
  p_problem text DEFAULT NULL, p_provider_cost bigint DEFAULT NULL
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_now timestamptz;
  v_moment bigint;
  v_total bigint;
  v_held bigint;
  v_seq bigint;
  v_amount bigint;
  v_api_key integer;
  v_model text;
  v_price bigint;
BEGIN
  IF p_attempts > 0 THEN
    PERFORM pg_advisory_xact_lock_shared(20, 1);  -- see usage_horizon()
  END IF;
  v_now := clock_timestamp();
  UPDATE balances b
     SET total = b.total - p_cost, held = b.held - h.amount, unattributed = b.unattributed + p_cost,
         entries = b.entries + CASE WHEN p_cost > 0 THEN 1 ELSE 0 END,
         moment = greatest(b.moment + 1, (date_part('epoch', v_now) * 1000000)::bigint) + p_attempts
    FROM holds h
   WHERE h.account_id = p_account AND h.moment = p_hold AND h.key_number = p_key_number
     AND h.ended_moment IS NULL AND h.amount >= p_cost AND b.held >= h.amount
     AND b.account_id = p_account AND b.key_number = p_key_number
     AND b.owed = 0 AND (b.next_expiry IS NULL OR b.next_expiry > v_now)
  RETURNING b.moment - p_attempts, b.total, b.held, b.entries, h.amount, h.api_key_number, h.model_id, h.price_id
       INTO v_moment, v_total, v_held, v_seq, v_amount, v_api_key, v_model, v_price;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE holds
     SET status = p_status, captured = p_cost, ended_moment = v_moment, attempts = p_attempts,
         finish_reason = p_finish, failure = p_failure
   WHERE account_id = p_account AND moment = p_hold AND key_number = p_key_number AND ended_moment IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the hold ended while its balance was waited for' USING ERRCODE = 'serialization_failure';
  END IF;
  IF v_api_key > 0 THEN
    PERFORM return_budgets(ARRAY[p_account], ARRAY[v_api_key], ARRAY[v_amount], ARRAY[p_cost], ARRAY[v_moment + p_attempts]);
  END IF;
  IF p_cost > 0 THEN
    INSERT INTO entries (account_id, moment, key_number, seq, kind, amount, total_after, hold_moment)
    VALUES (p_account, v_moment, p_key_number, v_seq, 'CHARGE', -p_cost, v_total, p_hold);
  END IF;
  IF v_model IS NOT NULL AND p_text IS NOT NULL THEN
    INSERT INTO answer_texts (account_id, moment, key_number, text) VALUES (p_account, p_hold, p_key_number, p_text);
  END IF;
  IF v_model IS NULL OR p_attempts = 0 THEN
    RETURN ARRAY[v_moment, v_total, v_held];
  END IF;
  INSERT INTO usage_records (
    account_id, moment, key_number, api_key_number, answer_moment, attempt, outcome, model_id, price_id,
    input_tokens, cached_input_tokens, output_tokens, is_estimated, charged, latency_ms, first_token_ms,
    problem_code, provider_cost)
  VALUES (
    p_account, v_moment + 1, p_key_number, v_api_key, p_hold, 1, p_outcome, v_model, v_price,
    p_input, p_cached, p_output, p_is_estimated, p_cost, p_latency, p_first,
    p_problem, p_provider_cost);
  INSERT INTO usage_hours AS t (
    account_id, hour, model_id, api_key_number, attempts, succeeded, failed, canceled, refused,
    input_tokens, cached_input_tokens, output_tokens, charged, latency_ms, first_token_ms, provider_cost)
  VALUES (
    p_account, to_timestamp((v_moment + 1) / 3600000000 * 3600), v_model, v_api_key, 1,
    CASE WHEN p_outcome = 'SUCCEEDED' THEN 1 ELSE 0 END, CASE WHEN p_outcome = 'FAILED' THEN 1 ELSE 0 END,
    CASE WHEN p_outcome = 'CANCELED' THEN 1 ELSE 0 END, 0,
    p_input, p_cached, p_output, p_cost,
    CASE WHEN p_outcome = 'SUCCEEDED' THEN coalesce(p_latency, 0) ELSE 0 END,
    CASE WHEN p_outcome = 'SUCCEEDED' THEN coalesce(p_first, 0) ELSE 0 END, coalesce(p_provider_cost, 0))
  ON CONFLICT (account_id, hour, model_id, api_key_number) DO UPDATE SET
    attempts = t.attempts + excluded.attempts, succeeded = t.succeeded + excluded.succeeded,
    failed = t.failed + excluded.failed, canceled = t.canceled + excluded.canceled,
    input_tokens = t.input_tokens + excluded.input_tokens,
    cached_input_tokens = t.cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = t.output_tokens + excluded.output_tokens, charged = t.charged + excluded.charged,
    latency_ms = t.latency_ms + excluded.latency_ms, first_token_ms = t.first_token_ms + excluded.first_token_ms,
    provider_cost = t.provider_cost + excluded.provider_cost;
  RETURN ARRAY[v_moment, v_total, v_held];
END $$
