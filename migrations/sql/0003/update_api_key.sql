-- Changes a key of the caller's account. Null leaves name and is_enabled as they are; what may itself be
-- null is changed where p_sets names it. Outcomes: 0 done, 4 revoked, 5 no such key. Raises
-- foreign_key_violation for a model that does not exist, check_violation for a budget of a key with
-- credits of its own.
CREATE FUNCTION update_api_key(
  p_number integer, p_name text, p_is_enabled boolean, p_sets text[], p_allowed_models text[],
  p_requests_per_minute integer, p_expires_at timestamptz, p_budget bigint, p_period text, p_summary text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint := require_session();
  v_key api_keys;
BEGIN
  PERFORM FROM balances b WHERE b.account_id = v_account AND b.key_number = 0 FOR NO KEY UPDATE;
  SELECT * INTO v_key FROM api_keys k WHERE k.account_id = v_account AND k.key_number = p_number FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 5;
  ELSIF v_key.revoked_at IS NOT NULL THEN
    RETURN 4;
  END IF;
  IF v_key.funding = 'OWN' AND p_budget IS NOT NULL THEN
    RAISE EXCEPTION 'a key with credits of its own has no budget' USING ERRCODE = 'check_violation';
  END IF;
  PERFORM require_models(p_allowed_models);
  UPDATE api_keys k
     SET name = coalesce(p_name, k.name), is_enabled = coalesce(p_is_enabled, k.is_enabled),
         allowed_models = CASE WHEN 'allowed_models' = ANY (p_sets) THEN p_allowed_models ELSE k.allowed_models END,
         requests_per_minute = CASE WHEN 'requests_per_minute' = ANY (p_sets) THEN p_requests_per_minute ELSE k.requests_per_minute END,
         expires_at = CASE WHEN 'expires_at' = ANY (p_sets) THEN p_expires_at ELSE k.expires_at END
   WHERE k.account_id = v_account AND k.key_number = p_number;
  IF 'budget' = ANY (p_sets) THEN
    PERFORM set_budget(v_account, p_number, p_budget, p_period);
  END IF;
  PERFORM note_key_change(v_account, p_number, 'updateApiKey', p_summary);
  RETURN 0;
END $$
