-- How many answers wait to be run; counts no further than a limit.
CREATE FUNCTION waiting_answers(p_limit integer) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT count(*)::integer FROM (SELECT FROM waiting_questions LIMIT p_limit) waiting
$$
