-- Sets the password of a session's account, if the hash is still what it was when the caller's right was
-- checked; ends its other sessions, with other issuers' tokens from before, and makes links on their way
-- to its address worthless.
CREATE FUNCTION set_password(p_session uuid, p_hash_before text, p_hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint;
BEGIN
  -- First, as redeem_link() does: links of one address take turns.
  PERFORM pg_advisory_xact_lock(hashtext('tallystick.links'), hashtext(c.email))
     FROM sessions s JOIN account_contacts c ON c.account_id = s.account_id
    WHERE s.id = p_session;
  SELECT a.id INTO v_account
    FROM sessions s JOIN accounts a ON a.id = s.account_id
   WHERE s.id = p_session AND s.ended_at IS NULL AND s.expires_at > now() AND a.status = 'ACTIVE'
     FOR UPDATE OF a;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF p_hash_before IS NULL THEN
    INSERT INTO passwords (account_id, hash) VALUES (v_account, p_hash) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE passwords SET hash = p_hash, set_at = now() WHERE account_id = v_account AND hash = p_hash_before;
  END IF;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE outside_identities SET ended_before = clock_timestamp() WHERE account_id = v_account;
  UPDATE sessions SET ended_at = now() WHERE account_id = v_account AND id <> p_session AND ended_at IS NULL;
  UPDATE mailed_links SET used_at = now()
   WHERE email = (SELECT email FROM account_contacts WHERE account_id = v_account) AND used_at IS NULL;
  RETURN true;
END $$
