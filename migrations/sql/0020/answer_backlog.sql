-- How many answers wait, and for how long the first of them.
CREATE FUNCTION answer_backlog() RETURNS TABLE (count bigint, oldest_seconds bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT count(*), coalesce(extract(epoch FROM clock_timestamp()) - min(q.moment) / 1000000, 0)::bigint
    FROM waiting_questions q
$$
