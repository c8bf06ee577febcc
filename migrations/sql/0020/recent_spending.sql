-- Accounts that were charged at least so much within the last hour, and what is usual for them: the charges
-- of the week before, and in how many hours of it there were any. Charges are kept by the clock's hour, so
-- of the hour before this one the part counts that is less than an hour ago.
CREATE FUNCTION recent_spending(p_at_least bigint, p_limit integer)
RETURNS TABLE (account_id bigint, charged bigint, usual_total bigint, usual_hours bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_seconds numeric := extract(epoch FROM clock_timestamp());
  v_hour timestamptz := to_timestamp(floor(v_seconds / 3600) * 3600);
  v_rest numeric := 1 - v_seconds % 3600 / 3600;
BEGIN
  RETURN QUERY
  SELECT s.account_id, s.charged, usual.total, usual.hours
    FROM (SELECT u.account_id,
                 sum(CASE WHEN u.hour = v_hour THEN u.charged ELSE u.charged * v_rest END)::bigint AS charged
            FROM usage_hours u
           WHERE u.hour >= v_hour - interval '1 hour'
           GROUP BY u.account_id
          HAVING sum(CASE WHEN u.hour = v_hour THEN u.charged ELSE u.charged * v_rest END) >= p_at_least
           ORDER BY 2 DESC
           LIMIT p_limit) s
   CROSS JOIN LATERAL (
     SELECT coalesce(sum(u.charged), 0)::bigint AS total, count(DISTINCT u.hour) AS hours
       FROM usage_hours u
      WHERE u.account_id = s.account_id AND u.charged > 0
        AND u.hour >= v_hour - interval '7 days' AND u.hour < v_hour - interval '1 hour') usual;
END $$
