-- The password hash of the account whose session this is, and whether the session began by a mailed
-- link within a time. No row: the session is not in force.
CREATE FUNCTION password_of_session(p_session uuid, p_within interval)
RETURNS TABLE (email text, hash text, is_by_recent_link boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT c.email, p.hash, coalesce(s.method = 'MAGIC_LINK' AND s.created_at > now() - p_within, false)
    FROM sessions s
    JOIN accounts a ON a.id = s.account_id
    LEFT JOIN account_contacts c ON c.account_id = s.account_id
    LEFT JOIN passwords p ON p.account_id = s.account_id
   WHERE s.id = p_session AND s.ended_at IS NULL AND s.expires_at > now() AND a.status = 'ACTIVE'
$$
