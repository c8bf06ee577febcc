-- Ends a session, or every session of its account; returns how many were in force. Only a session that
-- is in force itself can do so. Everywhere means tokens of other issuers too, those that were not seen
-- here yet included.
CREATE FUNCTION end_sessions(p_session uuid, p_everywhere boolean) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_account bigint;
  v_ended integer;
BEGIN
  SELECT account_id INTO v_account FROM sessions WHERE id = p_session AND ended_at IS NULL AND expires_at > now();
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  IF p_everywhere THEN
    -- First, and as a statement of its own: who comes in meanwhile is seen by the next one.
    UPDATE outside_identities SET ended_before = clock_timestamp() WHERE account_id = v_account;
  END IF;
  UPDATE sessions SET ended_at = now()
   WHERE account_id = v_account AND (p_everywhere OR id = p_session) AND ended_at IS NULL AND expires_at > now();
  GET DIAGNOSTICS v_ended = ROW_COUNT;
  RETURN v_ended;
END $$
