-- An administrator lifts a suspension. Sessions from before it stay ended: whoever held one signs in
-- again.
CREATE FUNCTION reinstate_account(p_account bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
BEGIN
  PERFORM FROM accounts WHERE id = p_account FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'NOT_FOUND';
  END IF;
  UPDATE accounts SET status = 'ACTIVE', suspension_reason = NULL WHERE id = p_account AND status = 'SUSPENDED';
  IF NOT FOUND THEN
    RETURN 'UNCHANGED';
  END IF;
  UPDATE outside_identities SET ended_before = clock_timestamp() WHERE account_id = p_account;
  UPDATE sessions SET ended_at = now() WHERE account_id = p_account AND ended_at IS NULL;
  INSERT INTO audit_entries (actor_id, action, target_id, summary)
  VALUES (v_actor, 'reinstateAccount', p_account::text, format('reinstated: %s', p_reason));
  RETURN 'CHANGED';
END $$
