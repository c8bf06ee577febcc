-- Gives a process's lease up: what it may have left is found at once.
CREATE FUNCTION end_lease(p_runner uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  UPDATE runners SET lease_until = least(lease_until, clock_timestamp()) WHERE id = p_runner
$$
