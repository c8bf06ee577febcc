-- How many of the latest p_limit deliveries that were given up, and neither replayed nor dismissed since,
-- are of each endpoint.
CREATE FUNCTION dead_deliveries(p_limit integer) RETURNS TABLE (endpoint text, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT dead.endpoint, count(*)
    FROM (SELECT d.endpoint FROM event_deliveries d WHERE d.state = 'DEAD' ORDER BY d.event_id DESC LIMIT p_limit) dead
   GROUP BY dead.endpoint
$$
