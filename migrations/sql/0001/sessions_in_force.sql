-- Who the given sessions belong to. Suspended accounts are told, so that they can be refused by name;
-- sessions that ended or ran out are left out.
CREATE FUNCTION sessions_in_force(p_sessions uuid[])
RETURNS TABLE (session_id uuid, account_id bigint, role text, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT s.id, a.id, a.role, a.status
    FROM unnest(p_sessions) AS u (id)
    JOIN sessions s ON s.id = u.id
    JOIN accounts a ON a.id = s.account_id
   WHERE s.ended_at IS NULL AND s.expires_at > now()
$$
