-- An administrator blocks an account; its sessions and keys are refused from the next request on.
-- Saying it again with another reason changes the reason.
CREATE FUNCTION suspend_account(p_account bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_actor bigint := require_admin();
  v_was text;
  v_reason text;
BEGIN
  SELECT status, suspension_reason INTO v_was, v_reason FROM accounts WHERE id = p_account FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'NOT_FOUND';
  ELSIF p_account = v_actor THEN
    RETURN 'ONESELF';
  ELSIF v_was = 'SUSPENDED' AND v_reason = p_reason THEN
    RETURN 'UNCHANGED';
  END IF;
  UPDATE accounts SET status = 'SUSPENDED', suspension_reason = p_reason WHERE id = p_account;
  INSERT INTO audit_entries (actor_id, action, target_id, summary)
  VALUES (v_actor, 'suspendAccount', p_account::text, format('suspended: %s', p_reason));
  RETURN 'CHANGED';
END $$
