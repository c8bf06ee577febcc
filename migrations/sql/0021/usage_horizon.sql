-- A moment before which no usage record will be written any more, and whose records are all to be seen
-- by whoever looks next. Null when a writer takes longer than a second: ask again later.
--
-- Whoever writes usage records takes the lock (20, 1), shared with others of its kind, before it reads
-- the clock for their moments. So a moment is certain once everybody who held the lock when the clock
-- was read has ended: those who come later read the clock later. Nobody is made to wait for that but
-- the caller. So many microseconds are spared besides, by which the clock may be put back without harm.
CREATE FUNCTION usage_horizon(p_spared bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
DECLARE
  v_clock CONSTANT timestamptz := clock_timestamp();
  v_writers CONSTANT text[] := (
    SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks
     WHERE locktype = 'advisory' AND classid = 20 AND objid = 1 AND objsubid = 2
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()));
BEGIN
  WHILE EXISTS (
    SELECT FROM pg_locks
     WHERE locktype = 'advisory' AND classid = 20 AND objid = 1 AND objsubid = 2 AND virtualtransaction = ANY (v_writers)
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  LOOP
    IF clock_timestamp() > v_clock + interval '1 second' THEN
      RETURN NULL;
    END IF;
    PERFORM pg_sleep(0.002);
  END LOOP;
  RETURN (date_part('epoch', v_clock) * 1000000)::bigint - p_spared;
END $$
