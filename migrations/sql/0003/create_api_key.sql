-- Makes a key of the caller's account, with its purse or its budget; returns its number, or null when
-- the account has as many keys that still work as it may have. Numbers are never given twice. Raises
-- foreign_key_violation for a model that does not exist.
CREATE FUNCTION create_api_key(
  p_name text, p_secret_hash bytea, p_secret_start text, p_scopes text[], p_funding text, p_allowed_models text[],
  p_requests_per_minute integer, p_expires_at timestamptz, p_budget bigint, p_period text, p_keys_max integer, p_summary text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint := require_session();
  v_number integer;
BEGIN
  PERFORM FROM balances b WHERE b.account_id = v_account AND b.key_number = 0 FOR NO KEY UPDATE;
  IF (SELECT count(*) FROM api_keys k WHERE k.account_id = v_account AND k.revoked_at IS NULL) >= p_keys_max THEN
    RETURN NULL;
  END IF;
  IF p_funding = 'OWN' AND p_budget IS NOT NULL THEN
    RAISE EXCEPTION 'a key with credits of its own has no budget' USING ERRCODE = 'check_violation';
  END IF;
  PERFORM require_models(p_allowed_models);
  SELECT coalesce(max(k.key_number), 0) + 1 INTO v_number FROM (
    SELECT k.key_number FROM api_keys k WHERE k.account_id = v_account
    UNION ALL SELECT b.key_number FROM balances b WHERE b.account_id = v_account) k;
  INSERT INTO api_keys (
    account_id, key_number, name, secret_hash, secret_start, scopes, funding, allowed_models, requests_per_minute, expires_at)
  VALUES (
    v_account, v_number, p_name, p_secret_hash, p_secret_start, p_scopes, p_funding, p_allowed_models,
    p_requests_per_minute, p_expires_at);
  IF p_funding = 'OWN' THEN
    PERFORM open_purse(v_account, v_number);
  END IF;
  PERFORM set_budget(v_account, v_number, p_budget, p_period);
  PERFORM note_key_change(v_account, v_number, 'createApiKey', p_summary);
  RETURN v_number;
END $$
