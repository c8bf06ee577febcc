-- Makes or unmakes an administrator; for the operator's own shell only, so no login may execute it.
CREATE FUNCTION set_role(p_account bigint, p_role text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  UPDATE accounts SET role = p_role WHERE id = p_account AND role <> p_role;
  IF FOUND THEN
    INSERT INTO audit_entries (actor_id, action, target_id, summary)
    VALUES (NULL, 'setRole', p_account::text, format('role is %s now, by the operator''s command line', p_role));
    RETURN true;
  END IF;
  RETURN false;
END $$
