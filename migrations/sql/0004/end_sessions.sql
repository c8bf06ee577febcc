-- Ends a session, or every session of its account; returns how many were in force. Only a session that
-- is in force itself can do so.
CREATE FUNCTION end_sessions(p_session uuid, p_everywhere boolean) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  WITH mine AS (
    SELECT account_id FROM sessions WHERE id = p_session AND ended_at IS NULL AND expires_at > now()),
  ended AS (
    UPDATE sessions s SET ended_at = now()
      FROM mine
     WHERE s.account_id = mine.account_id AND (p_everywhere OR s.id = p_session)
       AND s.ended_at IS NULL AND s.expires_at > now()
    RETURNING 1)
  SELECT count(*)::integer FROM ended
$$
