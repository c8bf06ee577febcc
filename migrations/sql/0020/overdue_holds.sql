-- Holds that should have ended so long ago that nobody seems to end them.
CREATE FUNCTION overdue_holds(p_grace interval) RETURNS TABLE (count bigint, amount bigint, oldest_seconds bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_mark bigint := (SELECT s.moment FROM sweep_mark s);
BEGIN
  RETURN QUERY
  SELECT count(*), coalesce(sum(h.amount), 0)::bigint,
         coalesce(extract(epoch FROM clock_timestamp() - min(h.expires_at)), 0)::bigint
    FROM holds h
   WHERE h.moment > v_mark AND h.ended_moment IS NULL AND h.expires_at <= clock_timestamp() - p_grace;
END $$
