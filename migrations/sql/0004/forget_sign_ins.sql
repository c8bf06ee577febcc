-- Removes links and sessions that are over since a time, some at a time; returns how many.
CREATE FUNCTION forget_sign_ins(p_links_before timestamptz, p_sessions_before timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_links integer;
  v_sessions integer;
BEGIN
  DELETE FROM mailed_links WHERE token_hash IN (
    SELECT token_hash FROM mailed_links WHERE expires_at < p_links_before LIMIT p_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_links = ROW_COUNT;
  DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_at < p_sessions_before LIMIT p_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_sessions = ROW_COUNT;
  RETURN v_links + v_sessions;
END $$
