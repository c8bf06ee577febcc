-- The revision of the alert that was raised or counted last; 0 when there is none.
CREATE FUNCTION alerts_revision() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  SELECT coalesce(max(revision), 0) FROM alerts
$$
