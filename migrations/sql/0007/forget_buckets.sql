-- Removes buckets that ran empty, a number of them at most; one in use is left alone. Returns how many.
CREATE FUNCTION forget_buckets(p_at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_removed integer;
BEGIN
  DELETE FROM buckets
   WHERE key IN (SELECT key FROM buckets WHERE empty_at < clock_timestamp()
                  LIMIT p_at_most FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_removed = ROW_COUNT;
  RETURN v_removed;
END $$
