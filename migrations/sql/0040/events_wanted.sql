-- Which events are wanted, by whichever process said so last.
CREATE FUNCTION events_wanted() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT types FROM event_wishes
$$
