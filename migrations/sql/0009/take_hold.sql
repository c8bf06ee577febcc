-- A hold alone in its batch, as it usually is. Returns its moment and the purse's total and held right
-- after it; null, with nothing done, when the purse needs more thought: see apply().
CREATE OR REPLACE FUNCTION take_hold(
  p_account bigint, p_key_number integer, p_amount bigint, p_seconds integer, p_key uuid, p_digest uuid, p_runner uuid,
  p_api_key integer DEFAULT 0, p_model text DEFAULT NULL, p_price bigint DEFAULT NULL, p_tokens_max integer DEFAULT NULL,
  p_is_queued boolean DEFAULT false
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_now CONSTANT timestamptz := clock_timestamp();
  v_moment bigint;
  v_total bigint;
  v_held bigint;
BEGIN
  UPDATE balances
     SET held = held + p_amount, moment = greatest(moment + 1, (date_part('epoch', v_now) * 1000000)::bigint)
   WHERE account_id = p_account AND key_number = p_key_number
     AND total - held >= p_amount AND owed = 0 AND (next_expiry IS NULL OR next_expiry > v_now)
  RETURNING moment, total, held INTO v_moment, v_total, v_held;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO holds (
    account_id, moment, key_number, api_key_number, amount, expires_at, key, digest,
    model_id, price_id, answer_tokens_max, runner)
  VALUES (
    p_account, v_moment, p_key_number, p_api_key, p_amount, v_now + p_seconds * interval '1 second', p_key, p_digest,
    p_model, p_price, p_tokens_max, CASE WHEN NOT p_is_queued THEN p_runner END);
  IF p_api_key > 0 AND NOT take_budgets(ARRAY[p_account], ARRAY[p_api_key], ARRAY[p_amount], ARRAY[v_moment]) THEN
    RAISE EXCEPTION 'the key''s budget does not cover the hold' USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN ARRAY[v_moment, v_total, v_held];
END $$
