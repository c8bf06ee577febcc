-- Accounts of which a refresh token was used again lately: the audit log has it from the commit that ended
-- the session. Of a log that grows faster than anybody could look at, the end is enough.
CREATE FUNCTION recent_reuses(p_within interval, p_limit integer) RETURNS TABLE (account_id bigint, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT e.target_id::bigint, count(*)
    FROM (SELECT a.* FROM audit_entries a ORDER BY a.id DESC LIMIT 10000) e
   WHERE e.action = 'refreshSession' AND e.at > now() - p_within
   GROUP BY e.target_id
   ORDER BY count(*) DESC
   LIMIT p_limit
$$
