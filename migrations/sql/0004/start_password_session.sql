-- Begins a session for whoever knew a password, if the hash it was checked against is still the
-- account's and the account is active; keeps a newer hash of the same password if there is one.
CREATE FUNCTION start_password_session(
  p_account bigint, p_hash text, p_newer_hash text, p_lasts interval, p_refresh_token_hash bytea, p_family_hash bytea
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  -- Locked against a suspension and a change of the password, which lock the account too.
  PERFORM FROM accounts WHERE id = p_account AND status = 'ACTIVE' FOR SHARE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM FROM passwords WHERE account_id = p_account AND hash = p_hash;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF p_newer_hash IS NOT NULL THEN
    UPDATE passwords SET hash = p_newer_hash WHERE account_id = p_account AND hash = p_hash;
  END IF;
  RETURN start_session(p_account, p_lasts, p_refresh_token_hash, p_family_hash, 'PASSWORD');
END $$
