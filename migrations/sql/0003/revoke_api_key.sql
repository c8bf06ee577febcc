-- Ends a key of the caller's account for good; doing it again succeeds again. Credits of its own that are
-- not held go back now, the rest when its holds have ended: see empty_revoked_keys(). Outcomes: 0 done,
-- 5 no such key. The totals are the account's.
CREATE FUNCTION revoke_api_key(
  p_number integer, p_summary text,
  OUT outcome smallint, OUT returned bigint, OUT total bigint, OUT held bigint, OUT owed bigint, OUT changed bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint := require_session();
  v_key api_keys;
BEGIN
  PERFORM FROM balances b WHERE b.account_id = v_account AND b.key_number IN (0, p_number)
    ORDER BY b.key_number FOR NO KEY UPDATE;
  SELECT * INTO v_key FROM api_keys k WHERE k.account_id = v_account AND k.key_number = p_number FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 5;
    RETURN;
  END IF;
  IF v_key.revoked_at IS NULL THEN
    UPDATE api_keys k SET revoked_at = clock_timestamp() WHERE k.account_id = v_account AND k.key_number = p_number;
    PERFORM note_key_change(v_account, p_number, 'revokeApiKey', p_summary);
  END IF;
  returned := CASE v_key.funding WHEN 'OWN' THEN return_own_credits(v_account, p_number) ELSE 0 END;
  outcome := 0;
  SELECT b.total, b.held, b.owed, b.moment INTO total, held, owed, changed FROM balances b
   WHERE b.account_id = v_account AND b.key_number = 0;
END $$
