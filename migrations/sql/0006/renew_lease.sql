-- Holds a process's lease from now on, and tells which of its answers somebody wants canceled: each
-- once.
CREATE FUNCTION renew_lease(p_runner uuid, p_seconds integer)
RETURNS TABLE (account_id bigint, key_number integer, moment bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
BEGIN
  INSERT INTO runners AS r (id, lease_until) VALUES (p_runner, clock_timestamp() + p_seconds * interval '1 second')
  ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until;
  RETURN QUERY
  DELETE FROM cancel_requests c WHERE c.runner = p_runner
  RETURNING c.account_id, c.key_number, c.moment;
END $$
