-- Fills buckets, all in microseconds of their draining: each by as much of what is wanted as it has
-- room for, or not at all if that is less than what is needed; a full bucket takes its window to run
-- empty. Each bucket may be named once. Rows are locked in the order of their keys: callers never wait in a circle.
CREATE FUNCTION take_allowances(p_keys uuid[], p_needed bigint[], p_wanted bigint[], p_windows bigint[])
RETURNS TABLE (key uuid, taken bigint, level bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
BEGIN
  INSERT INTO buckets (key, empty_at, taken)
  SELECT asked.key, '-infinity', 0 FROM unnest(p_keys) AS asked (key) ORDER BY asked.key
  ON CONFLICT DO NOTHING;
  PERFORM FROM buckets b WHERE b.key = ANY (p_keys) ORDER BY b.key FOR UPDATE;
  v_now := clock_timestamp();
  RETURN QUERY
  UPDATE buckets b
     SET taken = fits.taken,
         empty_at = fits.begins_at + make_interval(secs => fits.taken / 1e6)
    FROM (
      SELECT full_until.key, full_until.begins_at,
             CASE WHEN full_until.level + asked.needed <= asked.of_window
                  THEN least(asked.wanted, asked.of_window - full_until.level)
                  ELSE 0 END AS taken
        FROM unnest(p_keys, p_needed, p_wanted, p_windows) AS asked (key, needed, wanted, of_window)
        JOIN (SELECT c.key, greatest(c.empty_at, v_now) AS begins_at,
                     (extract(epoch FROM greatest(c.empty_at, v_now) - v_now) * 1e6)::bigint AS level
                FROM buckets c WHERE c.key = ANY (p_keys)) full_until ON full_until.key = asked.key
    ) fits
   WHERE b.key = fits.key
  RETURNING b.key, b.taken, (extract(epoch FROM b.empty_at - v_now) * 1e6)::bigint;
END $$
